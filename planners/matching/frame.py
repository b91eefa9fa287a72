"""The frame that matching fills: sizes that the user fixes, the style that all arms share, and width and depth by N."""

import math
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from planners.architecture.shape import LARGEST, Shape
from planners.records.errors import UsageError

ZETA = 88.0
"""d_model / n_layers that the architecture search of arXiv 2506.12119 chose (its table 8)."""
MU = 22.0
"""Total FFN width over d_model that it chose."""
ALPHA = 2.77
"""d_ff / d_model of dense layers, fixed in that search."""
DEPTHS = range(3, 257)
"""Numbers of layers that matching chooses from; the least are one dense and two MoE layers."""
_ABOUT = 16
"""How many of them are tried on either side of the one that fits best."""
MOE_STYLE = ("n_dense_layers", "moe_every", "expert_bias", "shared_gate")
"""Fields of a shape that only MoE arms use."""
_LARGE = 10**6
"""A width at which terms linear in it are negligible against its square."""


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """Sizes and ratios that the user fixes; null leaves them to the matching."""

    d_model: int | None = None
    """Width."""
    n_layers: int | None = None
    """Depth."""
    n_heads: int | None = None
    """Attention heads."""
    d_expert: int | None = None
    """Hidden width of a routed expert (MoE arms only)."""
    zeta: float | None = None
    """d_model / n_layers."""
    mu: float | None = None
    """Total FFN width of an MoE layer over d_model (MoE arms only)."""
    granularity: float | None = None
    """d_ff of the dense layer over d_expert (MoE arms only)."""
    shared: float | None = None
    """d_shared / (d_shared + K d_expert), the shared part of the active FFN width; null: half (MoE arms only)."""

    def __post_init__(self) -> None:
        for name in ("d_model", "n_layers", "n_heads", "d_expert", "zeta", "mu", "granularity"):
            value = getattr(self, name)
            if value is not None and not 0 < value <= LARGEST:
                raise UsageError(f"{name} {value!r} must be positive and at most {LARGEST:,}")
        if self.shared is not None and not 0 <= self.shared < 1:
            raise UsageError(f"shared {self.shared!r} is outside [0, 1); give a fraction of the active FFN width")
        if self.d_expert and self.granularity:
            raise UsageError("d_expert and granularity determine each other; give one of the two")
        if self.d_model and self.n_layers and (self.mu or self.zeta):
            raise UsageError(
                "d_model and n_layers together determine zeta and, with N, mu; leave one of the three free"
            )


Style = tuple[tuple[str, Any], ...]
"""Fields of `Shape` that are not matched, with their values: norm, positions, ffn, n_kv_heads …"""


