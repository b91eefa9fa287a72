"""Dense arms that answer another question than equal N: the compute-optimal one, and one as large as what is active."""

from collections.abc import Iterable

from planners.matching.equal_params import match_dense
from planners.matching.frame import Frame, Geometry
from planners.matching.tolerance import Arm, Refused

A, B, ALPHA, BETA = 482.01, 2085.43, 0.3478, 0.3658
"""Chinchilla's law as arXiv 2404.10102 fits it again; N with embeddings, C = 6 N D."""
C_FITTED = (1.39e18, 1.30e22)
"""Compute of the runs that it was fitted to, FLOPs: the ends of `published/chinchilla/chinchilla_runs.csv`."""
OPTIMAL, ACTIVE = "optimal", "active:"


def optimal_N(C: float) -> float:
    """Return N of the dense model with the lowest loss at C: (alpha A / beta B)^(1 / (alpha + beta)) (C / 6)^(…)."""
    return float((ALPHA * A / (BETA * B)) ** (1 / (ALPHA + BETA)) * (C / 6) ** (BETA / (ALPHA + BETA)))


def control_arm(control: str, arms: Iterable[Arm], C: float | None, frame: Frame, dense: Geometry) -> Arm | Refused:
    """Return the dense arm of a control, beside the matched `arms` of a row at compute C.

    It has a shape of its own: of the sizes that were fixed for the dense arm only zeta is kept.
    """
    free = Geometry(zeta=dense.zeta)
    if control == OPTIMAL:
        if C is None:
            return Refused(cell="control optimal", reason="compute-optimal is a matter of C, which follows under N=D")
        return _relabelled("dense optimal", match_dense(optimal_N(C), frame, free))
    name = control.removeprefix(ACTIVE)
    source = next((arm for arm in arms if is_called(arm, name)), None)
    if source is None:
        return Refused(cell=f"control {control}", reason=f"no arm {name} could be matched, so its N_a is not known")
    return _relabelled(f"dense N_a of {source.label}", match_dense(source.shape.N_a, frame, free))


def _relabelled(label: str, arm: Arm | Refused) -> Arm | Refused:
    if isinstance(arm, Refused):
        return Refused(cell=label, reason=arm.reason)
    return Arm(label=label, shape=arm.shape, r_a_target=None)


def is_called(arm: Arm, name: str) -> bool:
    """Return whether an arm is meant by its label, by the first word of it, or by its rate, as 0.2 or .2."""
    if name in (arm.label, arm.label.split()[0]):
        return True
    try:
        return arm.r_a_target == float(name)
    except ValueError:
        return False
