"""How the arms of a study are named and marked, alike in all of its figures."""

from reports.evidence import Arm, Evidence
from reports.style import DENSE, SERIES, Mark


def marks(evidence: Evidence) -> dict[str, Mark]:
    """Return how each arm is drawn, by name and so alike at every budget: dense arms black, MoE arms in turn."""
    names = dict.fromkeys(arm.name for arm in evidence.moe)
    moe = {name: SERIES[i % len(SERIES)] for i, name in enumerate(names)}
    return {arm.name: moe.get(arm.name, DENSE) for arm in evidence.arms}


def named(arm: Arm, most: int = 28) -> str:
    """Return the name of an arm, cut to `most` characters."""
    return arm.name if len(arm.name) <= most else f"{arm.name[: most - 1]}…"
