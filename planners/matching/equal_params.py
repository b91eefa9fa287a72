"""Shapes with equal N: one dense model, and MoE models that differ in their active parameters.

All MoE arms share d_model, n_layers, the dense layers and mu, the total FFN width over d_model (arXiv 2506.12119,
step 2). Where the backbone shrinks with the rate, they share aspect ratios instead. The dense arm has its own shape.
N is affine in each width, so norms, biases and positions need no special cases. A cell that cannot be matched is
refused with the reason; it is never changed silently.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import cached_property, lru_cache
from itertools import takewhile

from planners.architecture.shape import Shape
from planners.matching.arm import PlannedArm, Refusal, first_arm
from planners.matching.frame import ALPHA, MU, Frame, Geometry, nearest, width_and_depth
from planners.matching.tolerance import (
    MU_TOLERANCE,
    R_A_TOLERANCE,
    RATIO_TOLERANCE,
    check_rate,
    check_ratios,
    check_size,
)
from planners.records.errors import UsageError

UNITS = 88
"""Default number of experts in an FFN of width mu * d_model; the tables of arXiv 2506.12119 have 78 to 93."""
BEND = 0.25
"""Weight of a log deviation of the dense layers' d_ff from its usual width, against one of d_expert or of the rate."""
SHAPES = 16
"""How many pairs of width and depth a dense arm tries; each is also tried one step wider and narrower."""
TRIED = 64
"""How many widths of a routed expert are tried."""
HOLDS = ("backbone", "aspect")
"""What MoE arms keep as the rate falls: the whole backbone, or only its aspect ratios."""


@lru_cache(maxsize=1024)
def match_dense(N: float, frame: Frame, fixed: Geometry) -> PlannedArm | Refusal:
    """Return the dense shape of N parameters: d_model and depth near zeta, d_ff supplies the rest."""
    sizes = width_and_depth(N, frame, fixed, lambda n_layers: frame.per_square(fixed, n_layers, None))
    return first_arm(dense_arm(N, frame, fixed, pair, lambda shape: shape.N) for pair in tried(sizes, frame, fixed))


def tried(sizes: list[tuple[int, int]], frame: Frame, fixed: Geometry) -> Iterator[tuple[int, int]]:
    """Yield the widths and depths that a dense arm tries: the nearest to zeta, then one step wider or narrower."""
    yield from sizes[:SHAPES]
    for d_model, n_layers in sizes[:SHAPES] if fixed.d_model is None else ():
        step = frame.width_step(fixed, d_model)
        yield d_model + step, n_layers
        yield max(step, d_model - step), n_layers


def dense_arm(
    target: float,
    frame: Frame,
    fixed: Geometry,
    sizes: tuple[int, int],
    measure: Callable[[Shape], int],
    what: str = "N",
) -> PlannedArm | Refusal:
    """Return the dense shape of this width and depth whose d_ff brings `measure`, affine in d_ff, to the target."""
    align = frame.align
    d_ff = solve(lambda width: measure(frame.dense(fixed, *sizes, width)), target, align)
    arm = PlannedArm(label="dense", shape=frame.dense(fixed, *sizes, d_ff), r_a_target=1.0)
    return check_size(arm, measure(arm.shape), target, what) or check_ratios(arm, fixed) or arm


@lru_cache(maxsize=1024)
def match_moe(
    N: float,
    frame: Frame,
    fixed: Geometry,
    *,
    activations: tuple[float, ...],
    top_ks: tuple[int, ...],
    hold: str = "backbone",
) -> tuple[PlannedArm | Refusal, ...]:
    """Return an arm or a refusal for each requested rate and top-k, all with N parameters.

    - rates alone: all arms have one d_expert, and K follows the rate;
    - top-k alone: all arms have one d_expert, and the rate follows K;
    - both: every pair; d_expert follows, so granularity drifts along the rates.

    Under `hold` backbone the arms share one backbone. Under aspect each rate has its own, with the width and depth of a
    dense model of r_a * N parameters, and more experts supply the rest of N. Raises UsageError for contradictions.
    """
    if activations and top_ks and (fixed.d_expert or fixed.granularity):
        raise UsageError("rates and top-k together determine d_expert; give two of the three")
    if hold == "aspect":
        if not activations:
            raise UsageError("a backbone that shrinks with the rate needs activation rates, not top-k alone")
        return tuple(arm for rate in activations for arm in _aspect_arms(N, frame, fixed, rate, top_ks))
    return tuple(_arms_of(_Backbone(N, frame, fixed), activations, top_ks))


