"""Shapes with equal FLOPs per token: C and D are given, so M = C / D is fixed, and N follows the rate.

All MoE arms have the width and depth of a dense model with this M, and one K and expert width. The rate determines the
number of experts, so N and mu grow as the rate falls.
"""

import statistics
from collections.abc import Callable, Iterable

from planners.architecture.shape import Shape
from planners.matching.arm import PlannedArm, Refusal, first_arm
from planners.matching.equal_params import UNITS, dense_arm, solve, tried
from planners.matching.frame import ALPHA, MU, Frame, Geometry, nearest, width_and_depth
from planners.matching.tolerance import check_rate, check_ratios, check_size

Cost = Callable[[Shape], int]
"""Training FLOPs per token of a shape."""


def match_dense_flops(M: float, frame: Frame, fixed: Geometry, cost: Cost) -> PlannedArm | Refusal:
    """Return the dense shape that costs M FLOPs per token: width and depth near zeta, d_ff supplies the rest."""
    pairs = tried(_sizes(M, frame, fixed, cost), frame, fixed)
    return first_arm(dense_arm(M, frame, fixed, pair, cost, "FLOPs per token") for pair in pairs)


def match_moe_flops(
    M: float, frame: Frame, fixed: Geometry, cost: Cost, *, activations: Iterable[float], top_ks: Iterable[int]
) -> list[PlannedArm | Refusal]:
    """Return an arm or a refusal for each rate (and each K, if any is given), all with M FLOPs per token."""
    rates, backbone = tuple(activations), _ActivePart(M, frame, fixed, cost)
    experts = [backbone.experts(top_k, statistics.median(rates)) for top_k in tuple(top_ks) or (None,)]
    return [backbone.arm(rate, *pair) for rate in rates for pair in experts]


def _sizes(M: float, frame: Frame, fixed: Geometry, cost: Cost, least: int = 1) -> list[tuple[int, int]]:
    """Return widths and depths at which a dense model costs about M, the nearest to zeta first."""
    N = M / 6
    for _ in range(8):  # attention scores and the head cost a part of M that depends on the sizes
        sizes = width_and_depth(N, frame, fixed, lambda n_layers: frame.per_square(fixed, n_layers, None), least)
        N *= M / cost(frame.dense(fixed, *sizes[0], nearest(ALPHA * sizes[0][0], frame.align)))
    return sizes


class _ActivePart:
    """What MoE arms share: width, depth, and the experts that a token passes through."""

    def __init__(self, M: float, frame: Frame, fixed: Geometry, cost: Cost):
        self.M, self.frame, self.fixed, self.cost = M, frame, fixed, cost
        self.sizes = _sizes(M, frame, fixed, cost, frame.least_layers)[0]
        share = 0.5 if fixed.shared is None else fixed.shared
        self.shared_per_k, self.routed = share / (1 - share), ALPHA * self.sizes[0] * (1 - share)
        self.usual_d_ff = nearest(ALPHA * self.sizes[0], frame.align)

    def shape(self, d_ff: int, n_experts: int, top_k: int, d_expert: int) -> Shape:
        """Return an MoE shape of this backbone."""
        experts = {"n_experts": n_experts, "top_k": top_k, "d_expert": d_expert}
        return self.frame.moe(
            self.fixed, *self.sizes, d_ff, **experts, d_shared=round(top_k * self.shared_per_k) * d_expert
        )

    def experts(self, top_k: int | None, rate: float) -> tuple[int, int]:
        """Return (K, d_expert) of all arms. Free values are chosen so that dense layers keep alpha at `rate`."""
        d_model, align = self.sizes[0], self.frame.align
        width = ALPHA * d_model / self.fixed.granularity if self.fixed.granularity else d_model * MU / UNITS
        usual = self.fixed.d_expert or nearest(self.routed / top_k if top_k else width, align)
        K = top_k or max(1, round(self.routed / usual))
        if self.fixed.d_expert:
            return K, usual
        for _ in range(3):
            usual = self.d_expert(self.n_experts(rate, self.usual_d_ff, K, usual) or K, K)
        return K, usual

    def d_expert(self, n_experts: int, top_k: int) -> int:
        """Return the expert width that gives M when dense layers keep alpha."""
        return solve(
            lambda width: self.cost(self.shape(self.usual_d_ff, n_experts, top_k, width)), self.M, self.frame.align
        )

    def d_ff(self, n_experts: int, top_k: int, d_expert: int) -> int:
        """Return the width of the dense layers that gives M; 0 without dense layers."""
        return solve(lambda width: self.cost(self.shape(width, n_experts, top_k, d_expert)), self.M, self.frame.align)

    def n_experts(self, rate: float, d_ff: int, top_k: int, d_expert: int) -> int | None:
        """Return how many experts give the rate (N and N_a are affine in it); None where the router exceeds it."""
        few = self.shape(d_ff, top_k, top_k, d_expert)
        router, expert = self._growth(top_k, d_expert)
        if rate * expert <= router:
            return None
        return top_k + max(0, round((few.N_a - rate * few.N) / (rate * expert - router)))

    def _growth(self, top_k: int, d_expert: int) -> tuple[int, int]:
        """Return what one more expert adds to N_a (its row of the router) and to N."""
        few, more = (self.shape(self.usual_d_ff, n, top_k, d_expert) for n in (top_k, top_k + 1))
        return more.N_a - few.N_a, more.N - few.N

    def arm(self, rate: float, top_k: int, d_expert: int) -> PlannedArm | Refusal:
        """Return the arm of this rate: as many experts as it needs, and dense layers that supply the rest of M."""
        d_ff, floor = self.usual_d_ff, self._growth(top_k, d_expert)
        n_experts = self.n_experts(rate, d_ff, top_k, d_expert)
        if n_experts is None:
            limit = f"each expert adds {floor[1]} parameters, of which {floor[0]} (its router) are always active"
            return Refusal(cell=f"r_a {rate:g}", reason=f"{limit}, so the floor is {floor[0] / floor[1]:.3g}")
        for _ in range(3):
            d_ff = self.d_ff(n_experts, top_k, d_expert) or d_ff
            n_experts = self.n_experts(rate, d_ff, top_k, d_expert) or n_experts
        d_ff = self.d_ff(n_experts, top_k, d_expert) or d_ff
        arm = PlannedArm(
            label=f"r{rate:g} K{top_k}", shape=self.shape(d_ff, n_experts, top_k, d_expert), r_a_target=rate
        )
        return (
            check_size(arm, self.cost(arm.shape), self.M, "FLOPs per token")
            or check_rate(arm, lambda: floor[0] / floor[1])
            or check_ratios(arm, self.fixed)
            or arm
        )
