"""What counts as equal: arms, refused cells, and the residuals within which an arm is what was asked for."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from planners.architecture.shape import Shape
from planners.matching.frame import Geometry

R_A_TOLERANCE = 0.05
"""Relative distance of r_a from its target where K or d_expert follows it."""
MU_TOLERANCE = 0.02
"""Relative difference of mu between the MoE arms of one backbone."""
RATIO_TOLERANCE = 0.1
"""Relative distance of a ratio that was asked for (zeta, mu, granularity, shared) from its value."""


@dataclass(frozen=True, kw_only=True)
class Arm:
    """A matched shape and what it was matched to."""

    label: str
    """dense, or K and, where it varies, d_expert; the rate where K is the same for all rates."""
    shape: Shape
    """The architecture."""
    r_a_target: float | None
    """The activation rate asked for; null where K was asked for and r_a follows."""


@dataclass(frozen=True, kw_only=True)
class Refused:
    """A cell of the grid that cannot be planned."""

    cell: str
    """What was asked for."""
    reason: str
    """The binding limit, in one sentence."""


def n_tolerance(N: float) -> float:
    """Return the relative residual of N that is accepted: 1 % up to 1M, 0.2 % from 50M, a power law between."""
    exponent = math.log(0.2) / math.log(50)
    return min(0.01, max(0.002, 0.01 * math.pow(N / 1e6, exponent)))


def first_arm(found: Iterable[Arm | Refused]) -> Arm | Refused:
    """Return the first that is matched, or why the first is not; what comes after is not asked for."""
    refused: Refused | None = None
    for arm in found:
        if isinstance(arm, Arm):
            return arm
        refused = refused or arm
    assert refused is not None
    return refused


def check_size(arm: Arm, size: float, target: float, what: str = "N") -> Refused | None:
    """Refuse an arm whose N, or FLOPs per token, is off its target."""
    residual, tolerance = size / target - 1, n_tolerance(target if what == "N" else target / 6)
    if abs(residual) <= tolerance:
        return None
    return Refused(
        cell=arm.label,
        reason=f"its widths allow {what} {size:g} and not {target:g}: {residual:+.2%} where {tolerance:.2%} is"
        " accepted; change total parameters, align or the backbone",
    )


def check_rate(arm: Arm, floor: Callable[[], float]) -> Refused | None:
    """Refuse an arm whose rate is off its target; `floor` gives the lowest rate there is."""
    if arm.r_a_target is None or abs(arm.shape.r_a / arm.r_a_target - 1) <= R_A_TOLERANCE:
        return None
    lowest = floor()
    if arm.r_a_target < lowest * (1 + R_A_TOLERANCE):
        limit = f"attention and the dense layer are always active, so the floor of this backbone is {lowest:.3g}"
    else:
        limit = (
            f"experts are whole and {R_A_TOLERANCE:.0%} is accepted, so this rate needs another d_expert or backbone"
        )
    return Refused(
        cell=f"r_a {arm.r_a_target:g}",
        reason=f"the nearest is {arm.shape.r_a:.4g} (K {arm.shape.top_k}, d_expert {arm.shape.d_expert}); {limit}",
    )


def check_ratios(arm: Arm, fixed: Geometry) -> Refused | None:
    """Refuse an arm that misses a ratio which was asked for."""
    shape = arm.shape
    routed = shape.top_k * shape.d_expert
    share = None if shape.is_dense else shape.d_shared / (shape.d_shared + routed)
    actual = {"zeta": shape.zeta, "mu": shape.mu, "granularity": shape.granularity, "shared": share}
    for name, value in actual.items():
        wanted = getattr(fixed, name)
        if wanted and value is not None and abs(value / wanted - 1) > RATIO_TOLERANCE:
            limit = f"whole layers, heads and experts allow {name} {value:.3g} and not {wanted:g}"
            return Refused(cell=arm.label, reason=f"{limit}, which is off by more than {RATIO_TOLERANCE:.0%}")
    return None