def _aspect_arms(
    N: float, frame: Frame, fixed: Geometry, rate: float, top_ks: tuple[int, ...]
) -> list[PlannedArm | Refusal]:
    """Return the arms of one rate, on the backbone that its active parameters determine."""
    if fixed.d_model or fixed.n_layers or fixed.mu:
        raise UsageError("d_model, n_layers and mu follow the rate when aspect ratios are held; leave them free")
    found = _arms_of(_Backbone(N, frame, fixed, active=rate * N), (rate,), top_ks)
    return [replace(arm, label=f"r{rate:g} {arm.label}") if isinstance(arm, PlannedArm) else arm for arm in found]


def _arms_of(backbone: "_Backbone", rates: tuple[float, ...], top_ks: tuple[int, ...]) -> list[PlannedArm | Refusal]:
    if top_ks and min(top_ks) > (
        most := backbone.most_top_k(backbone.align)
    ):  # a smaller K can be planned, so only the smallest raises
        limit = f"even experts of width {backbone.align} are too few on this backbone, so K is at most {most}"
        raise UsageError(f"top-k {min(top_ks)} is above n_experts: {limit}")
    if rates and top_ks:
        return [backbone.arm_of_pair(rate, top_k) for rate in rates for top_k in top_ks]
    if top_ks:
        widths = backbone.expert_widths(search=False)
        return _best(
            ([backbone.arm_of_top_k(top_k, d_expert, None) for top_k in top_ks] for d_expert in widths), len(top_ks)
        )
    widths = backbone.expert_widths(search=True)
    reachable = sum(rate * (1 + R_A_TOLERANCE) >= backbone.floor for rate in rates)
    return _best(([backbone.arm_of_rate(rate, d_expert) for rate in rates] for d_expert in widths), reachable)


def _best(found: Iterable[list[PlannedArm | Refusal]], most: int) -> list[PlannedArm | Refusal]:
    """Return the list with the most matched arms, the first of equals; stop at a list with `most`, the maximum."""
    best: list[PlannedArm | Refusal] = []
    for arms in found:
        if not best or _matched(arms) > _matched(best):
            best = arms
        if _matched(best) >= most:
            break
    return best


