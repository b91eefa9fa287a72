"""Dense arms that answer another question than equal N: the compute-optimal one, and one as large as what is active."""

from collections.abc import Iterable
from dataclasses import dataclass

from planners.matching.equal_params import match_dense
from planners.matching.frame import Frame, Geometry
from planners.matching.tolerance import Arm, Refused

OPTIMAL, ACTIVE = "optimal", "active:"


@dataclass(frozen=True, kw_only=True)
class LossLaw:
    """Loss in nats per token of a dense model: L = E + A / N^alpha + B / D^beta, with C = 6 N D."""

    A: float
    B: float
    E: float
    alpha: float
    beta: float
    C_fitted: tuple[float, float]
    """Least and most compute of the runs that it was fitted to, FLOPs."""

    @property
    def params(self) -> dict[str, float]:
        """The coefficients by name, as fitted laws have them."""
        return {name: getattr(self, name) for name in ("A", "B", "E", "alpha", "beta")}

    def optimal_N(self, C: float) -> float:
        """Return N of the lowest loss at C: (alpha A / beta B)^(1 / (alpha + beta)) (C / 6)^(beta / (alpha + beta))."""
        total = self.alpha + self.beta
        return float((self.alpha * self.A / (self.beta * self.B)) ** (1 / total) * (C / 6) ** (self.beta / total))


CHINCHILLA = LossLaw(A=482.01, B=2085.43, E=1.8172, alpha=0.3478, beta=0.3658, C_fitted=(1.39e18, 1.30e22))
"""Chinchilla's law as arXiv 2404.10102 fits it again, N with embeddings; `C_fitted` are the ends of
`published/chinchilla/chinchilla_runs.csv`."""


def control_arm(control: str, arms: Iterable[Arm], C: float | None, frame: Frame, dense: Geometry) -> Arm | Refused:
    """Return the dense arm of a control, beside the matched `arms` of a row at compute C.

    It has a shape of its own: of the sizes that were fixed for the dense arm only zeta is kept.
    """
    free = Geometry(zeta=dense.zeta)
    if control == OPTIMAL:
        if C is None:
            return Refused(cell="control optimal", reason="compute-optimal is a matter of C, which follows under N=D")
        return _relabelled("dense optimal", match_dense(CHINCHILLA.optimal_N(C), frame, free))
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
