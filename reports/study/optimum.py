"""Where the loss is lowest, in sentences that claim no more than the fit and the measured arms show."""

from collections.abc import Iterable, Iterator

from fits.result import Ends, FitResult, Optimum
from reports.page.number_text import counted, listed, nats, percent, sentence, span
from reports.study.evidence import Evidence
from reports.study.evidence.arms import Series, heading
from reports.study.evidence.contrasts import CLEAR, SUGGESTIVE, UNSAMPLED, Side, sides


def optimum_sentence(evidence: Evidence) -> str:
    """Return in one sentence where the fitted loss is lowest, or why no optimum is claimed."""
    if len(evidence.series) == 1:
        return series_sentence(evidence.series[0], evidence)
    if not evidence.series:
        return "No optimum is claimed: no MoE run is done."
    if not evidence.answering:
        return f"No optimum is claimed: {_unfitted(evidence)}."
    found, n = [placed for one in evidence.series if (placed := _placed(one)) is not None], len(evidence.series)
    if not found:
        return f"No optimum is claimed in any of {n} series of runs."
    if len(found) == n:
        return f"The fitted loss is lowest at an activation rate of {span(found, percent)} in {n} series of runs."
    return f"{len(found)} of {n} series of runs have an optimum, at an activation rate of {span(found, percent)}."


def _placed(series: Series) -> float | None:
    optimum = series.fit.optimum if series.fit else None
    return optimum.value if optimum and optimum.status == "converged" else None


def series_sentence(series: Series, evidence: Evidence) -> str:
    """Return the answer for one series: a minimum with its interval, an end of the rates, or why nothing is claimed."""
    fit = series.fit
    optimum = fit.optimum if fit else None
    if fit is None or optimum is None:
        return f"No optimum is claimed: {_unfitted(evidence)}."
    if optimum.status == "converged" and optimum.value is not None:
        return _minimum(fit, optimum, optimum.value, sides(series)) + _survivors(fit)
    if optimum.status == "edge":
        return _edge(fit, optimum) + _survivors(fit)
    said = f"No optimum is claimed. {sentence(optimum.reason)}"
    if optimum.basis and (optimum.lo or optimum.hi):
        span95 = ends(optimum.lo, optimum.hi, fit.domain["r_a"])
        said += f" The 95 % interval that assumes {optimum.basis} is {span95}."
    return said


def _survivors(fit: FitResult) -> str:
    """Return that the answer is conditional on the runs that survived; empty where none diverged."""
    if not fit.diverged:
        return ""
    return f" This is conditional on the surviving runs: {listed(map(str, fit.diverged))}."


def series_points(series: Series) -> Iterator[str]:
    """Yield the region of indifference of one series, then each side of its lowest arm as measured."""
    fit = series.fit
    if fit is not None and fit.optimum is not None and fit.optimum.status == "converged":
        yield from _region(fit, fit.optimum)
    yield from map(_side, sides(series))
    if fit is not None:
        for one in fit.without:
            if one.lo is None or one.hi is None:
                yield sentence(one.sentence)


def _unfitted(evidence: Evidence) -> str:
    if evidence.outdated:
        return "the fits were made from other runs than there are now"
    if not evidence.fits:
        return "no law has been fitted to these runs"
    if not evidence.answering:
        return f"the fitted law ({evidence.fits[0].law}) has no optimum"
    return "no curve has been fitted to these runs"


def _minimum(fit: FitResult, optimum: Optimum, value: float, flanks: tuple[Side, ...]) -> str:
    """Claim a minimum only where its interval is closed and no measured side contradicts it."""
    supported = all(flank.verdict in (CLEAR, SUGGESTIVE) for flank in flanks)
    found = f"an activation rate of {percent(value)} (95 % interval {ends(optimum.lo, optimum.hi, fit.domain['r_a'])})"
    if optimum.lo is not None and optimum.hi is not None and supported:
        return f"The loss is lowest at {found}."
    return f"The fitted loss is lowest at {found}, but the runs do not show a minimum on both sides."


def _region(fit: FitResult, optimum: Optimum) -> Iterator[str]:
    if optimum.region is not None and optimum.margin is not None:
        between = ((None, None), (None, None)) if optimum.region_ends is None else optimum.region_ends
        region = ends(*optimum.region, fit.domain["r_a"], *map(_of_end, between))
        yield f"Rates from {region} are within the margin of {optimum.margin:.2g} nats/token of the lowest loss."


