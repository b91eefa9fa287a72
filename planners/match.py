"""Shapes that are equal in N: one dense model, and MoE models of one backbone that differ in what is active.

All MoE arms share d_model, n_layers, the dense layer and mu, the total FFN width over d_model (arXiv 2506.12119,
step 2). The dense arm has its own shape. A cell that cannot be matched is refused with the reason, never silently bent.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from planners.errors import UsageError
from planners.shape import FFN_MATRICES, Shape

ZETA = 88.0
"""d_model / n_layers that the architecture search of arXiv 2506.12119 settled on (its table 8)."""
MU = 22.0
"""Total FFN width over d_model that it settled on."""
ALPHA = 2.77
"""d_ff / d_model of dense layers, which it held fixed."""
UNITS = 88
"""Experts that an FFN of width mu * d_model is cut into where nothing else decides: its tables have 78 to 93."""
MIN_LAYERS = 3
"""Fewest layers: one dense and two MoE."""
R_A_TOLERANCE = 0.05
"""Relative distance of r_a from its target where K or d_expert follows it."""
MU_TOLERANCE = 0.02
"""Relative drift of mu from the backbone's where d_expert follows rate and K together."""


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """Sizes that a user fixes; null leaves them to the matching."""

    d_model: int | None = None
    """Width."""
    n_layers: int | None = None
    """Depth."""
    n_heads: int | None = None
    """Attention heads."""
    d_expert: int | None = None
    """Hidden width of a routed expert (MoE arms only)."""


@dataclass(frozen=True, kw_only=True)
class Arm:
    """A matched shape and what it was matched to."""

    label: str
    """dense, or K and, where it varies, d_expert."""
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


def match_dense(N: float, vocab_size: int, fixed: Geometry, align: int) -> Arm | Refused:
    """Return the dense shape of N parameters: d_model and depth near ZETA, d_ff takes up the rest."""
    d_model, n_layers = _width_and_depth(N, fixed, align, lambda layers: (4 + 3 * ALPHA) * layers)
    matrices = FFN_MATRICES["swiglu"]

    def shape(d_ff: int) -> Shape:
        return _shape(d_model, n_layers, n_layers, fixed, vocab_size, d_ff)

    d_ff = _nearest((N - shape(align).N) / (matrices * d_model * n_layers) + align, align)
    arm = Arm(label="dense", shape=shape(d_ff), r_a_target=1.0)
    return _check_n(arm, N) or arm


def match_moe(
    N: float,
    vocab_size: int,
    *,
    activations: Iterable[float],
    top_ks: Iterable[int],
    fixed: Geometry,
    align: int,
) -> list[Arm | Refused]:
    """Return an arm or a refusal for each rate and top-k asked for, all on one backbone of N parameters.

    - rates alone: d_expert is one for all arms and K follows the rate;
    - top-k alone: d_expert is one for all arms and the rate follows K;
    - both: every pair, with d_expert following, so that granularity drifts along the rates.
    """
    activations, top_ks = tuple(activations), tuple(top_ks)
    if activations and top_ks and fixed.d_expert:
        raise UsageError("rates and top-k together decide d_expert; give two of the three")
    backbone = _Backbone(N, vocab_size, fixed, align)
    if activations and top_ks:
        return [backbone.arm_of_pair(rate, top_k) for rate in activations for top_k in top_ks]
    if top_ks:
        d_expert = fixed.d_expert or backbone.usual_d_expert
        return [backbone.arm_of_top_k(top_k, d_expert, None) for top_k in top_ks]
    return backbone.arms_of_rates(activations)


