"""The tolerances of matching: how far an arm may be from the size, rate and ratios that were asked for."""

import math
from collections.abc import Callable

from planners.matching.arm import PlannedArm, Refusal
from planners.matching.frame import Geometry

R_A_TOLERANCE = 0.05
"""Relative distance of r_a from its target, where K or d_expert follows it."""
MU_TOLERANCE = 0.02
"""Relative difference of mu between the MoE arms of one backbone."""
RATIO_TOLERANCE = 0.1
"""Relative distance of a requested ratio (zeta, mu, granularity, shared) from its value."""


def n_tolerance(N: float) -> float:
    """Return the accepted relative residual of N: 1 % up to 1M parameters, 0.2 % from 50M, a power law between."""
    exponent = math.log(0.2) / math.log(50)
    return min(0.01, max(0.002, 0.01 * math.pow(N / 1e6, exponent)))


def check_size(arm: PlannedArm, size: float, target: float, what: str = "N") -> Refusal | None:
    """Refuse an arm whose N, or whose FLOPs per token, misses the target."""
    residual, tolerance = size / target - 1, n_tolerance(target if what == "N" else target / 6)
    if abs(residual) <= tolerance:
        return None
    limit = f"its widths allow {what} {size:g} and not {target:g}: {100 * residual:+.2f} % is more than the accepted"
    return Refusal(
        cell=arm.label,
        reason=f"{limit} {100 * tolerance:.2f} %; change --total-params, --align, or --d-model and --n-layers",
    )


def check_rate(arm: PlannedArm, floor: Callable[[], float]) -> Refusal | None:
    """Refuse an arm whose rate misses its target; `floor` returns the lowest possible rate."""
    if arm.r_a_target is None or abs(arm.shape.r_a / arm.r_a_target - 1) <= R_A_TOLERANCE:
        return None
    lowest = floor()
    if arm.r_a_target < lowest * (1 + R_A_TOLERANCE):
        limit = f"attention and the dense layer are always active, so the floor of this backbone is {lowest:.3g};"
        limit += " a smaller --align (narrower experts), a narrower --d-model or fewer --n-layers lower it"
    else:
        accepted = f"experts are whole and {100 * R_A_TOLERANCE:.0f} % is accepted"
        limit = f"{accepted}, so this rate needs another d_expert or backbone"
    return Refusal(
        cell=f"r_a {arm.r_a_target:g}",
        reason=f"the nearest is {arm.shape.r_a:.4g} (K {arm.shape.top_k}, d_expert {arm.shape.d_expert}); {limit}",
    )


def check_ratios(arm: PlannedArm, fixed: Geometry) -> Refusal | None:
    """Refuse an arm that misses a requested ratio."""
    shape = arm.shape
    routed = shape.top_k * shape.d_expert
    share = None if shape.is_dense else shape.d_shared / (shape.d_shared + routed)
    actual = {"zeta": shape.zeta, "mu": shape.mu, "granularity": shape.granularity, "shared": share}
    for name, value in actual.items():
        wanted = getattr(fixed, name)
        if wanted and value is not None and abs(value / wanted - 1) > RATIO_TOLERANCE:
            limit = f"whole layers, heads and experts allow {name} {value:.3g} and not {wanted:g}"
            return Refusal(cell=arm.label, reason=f"{limit}, which differs by more than {100 * RATIO_TOLERANCE:.0f} %")
    return None
