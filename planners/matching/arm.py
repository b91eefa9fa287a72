"""What matching returns: an arm with its shape, or a refusal with its reason."""

from collections.abc import Iterable
from dataclasses import dataclass

from planners.architecture.shape import Shape


@dataclass(frozen=True, kw_only=True)
class PlannedArm:
    """A shape, what the arm is called, and the activation rate that was asked for."""

    label: str
    """dense, or K and, where it varies, d_expert; the rate first where K is the same for all rates."""
    shape: Shape
    """The architecture."""
    r_a_target: float | None
    """The activation rate asked for; null where K was asked for and r_a follows."""
    is_outside: bool = False
    """Whether it is outside the grid, so that it is trained with its added seeds alone."""

    def is_called(self, name: str) -> bool:
        """Return whether a user means this arm by its label, the first words of its label, or its rate (0.2 or .2)."""
        if f"{self.label} ".startswith(f"{name} "):
            return True
        try:
            return self.r_a_target == float(name)
        except ValueError:
            return False


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A cell of the grid that cannot be planned."""

    cell: str
    """What was asked for."""
    reason: str
    """The binding limit, in one sentence."""


def first_arm(found: Iterable[PlannedArm | Refusal]) -> PlannedArm | Refusal:
    """Return the first arm, or the first refusal if no candidate is an arm. Later candidates are not computed."""
    refusal: Refusal | None = None
    for arm in found:
        if isinstance(arm, PlannedArm):
            return arm
        refusal = refusal or arm
    assert refusal is not None
    return refusal
