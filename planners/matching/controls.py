"""Dense controls, which have another N than the matched arms: the compute-optimal one, or N equal to an arm's N_a."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from planners.matching.arm import PlannedArm, Refusal
from planners.matching.equal_params import match_dense
from planners.matching.frame import Frame, Geometry
from planners.records.errors import UsageError

USUAL_RATIO = 20.0
"""Tokens per parameter near the compute optimum of a dense model (arXiv 2203.15556)."""


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
        """Return N of the lowest loss at the budget C, FLOPs."""
        return float(optimal_N(self.A, self.B, self.alpha, self.beta, C))


def optimal_N(A: Any, B: Any, alpha: Any, beta: Any, C: Any) -> Any:
    """Return N of the lowest loss at C = 6 N D, arXiv 2203.15556, equation 4; each argument a number or an array.

    It is (alpha A / beta B)^(1 / (alpha + beta)) (C / 6)^(beta / (alpha + beta)).
    """
    total = alpha + beta
    return (alpha * A / (beta * B)) ** (1 / total) * (C / 6) ** (beta / total)


CHINCHILLA = LossLaw(A=482.01, B=2085.43, E=1.8172, alpha=0.3478, beta=0.3658, C_fitted=(1.39e18, 1.30e22))
"""Chinchilla's law as arXiv 2404.10102 fits it again, N with embeddings; `C_fitted` are the ends of
`published/chinchilla/chinchilla_runs.csv`."""


@dataclass(frozen=True, kw_only=True)
class Control:
    """A dense arm that a question asks for in addition to the matched ones."""

    asked: str
    """How the user writes it: optimal, or active:ARM."""
    active_of: str | None
    """Name of the arm whose N_a becomes N; null for the compute-optimal control."""

    @property
    def is_optimal(self) -> bool:
        """Whether it is the compute-optimal control."""
        return self.active_of is None


def parse_control(text: str) -> Control:
    """Return the control that `text` names. Raises UsageError for anything but optimal and active:ARM."""
    kind, _, arm = text.partition(":")
    if text == "optimal" or (kind == "active" and ":" in text):
        return Control(asked=text, active_of=arm if ":" in text else None)
    raise UsageError(f"control {text!r} is neither optimal nor active:ARM, such as active:K4 or active:.2")


def control_arm(
    control: Control, arms: Iterable[PlannedArm], C: float | None, frame: Frame, dense: Geometry
) -> PlannedArm | Refusal:
    """Return the dense arm of a control at compute C; `arms` are the matched arms of its row.

    The control has a shape of its own: of the sizes fixed for the dense arm only zeta applies.
    """
    cell, free = f"control {control.asked}", Geometry(zeta=dense.zeta)
    if control.active_of is None:
        if C is None:
            return Refusal(cell=cell, reason="compute-optimal depends on C, which follows under N=D")
        return _relabelled("dense optimal", match_dense(CHINCHILLA.optimal_N(C), frame, free))
    source = next((arm for arm in arms if arm.is_called(control.active_of)), None)
    if source is None:
        return Refusal(cell=cell, reason=f"no arm {control.active_of} could be matched, so its N_a is unknown")
    return _relabelled(f"dense N_a of {source.label}", match_dense(source.shape.N_a, frame, free))


def _relabelled(label: str, arm: PlannedArm | Refusal) -> PlannedArm | Refusal:
    if isinstance(arm, Refusal):
        return replace(arm, cell=label)
    return replace(arm, label=label, r_a_target=None)
