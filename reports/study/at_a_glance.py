"""The answer in two plain sentences: which share should be active, and whether MoE beats dense."""

from collections.abc import Sequence

from fits.result import Optimum
from reports.study.evidence import Evidence
from reports.study.evidence.arms import Series
from reports.study.evidence.contrasts import CLEAR, SUGGESTIVE, Lead, sides

BARELY = 0.2
"""A lead whose interval ends within this share of it from zero is called barely."""


def glance(evidence: Evidence, leads: Sequence[Lead]) -> str:
    """Return the best share with its interval, then the lead of MoE at the largest budget."""
    said = [_best(evidence)]
    if leads:
        said.append(_lead([lead for lead in leads if lead.series is leads[-1].series], len(evidence.series) > 1))
    return " ".join(said)


def _best(evidence: Evidence) -> str:
    """Return which share of the parameters should be active, or that the runs do not say."""
    found = [optimum for series in evidence.series if (optimum := _minimum(series)) is not None]
    if not found:
        return _unresolved(evidence)
    low, high = (pick(optimum.value or 0 for optimum in found) for pick in (min, max))
    interval = _between(min(optimum.lo or 0 for optimum in found), max(optimum.hi or 1 for optimum in found))
    about = f"about {_share(low)}" if _share(low) == _share(high) else _between(low, high)
    said = f"Best: {about} of the parameters active{_where(len(found), len(evidence.series))} (95 %: {interval})."
    regions = [optimum.region for optimum in found]
    left = max((region[0] or 0 for region in regions if region), default=0)
    right = min((region[1] or 1 for region in regions if region), default=1)
    if all(regions) and left < right:
        said += f" Anything from {_between(left, right)} does as well."
    return said


def _minimum(series: Series) -> Optimum | None:
    """Return the optimum of a series, if it is an interval with two ends and measured losses rise on both sides."""
    optimum = series.fit.optimum if series.fit else None
    if optimum is None or optimum.status != "converged" or optimum.lo is None or optimum.hi is None:
        return None
    return optimum if all(side.verdict in (CLEAR, SUGGESTIVE) for side in sides(series)) else None


def _where(found: int, series: int) -> str:
    """Return in how many series the best share has an interval with two ends; empty for a single series."""
    if series == 1:
        return ""
    return f" in each of {series} series of runs" if found == series else f" in {found} of {series} series of runs"


def _unresolved(evidence: Evidence) -> str:
    if not evidence.series:
        return "No MoE run is done, so nothing can be said about the best share of active parameters."
    if len(evidence.series) == 1 and (bound := _bound(evidence.series[0])):
        return bound
    edges = [series.fit.optimum for series in evidence.series if series.fit and series.fit.optimum]
    if edges and all(optimum.status == "edge" for optimum in edges):
        end = "lowest" if edges[0].edge == "low" else "highest"
        return f"The {end} share that was tried is the best one, so the best share may lie beyond it."
    return "These runs do not show which share of the parameters should be active."


def _bound(series: Series) -> str | None:
    """Return the one end of the interval that the runs bound, if they bound one."""
    optimum = series.fit.optimum if series.fit else None
    if optimum is None or (optimum.lo is None) == (optimum.hi is None):
        return None
    if optimum.hi is not None:
        return f"Best: at most {_share(optimum.hi)} of the parameters active (95 %); nothing bounds it from below."
    return f"Best: at least {_share(optimum.lo or 0)} of the parameters active (95 %); nothing bounds it from above."


def _lead(leads: Sequence[Lead], several: bool) -> str:
    """Return the leads over the dense arm of equal size and over the best dense arm, with intervals."""
    at = ", at the largest budget," if several else ""
    rivals = {"matched": "dense", "best": "the best dense model tried"}
    parts = [f"{_verdict(lead)} {rivals[lead.over]}{_by(lead)}" for lead in leads]
    return f"At equal size and compute{at} MoE {'; it '.join(parts)}."


def _verdict(lead: Lead) -> str:
    if lead.ends is None or lead.ends[0] <= 0 <= lead.ends[1]:
        return "cannot be told apart from"
    value = lead.difference.value
    near = min(abs(end) for end in lead.ends) < BARELY * abs(value)
    return ("barely " if near else "") + ("beats" if value > 0 else "loses to")


def _by(lead: Lead) -> str:
    value, ends = lead.difference.value, lead.ends
    if ends is None:
        return f" (it is {_nats(abs(value))} nats per token {'lower' if value >= 0 else 'higher'} with one seed)"
    low, high = ends if value >= 0 else (-ends[1], -ends[0])
    if ends[0] <= 0 <= ends[1]:
        return f" ({_nats(value)} nats per token, 95 %: {_nats(ends[0])} to {_nats(ends[1])})"
    return f" by {_nats(abs(value))} nats per token (95 %: {_nats(low)} to {_nats(high)})"


def _nats(value: float) -> str:
    """Return a difference of losses in two digits; the points below have more."""
    return f"{value:.2g}".replace("-", "−")


def _between(low: float, high: float) -> str:
    return f"{_share(low).removesuffix(' %')} to {_share(high)}"


def _share(rate: float) -> str:
    """Return a rate as a whole percentage, below 10 % with one digit."""
    return f"{100 * rate:.0f} %" if rate >= 0.0995 else f"{100 * rate:.1f} %"
