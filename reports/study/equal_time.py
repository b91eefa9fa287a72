"""What MoE loses or gains at equal device-time, in one sentence."""

from reports.page.number_text import flops, listed, signed
from reports.study.evidence import Evidence
from reports.study.evidence.consumption import UNSTEADY, least_steady, unsteadiness
from reports.study.evidence.equal_time import equal_time

HOW = (
    "Losses are interpolated between budgets. The 95 % intervals cover noise between seeds, not drift of the machine's "
    "speed."
)
"""How losses at equal time were found."""


def equal_time_sentence(evidence: Evidence) -> str | None:
    """Return by how much MoE and dense differ in loss at equal time; None where no two arms can be compared."""
    found = equal_time(evidence)
    if found is None:
        return None
    differences = ", ".join(f"{name} {_with_interval(*each.less_dense)}" for name, each in found.found.items())
    left = f" No two budgets of {listed(found.left_out)} enclose that time." if found.left_out else ""
    return (
        f"At equal device-time ({found.hours:.3g} device-hours, what the dense arm takes for C = "
        f"{flops(found.here.C)} FLOPs), the loss of MoE less that of dense in nats/token is: {differences}."
        f"{left}{_disturbed(evidence)}"
    )


def _with_interval(value: float, half: float | None) -> str:
    write = signed(4)
    return write(value) if half is None else f"{write(value)} ({write(value - half)} to {write(value + half)})"


def _disturbed(evidence: Evidence) -> str:
    found = least_steady(evidence)
    if found is None or unsteadiness(found[1]) <= UNSTEADY:
        return ""
    factor = f"a factor of up to {unsteadiness(found[1]):.3g}"
    return f" Speeds of runs with equal steps differ by {factor}, so times say little."