def _of_end(between: Ends) -> str:
    """Return the 95 % interval of an end of the region; empty where it has none within the sampled rates."""
    low, high = between
    if low is None and high is None:
        return ""
    if low is None or high is None:
        return f" (95 %: {f'below {percent(high)}' if high is not None else f'above {percent(low or 0)}'})"
    return f" (95 %: {percent(low)} to {percent(high)})"


def _edge(fit: FitResult, optimum: Optimum) -> str:
    low, high = fit.domain["r_a"]
    where = f"low end of the sampled rates ({percent(low)})"
    if optimum.edge != "low":
        where = f"high end of the sampled rates ({percent(high)})"
    return f"The fitted loss is lowest at the {where}, so the optimum is {_bound(optimum)} (95 % bound)."


def _bound(optimum: Optimum) -> str:
    end, words = (optimum.hi, "at most") if optimum.edge == "low" else (optimum.lo, "at least")
    return "without a bound" if end is None else f"{words} {percent(end)}"


def _side(flank: Side) -> str:
    where = f"{flank.side.capitalize()} of the lowest arm"
    if flank.difference is None:
        return f"{where}: {UNSAMPLED}, because {flank.lowest.name} at that end is the lowest arm."
    errors = "one seed" if flank.errors is None else f"{flank.errors:.1f} standard errors"
    side = "above" if flank.difference.value >= 0 else "below"
    rise = f"{nats(abs(flank.difference.value))} nats/token {side} {flank.lowest.name}"
    return f"{where}: {flank.verdict}. {flank.end.name} is {rise} ({errors})."


def in_brief(series: Series) -> str:
    """Return the optimum of one series among others in a few words."""
    optimum = series.fit.optimum if series.fit else None
    if optimum is None or optimum.status not in ("converged", "edge"):
        return "unresolved"
    if optimum.status == "edge" or optimum.value is None:
        return f"lowest {_bound(optimum)}, at an end of the sampled rates"
    return f"lowest at {percent(optimum.value)} ({_short(optimum.lo)} to {_short(optimum.hi)})"


def ends(low: float | None, high: float | None, sampled: tuple[float, ...], of_low: str = "", of_high: str = "") -> str:
    """Return an interval of rates, each end followed by its own text; an open end is beyond the `sampled` rates."""
    left = percent(low) if low is not None else f"below the lowest sampled rate ({percent(min(sampled))})"
    right = percent(high) if high is not None else f"beyond the highest sampled rate ({percent(max(sampled))})"
    return f"{left}{of_low} to {right}{of_high}"


def optimum_details(evidence: Evidence) -> Iterable[str]:
    """Yield a paragraph for each series with a fit: what the answer rests on, and what other curves give."""
    several = len(evidence.series) > 1
    for series in evidence.series:
        if series.fit:
            said = [series_sentence(series, evidence), *series_points(series)] if several else []
            text = " ".join([*said, _basis(series.fit)])
            yield f"{heading(series, evidence.series)}: {text}" if several else text


def _basis(fit: FitResult) -> str:
    """Return what was fitted, what gave the interval, and what other curves and the fit without blocks give."""
    optimum = fit.optimum
    said = f"The fit is a {fit.law} in ln r_a to {counted(fit.n, 'MoE run')} ({fit.dof} degrees of freedom)"
    said += f"; the answer's interval assumes {optimum.basis}." if optimum and optimum.basis else "."
    said += _other_curves(fit)
    if fit.blocks is None:
        return said
    plain = fit.blocks.plain
    at = plain.status.words
    if plain.value is not None:
        at = f"{percent(plain.value)} (95 % interval {ends(plain.lo, plain.hi, fit.domain['r_a'])})"
    return (
        f"{said} The residual SD is {fit.blocks.sd:.2g} nats with the {fit.blocks.n} seeds as blocks and "
        f"{fit.blocks.plain_sd:.2g} nats without. Minimum without blocks: {at}."
    )


def _other_curves(fit: FitResult) -> str:
    """Return where other curves are lowest, each with its own interval, and which lie outside the answer's interval."""
    others = [row for row in fit.sensitivity if row.value and row.law != fit.law]
    if not others:
        return ""
    found = [f"{row.law} {percent(row.value or 0)} ({_short(row.lo)} to {_short(row.hi)})" for row in others]
    optimum = fit.optimum
    low, high = (optimum.lo or 0, optimum.hi or 1) if optimum and optimum.basis else (0, 1)
    outside = [row.law for row in others if not low <= (row.value or 0) <= high]
    said = f" Other curves of the same runs: {', '.join(found)}; each interval assumes its own curve."
    return f"{said} Outside the answer's interval: {listed(outside)}." if outside else said


def _short(end: float | None) -> str:
    return "open" if end is None else percent(end)
