"""The lead of MoE over dense, in sentences with n and intervals."""

from collections.abc import Iterator

from planners.records.quantity import format_quantity
from reports.page.number_text import counted, nats, percent
from reports.study.evidence import Evidence
from reports.study.evidence.arms import Series
from reports.study.evidence.contrasts import Lead


def no_lead(evidence: Evidence) -> str:
    """Return why no lead of MoE over dense can be stated."""
    for kind, arms in (("dense", evidence.dense), ("MoE", evidence.moe)):
        if not any(arm.done for arm in arms):
            why = "is done" if arms else "was planned"
            return f"No lead of MoE over dense can be stated: no {kind} run {why}."
    return "No lead of MoE over dense can be stated: no dense run is done at the budget of an MoE run."


def lead_points(series: Series, leads: tuple[Lead, ...]) -> Iterator[str]:
    """Yield the leads of one series, one sentence each, then how their intervals were made."""
    first, tried = leads[0], len([arm for arm in series.moe if arm.done])
    best = f", the best of {tried} MoE arms," if tried > 1 else ", the only MoE arm,"
    moe = f"{first.moe.name} (r_a {percent(first.moe.spec.r_a)}){best}"
    for lead in leads:
        yield f"{moe if lead is first else first.moe.name} {_is_lower(lead)}."
    yield _intervals(first)
    if not any(arm.done for arm in series.controls):
        yield "No dense arm of another N was trained, so nothing is said of the best dense model."


def _is_lower(lead: Lead) -> str:
    """Return one lead in words, with N of the dense arm and the interval."""
    value, dense = lead.difference.value, lead.dense
    bpb = "" if lead.bpb is None else f" ({nats(abs(lead.bpb))} bits per byte)"
    N = f"N {format_quantity(dense.spec.N, 3)}"
    which = f"the dense arm of equal N and C ({N})"
    if lead.over == "best":
        which = f"the lowest of {lead.n_dense} dense arms ({dense.name}, {N})"
    elif lead.is_best and lead.n_dense > 1:
        which += f", the lowest of {lead.n_dense} dense arms"
    side = "below" if value >= 0 else "above"
    return f"is {nats(abs(value))} nats/token{bpb} {side} {which}{_with_interval(lead)}{_equivalent(lead)}"


def _with_interval(lead: Lead) -> str:
    """Return the interval of a lead, with the sign in which the lead is stated."""
    if (between := _between(lead)) is None:
        return ""
    inside = ", which includes zero" if between[0] <= 0 <= between[1] else ""
    return f"; 95 % interval {nats(between[0])} to {nats(between[1])}{inside}"


def _between(lead: Lead) -> tuple[float, float] | None:
    """Return the interval of the absolute difference: of the lead, or of the deficit where MoE is higher."""
    if lead.ends is None:
        return None
    low, high = lead.ends
    return (low, high) if lead.difference.value >= 0 else (-high, -low)


def _intervals(first: Lead) -> str:
    if first.ends is None:
        return "There is one seed (n = 1), so leads have no interval."
    how = "pair dense and MoE by seed" if first.difference.blocked else "take dense and MoE as independent (Welch)"
    chosen = " and are widened for the choice among arms" if first.tried > 1 else ""
    return f"The intervals of leads {how}{chosen}; n = {counted(first.n, 'seed')}."


def _equivalent(lead: Lead) -> str:
    """Return whether dense and MoE are equivalent within the margin; empty where one is lower, or without a test."""
    if lead.equivalence is None or lead.margin is None or lead.verdict in ("MoE lower", "dense lower"):
        return ""
    shown = "equivalent" if lead.verdict == "equivalent" else "not shown to be equivalent"
    return f"; {shown} within the margin of {lead.margin:.2g} (TOST p = {lead.equivalence:.2g})"


def lead_in_brief(leads: tuple[Lead, ...]) -> str:
    """Return the leads of one series among others in a few words."""
    return f"{leads[0].moe.name} is {' and '.join(f'{_distance(lead)} {_rival(lead)}' for lead in leads)}"


def _rival(lead: Lead) -> str:
    if lead.over == "best":
        return "the lowest dense arm"
    return "the dense arm of equal N" + (" (the lowest)" if lead.is_best and lead.n_dense > 1 else "")


def _distance(lead: Lead) -> str:
    value, between = lead.difference.value, _between(lead)
    ends = "" if between is None else f" ({nats(between[0])} to {nats(between[1])})"
    return f"{nats(abs(value))}{ends} {'below' if value >= 0 else 'above'}"