class _Backbone:
    """The part that MoE arms share: depth, width, heads, the dense layer and the total FFN width."""

    def __init__(self, N: float, vocab_size: int, fixed: Geometry, align: int):
        self.N, self.vocab_size, self.fixed, self.align = N, vocab_size, fixed, align
        self.d_model, self.n_layers = _width_and_depth(
            N, fixed, align, lambda layers: (4 + 3 * MU) * (layers - 1) + 4 + 3 * ALPHA
        )
        if self.n_layers < 2:
            raise UsageError(f"an MoE backbone needs at least 2 layers, one dense and one MoE, not {self.n_layers}")
        self.per_width = FFN_MATRICES["swiglu"] * self.d_model * (self.n_layers - 1)
        """Parameters per unit of FFN width in all MoE layers together."""
        d_ff = _nearest(ALPHA * self.d_model, align)
        bare = self.shape(d_ff, n_experts=UNITS - 1, top_k=1, d_expert=align)
        self.width = (N - (bare.N - UNITS * align * self.per_width)) / self.per_width
        """Total FFN width of an MoE layer, d_shared + n_experts * d_expert, that gives N."""
        if self.width < 2 * align:
            raise UsageError(
                f"{N:g} parameters leave no room for experts on d_model {self.d_model} and {self.n_layers} layers;"
                " give a smaller backbone or more parameters"
            )
        self.usual_d_expert = _nearest(self.width / UNITS, align)

    def shape(self, d_ff: int, *, n_experts: int, top_k: int, d_expert: int) -> Shape:
        """Return an MoE shape of this backbone; the shared expert is as wide as the routed ones together (its D_se)."""
        return _shape(
            self.d_model,
            self.n_layers,
            1,
            self.fixed,
            self.vocab_size,
            d_ff,
            n_experts=n_experts,
            top_k=top_k,
            d_expert=d_expert,
            d_shared=top_k * d_expert,
        )

    def d_ff_for(self, units: int, d_expert: int) -> int:
        """Return the width of the dense layer that takes up what whole experts leave of N, at the middle K."""
        mean_k = max(1, units // 8)
        middle = self.shape(self.align, n_experts=units - mean_k, top_k=mean_k, d_expert=d_expert)
        rest = (self.N - middle.N) / (FFN_MATRICES["swiglu"] * self.d_model)
        return max(self.align, _nearest(self.align + rest, self.align))

    def arm_of_top_k(self, top_k: int, d_expert: int, rate: float | None) -> Arm | Refused:
        """Return the arm with K routed experts of width `d_expert`."""
        units = round(self.width / d_expert)
        if units - top_k < top_k:
            cell = f"K{top_k}" if rate is None else f"r_a {rate:g}"
            limit = (
                f"an FFN width of {self.width:.0f} holds {units} experts of {d_expert}, so K is at most {units // 2}"
            )
            return Refused(cell=cell, reason=limit)
        d_ff = self.d_ff_for(units, d_expert)
        shape = self.shape(d_ff, n_experts=units - top_k, top_k=top_k, d_expert=d_expert)
        arm = Arm(label=f"K{top_k}", shape=shape, r_a_target=rate)
        return _check_n(arm, self.N) or _check_rate(arm, self.floor) or arm

    def arms_of_rates(self, rates: tuple[float, ...]) -> list[Arm | Refused]:
        """Return arms of one d_expert: the usual one if K meets every rate, else the nearest that meets most."""
        if self.fixed.d_expert:
            widths = [self.fixed.d_expert]
        else:
            usual = self.usual_d_expert
            most = max(self.align, min(4 * usual, int(self.width / 4)))
            widths = list(range(self.align, most + 1, self.align))
            widths.sort(key=lambda width: abs(math.log(width / usual)))
        best: list[Arm | Refused] = []
        for d_expert in widths[:64]:
            arms = [self.arm_of_top_k(self.top_k_for(rate, d_expert), d_expert, rate) for rate in rates]
            if not best or _matched(arms) > _matched(best):
                best = arms
            if _matched(best) == len(rates):
                break
        return best

    def top_k_for(self, rate: float, d_expert: int) -> int:
        """Return the K whose arm is nearest to the rate: N - N_a = (units - 2 K) experts, since d_shared = K d_e."""
        units = round(self.width / d_expert)
        return max(1, round((units - (1 - rate) * self.N / (d_expert * self.per_width)) / 2))

    def arm_of_pair(self, rate: float, top_k: int) -> Arm | Refused:
        """Return the arm with this rate and K, where d_expert and n_experts follow together."""
        cell = f"r_a {rate:g}, K{top_k}"
        active = self.width - (1 - rate) * self.N / self.per_width  # K d_e + d_s = 2 K d_e
        if active <= 0:
            return Refused(
                cell=cell, reason=f"r_a {rate:g} is below the floor {self.floor:.3g}: attention is always active"
            )
        wanted = active / (2 * top_k)
        low, high = (max(self.align, _nearest(wanted * f, self.align)) for f in (0.9, 1.1))
        arms = []
        for d_expert in range(low, high + 1, self.align):
            units = round(self.width / d_expert)
            if abs(units * d_expert / self.width - 1) <= MU_TOLERANCE and units >= 2 * top_k:
                arms.append(self.arm_of_top_k(top_k, d_expert, rate))
        matched = [arm for arm in arms if isinstance(arm, Arm)]
        if not matched:
            limit = (
                f"no d_expert that is a multiple of {self.align} near {wanted:.0f} keeps N, r_a and mu within tolerance"
            )
            return Refused(cell=cell, reason=limit)
        arm = min(matched, key=lambda arm: abs(math.log(arm.shape.r_a / rate)))
        return Arm(label=f"K{top_k} d{arm.shape.d_expert}", shape=arm.shape, r_a_target=rate)

    @property
    def floor(self) -> float:
        """Lowest activation rate: one routed and one shared expert as narrow as `align` allows, with their router."""
        units = round(self.width / self.align)
        d_ff = self.d_ff_for(units, self.align)
        return self.shape(d_ff, n_experts=max(1, units - 1), top_k=1, d_expert=self.align).r_a


def _matched(arms: list[Arm | Refused]) -> int:
    return sum(isinstance(arm, Arm) for arm in arms)


def _check_n(arm: Arm, N: float) -> Refused | None:
    residual, tolerance = arm.shape.N / N - 1, n_tolerance(N)
    if abs(residual) <= tolerance:
        return None
    return Refused(
        cell=arm.label,
        reason=f"its widths allow N {arm.shape.N} and not {N:g}: {residual:+.2%} where {tolerance:.2%} is accepted;"
        " change total parameters, align or the backbone",
    )


def _check_rate(arm: Arm, floor: float) -> Refused | None:
    if arm.r_a_target is None or abs(arm.shape.r_a / arm.r_a_target - 1) <= R_A_TOLERANCE:
        return None
    if arm.r_a_target < floor * (1 + R_A_TOLERANCE):
        limit = f"attention and the dense layer are always active, so the floor of this backbone is {floor:.3g}"
    else:
        limit = (
            f"experts are whole and {R_A_TOLERANCE:.0%} is accepted, so this rate needs another d_expert or backbone"
        )
    return Refused(
        cell=f"r_a {arm.r_a_target:g}",
        reason=f"the nearest is {arm.shape.r_a:.4g} (K {arm.shape.top_k}, d_expert {arm.shape.d_expert}); {limit}",
    )


def _nearest(value: float, multiple: int) -> int:
    """Return the positive multiple nearest to `value`."""
    return max(1, round(value / multiple)) * multiple


def _usual_head_dim(d_model: float) -> int:
    """Return 128 from d_model 1024 (arXiv 2506.12119), 64 from 256, else 32."""
    return 128 if d_model >= 1024 else 64 if d_model >= 256 else 32


def _width_and_depth(N: float, fixed: Geometry, align: int, widths_squared: Callable[[int], float]) -> tuple[int, int]:
    """Return (d_model, n_layers) with N = widths_squared(n_layers) * d_model^2 and their ratio nearest to ZETA."""

    def width(layers: int) -> int:
        exact = math.sqrt(N / widths_squared(layers))
        head_step = 2 * fixed.n_heads if fixed.n_heads else _usual_head_dim(exact)
        return fixed.d_model or _nearest(exact, math.lcm(align, head_step))

    def distance(layers: int) -> float:
        exact = math.sqrt(N / widths_squared(layers))
        return abs(math.log(exact / layers / ZETA)) if not fixed.d_model else abs(math.log(exact / fixed.d_model))

    n_layers = fixed.n_layers or min(range(MIN_LAYERS, 257), key=distance)
    return width(n_layers), n_layers


def _shape(
    d_model: int, n_layers: int, n_dense: int, fixed: Geometry, vocab_size: int, d_ff: int, **experts: int
) -> Shape:
    n_heads = fixed.n_heads or max(1, d_model // _usual_head_dim(d_model))
    if d_model % n_heads:
        raise UsageError(f"d_model {d_model} is no multiple of n_heads {n_heads}")
    return Shape(
        d_model=d_model,
        n_layers=n_layers,
        n_dense_layers=n_dense,
        n_heads=n_heads,
        n_kv_heads=n_heads,
        head_dim=d_model // n_heads,
        d_ff=d_ff,
        vocab_size=vocab_size,
        **experts,  # type: ignore[arg-type]
    )