@dataclass(frozen=True, kw_only=True)
class Frame:
    """What all shapes of a plan share apart from their sizes."""

    vocab_size: int
    """Tokens in the vocabulary."""
    align: int = 8
    """Widths are multiples of this."""
    style: Style = ()
    """Fields of the shapes that are not matched."""

    def dense(self, fixed: Geometry, d_model: int, n_layers: int, d_ff: int) -> Shape:
        """Return a dense shape."""
        style = {name: value for name, value in self.style if name not in MOE_STYLE}
        sizes = {"n_layers": n_layers, "n_dense_layers": n_layers, "d_ff": d_ff, "vocab_size": self.vocab_size}
        return Shape(**{**sizes, **self._heads(fixed, d_model), **style})

    def moe(self, fixed: Geometry, d_model: int, n_layers: int, d_ff: int, **experts: int) -> Shape:
        """Return an MoE shape, with one leading dense layer unless the style says otherwise."""
        sizes = {"n_layers": n_layers, "n_dense_layers": 1, "d_ff": d_ff, "vocab_size": self.vocab_size}
        return Shape(**{**sizes, **self._heads(fixed, d_model), **dict(self.style), **experts})

    def _heads(self, fixed: Geometry, d_model: int) -> dict[str, int]:
        """Return the width and the heads that share it."""
        head_dim = self.get("head_dim")
        n_heads = fixed.n_heads or max(1, d_model // (head_dim or usual_head_dim(d_model)))
        if head_dim is None and d_model % n_heads:
            raise UsageError(f"d_model {d_model} is not a multiple of n_heads {n_heads}")
        head_dim = head_dim or d_model // n_heads
        return {"d_model": d_model, "n_heads": n_heads, "n_kv_heads": n_heads, "head_dim": head_dim}

    def get(self, name: str) -> Any:
        """Return a field of the style, or None."""
        return dict(self.style).get(name)

    @property
    def least_layers(self) -> int:
        """Fewest layers of an MoE model: the leading dense ones and one group with experts."""
        n_dense = self.get("n_dense_layers")
        return (1 if n_dense is None else int(n_dense)) + int(self.get("moe_every") or 1)

    def width_step(self, fixed: Geometry, d_model: float) -> int:
        """Return the step between possible widths: whole heads, in groups that share keys and values."""
        head_dim = self.get("head_dim")
        if fixed.n_heads:
            return math.lcm(self.align, 1 if head_dim else 2 * fixed.n_heads)
        return math.lcm(self.align, (head_dim or usual_head_dim(d_model)) * (self.get("n_kv_heads") or 1))

    def per_square(self, fixed: Geometry, n_layers: int, mu: float | None) -> float:
        """Return N / d_model^2 of a very wide model of this style; `mu=None` means a dense one."""
        return _per_square(self.style, fixed.n_heads, n_layers, mu)


@cache
def _per_square(style: Style, n_heads: int | None, n_layers: int, mu: float | None) -> float:
    kept = {name: value for name, value in style if name not in ("head_dim", "n_kv_heads", "shared_gate")}
    n_heads = n_heads if "n_kv_heads" in dict(style) else None  # without it heads do not change N: keys equal queries
    heads = {"n_kv_heads": dict(style)["n_kv_heads"]} if n_heads else {}
    wide = {**kept, **heads, "head_dim": 2 * (_LARGE // (2 * (n_heads or 1)))}
    frame, fixed = Frame(vocab_size=1, style=tuple(wide.items())), Geometry(n_heads=n_heads or 1)
    d_ff = round(ALPHA * _LARGE)
    if mu is None:
        return frame.dense(fixed, _LARGE, n_layers, d_ff).N / _LARGE**2
    shape = frame.moe(fixed, _LARGE, n_layers, d_ff, n_experts=1, top_k=1, d_expert=round(mu * _LARGE))
    return shape.N / _LARGE**2


def width_and_depth(
    N: float, frame: Frame, fixed: Geometry, per_square: Callable[[int], float], least: int = 1
) -> list[tuple[int, int]]:
    """Return pairs (d_model, n_layers) with N = per_square(n_layers) * d_model^2, the nearest to zeta first.

    Depths are at least `least`. Raises UsageError where the fixed depth is smaller.
    """
    if (fixed.n_layers or DEPTHS[-1]) < least:
        layers = f"n_layers {fixed.n_layers}" if fixed.n_layers else f"{DEPTHS[-1]} layers, the most,"
        raise UsageError(f"{layers} leaves no MoE layer after the dense ones; give {least} or more")
    zeta = fixed.zeta or ZETA

    def pair(n_layers: int) -> tuple[float, tuple[int, int]]:
        """Return how far the sizes of a depth are from what is wanted, and width and depth."""
        exact = math.sqrt(N / per_square(n_layers))
        d_model = fixed.d_model or nearest(exact, frame.width_step(fixed, exact))
        if fixed.d_model:
            return abs(math.log(exact / d_model)), (d_model, n_layers)
        distance = abs(math.log(exact / n_layers / zeta))
        if fixed.mu:  # it is requested, so the rounding of the width must not change it
            distance += 20 * abs(math.log(exact / d_model))
        return distance, (d_model, n_layers)

    if fixed.n_layers:
        return [pair(fixed.n_layers)[1]]
    # The width falls as depth grows, so the best pairs lie where it crosses the wanted width.
    wide = (lambda n_layers: fixed.d_model) if fixed.d_model else (lambda n_layers: zeta * n_layers)
    depths = range(max(DEPTHS.start, least), DEPTHS.stop)
    crossing = bisect_left(depths, 0.0, key=lambda n_layers: wide(n_layers) - math.sqrt(N / per_square(n_layers)))
    about = depths[max(0, crossing - _ABOUT) : crossing + _ABOUT]
    return [sizes for _, sizes in sorted(map(pair, about), key=lambda found: found[0])]


def nearest(value: float, multiple: int) -> int:
    """Return the positive multiple nearest to `value`."""
    return max(1, round(value / multiple)) * multiple


def usual_head_dim(d_model: float) -> int:
    """Return 128 from d_model 1024 (arXiv 2506.12119), 64 from 256, else 32."""
    return 128 if d_model >= 1024 else 64 if d_model >= 256 else 32