class _Backbone:
    """What MoE arms share: depth, width, heads, the dense layers and the total FFN width."""

    def __init__(self, N: float, frame: Frame, fixed: Geometry, active: float | None = None):
        """Choose width and depth by N and mu, or by the active parameters where they are given."""
        self.N, self.frame, self.fixed, self.align = N, frame, fixed, frame.align
        mu = fixed.mu or MU if active is None else None
        sizes = width_and_depth(
            active or N, frame, fixed, lambda layers: frame.per_square(fixed, layers, mu), frame.least_layers
        )
        self.d_model, self.n_layers = sizes[0]
        share = 0.5 if fixed.shared is None else fixed.shared
        self.shared_per_k = share / (1 - share)
        """Width of the shared expert over the width of the K routed ones."""
        self.usual_d_ff = nearest(ALPHA * self.d_model, self.align)
        self._measure_width()

    def _measure_width(self) -> None:
        """Measure how N depends on each size, then find the total FFN width of an MoE layer that gives N."""
        sizes = {"n_experts": UNITS - 1, "top_k": 1, "d_expert": self.align}
        bare = self.shape(self.usual_d_ff, **sizes)
        width = bare.d_shared + bare.n_experts * self.align
        self.per_width = (self.shape(self.usual_d_ff, **{**sizes, "d_expert": 2 * self.align}).N - bare.N) / width
        """Parameters per unit of FFN width in all MoE layers together."""
        more = self.shape(self.usual_d_ff, **{**sizes, "n_experts": UNITS})
        self.per_expert = more.N - bare.N - self.per_width * self.align
        """Parameters of an expert that do not depend on its width: its row of the router, and biases."""
        self.per_d_ff = (self.shape(self.usual_d_ff + self.align, **sizes).N - bare.N) / self.align
        """Parameters per unit of the width of the dense layers; 0 without dense layers."""
        self.rest = bare.N - self.per_width * width - self.per_expert * bare.n_experts
        """N without the experts, with dense layers of usual width."""
        self.width = (self.N - (bare.N - width * self.per_width)) / self.per_width
        if self.width < 2 * self.align:
            raise UsageError(
                f"{self.N:g} parameters leave no room for experts on d_model {self.d_model} and {self.n_layers} layers;"
                " give a smaller backbone or more parameters"
            )
        self.usual_d_expert = nearest(self.width / UNITS, self.align)

    def expert_widths(self, search: bool) -> list[int]:
        """Return the possible widths of a routed expert, the best first; only the best one unless `search`."""
        if self.fixed.d_expert:
            return [self.fixed.d_expert]
        wanted: float = self.usual_d_expert
        low, high = float(self.align), max(self.align, min(4 * wanted, self.width / 4))
        if self.fixed.granularity:
            wanted = self.usual_d_ff / self.fixed.granularity
            if wanted > self.width:
                limit = f"experts {wanted:.3g} wide, but all experts of a layer together are {self.width:.0f} wide"
                raise UsageError(f"granularity {self.fixed.granularity:g} needs {limit}; give a larger one")
            low, high = wanted * (1 - RATIO_TOLERANCE), wanted * (1 + RATIO_TOLERANCE)
        reach = TRIED * self.align
        low, high = (nearest(end, self.align) for end in (max(low, wanted - reach), min(high, wanted + reach)))
        near = sorted(range(low, high + 1, self.align), key=lambda width: abs(math.log(width / wanted)))[:TRIED]
        best = sorted(
            near, key=lambda width: abs(math.log(width / wanted)) + self.bend(round(self.width / width), width)
        )
        return best if search or self.fixed.granularity else best[:1]

    def bend(self, units: int, d_expert: int) -> float:
        """Return the penalty for dense layers that depart from their usual width to supply what whole experts leave."""
        return abs(math.log(self.d_ff_for(units, d_expert) / self.usual_d_ff)) * BEND

    def shape(self, d_ff: int, *, n_experts: int, top_k: int, d_expert: int) -> Shape:
        """Return an MoE shape of this backbone."""
        experts = {"n_experts": n_experts, "top_k": top_k, "d_expert": d_expert}
        d_shared = self.shared_units(top_k) * d_expert
        return self.frame.moe(self.fixed, self.d_model, self.n_layers, d_ff, **experts, d_shared=d_shared)

    def shared_units(self, top_k: int) -> int:
        """Return the width of the shared expert in routed experts: K unless the user fixes another share."""
        return max(1, round(top_k * self.shared_per_k)) if self.shared_per_k else 0

    def d_ff_for(self, units: int, d_expert: int) -> int:
        """Return the width of the dense layers that supplies what whole experts leave of N, at a medium K."""
        top_k = max(1, units // 8)
        shared = self.shared_units(top_k)
        n_experts = max(top_k, units - shared)
        experts = self.per_width * (n_experts + shared) * d_expert + self.per_expert * n_experts
        left = self.N - self.rest - experts
        d_ff = nearest(self.usual_d_ff + left / self.per_d_ff, self.align) if self.per_d_ff else self.usual_d_ff
        if self.fixed.granularity:  # then d_ff must keep the requested ratio of the two widths
            wanted = self.fixed.granularity * d_expert
            low, high = (nearest(wanted * (1 + sign * 0.9 * RATIO_TOLERANCE), self.align) for sign in (-1, 1))
            return min(max(d_ff, low), high)
        return d_ff

    def arm_of_top_k(self, top_k: int, d_expert: int, rate: float | None) -> PlannedArm | Refusal:
        """Return the arm with K routed experts of width `d_expert`."""
        units = round(self.width / d_expert)
        n_experts = units - self.shared_units(top_k)
        if n_experts < top_k:
            holds = f"an FFN width of {self.width:.0f} holds {units} experts of {d_expert}"
            limit = f"{holds}, so K is at most {self.most_top_k(d_expert)}"
            return Refusal(cell=f"K{top_k}" if rate is None else f"r_a {rate:g}", reason=limit)
        d_ff = self.d_ff_for(units, d_expert)
        shape = self.shape(d_ff, n_experts=n_experts, top_k=top_k, d_expert=d_expert)
        arm = PlannedArm(label=f"K{top_k}", shape=shape, r_a_target=rate)
        return self._check(arm) or arm

    def most_top_k(self, d_expert: int) -> int:
        """Return the largest K: at least K routed experts must remain next to the shared one."""
        return math.floor(round(self.width / d_expert) / (1 + self.shared_per_k))

    def _check(self, arm: PlannedArm) -> Refusal | None:
        return (
            check_size(arm, arm.shape.N, self.N) or check_rate(arm, lambda: self.floor) or check_ratios(arm, self.fixed)
        )

    def arm_of_rate(self, rate: float, d_expert: int) -> PlannedArm | Refusal:
        """Return the arm of this rate: N - N_a is n_experts - K experts, and the shared expert grows with K."""
        units = round(self.width / d_expert)
        inactive = (1 - rate) * self.N / (d_expert * self.per_width)
        top_k = max(1, round((units - inactive) / (1 + self.shared_per_k)))
        # Experts are whole and N is not exact, so a neighbouring K may come nearer to the rate.
        return first_arm(self.arm_of_top_k(max(1, top_k + step), d_expert, rate) for step in (0, 1, -1, 2, -2, 3, -3))

    def arm_of_pair(self, rate: float, top_k: int) -> PlannedArm | Refusal:
        """Return the arm with this rate and K; d_expert and n_experts follow."""
        cell, active = f"r_a {rate:g}, K{top_k}", self.width - (1 - rate) * self.N / self.per_width
        if active <= 0:
            return Refusal(
                cell=cell, reason=f"r_a {rate:g} is below the floor {self.floor:.3g}: attention is always active"
            )
        wanted = active / (top_k + self.shared_units(top_k))
        low, high = (nearest(wanted * factor, self.align) for factor in (0.9, 1.1))
        limit = MU_TOLERANCE / (2 + MU_TOLERANCE)  # two arms may differ in opposite directions
        left = {
            width: abs(round(self.width / width) * width / self.width - 1) for width in range(low, high + 1, self.align)
        }
        near = sorted((width for width in left if left[width] <= limit), key=lambda width: abs(width - wanted))
        found = [self.arm_of_top_k(top_k, width, rate) for width in near]
        arms = [arm for arm in found if isinstance(arm, PlannedArm)]
        refusals = [arm for arm in found if isinstance(arm, Refusal)]
        if not found:
            change = f"whole experts about {wanted:.0f} wide change mu by {100 * min(left.values()):.1f} %"
            reason = f"{change}; {100 * limit:.1f} % is accepted, so change K, align or the backbone"
            return Refusal(cell=cell, reason=reason)
        if not arms:
            return replace(refusals[0], cell=cell)
        bent = {arm: abs(math.log(arm.shape.d_ff / self.usual_d_ff)) * BEND for arm in arms}
        arm = min(arms, key=lambda arm: abs(math.log(arm.shape.r_a / rate)) + bent[arm])
        return replace(arm, label=f"K{top_k} d{arm.shape.d_expert}")

    @cached_property
    def floor(self) -> float:
        """Lowest activation rate: one routed and one shared expert, of the width at which it is least.

        Narrower experts hold fewer active parameters, but there are more of them, and the router grows.
        """
        doubled = (self.align << step for step in range(32))
        widths = set(takewhile(lambda width: width <= max(self.align, self.width / 4), doubled))
        return min(self._lowest(d_expert) for d_expert in widths | {self.fixed.d_expert or self.align})

    def _lowest(self, d_expert: int) -> float:
        """Return the activation rate of K = 1 with experts of this width."""
        units = round(self.width / d_expert)
        n_experts = max(1, units - self.shared_units(1))
        return self.shape(self.d_ff_for(units, d_expert), n_experts=n_experts, top_k=1, d_expert=d_expert).r_a


def solve(measure: Callable[[int], float], target: float, align: int) -> int:
    """Return the positive multiple of `align` at which `measure`, affine in the width, is nearest to the target.

    Zero where it does not depend on the width.
    """
    low = measure(align)
    per_width = (measure(2 * align) - low) / align
    return nearest(align + (target - low) / per_width, align) if per_width else 0


def _matched(arms: list[PlannedArm | Refusal]) -> int:
    return sum(isinstance(arm, PlannedArm) for arm in arms)
