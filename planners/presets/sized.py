"""Kinds of arm, and the sizes, that the presets of the why-studies share."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from planners.architecture.shape import Shape
from planners.given_arms import GivenArm
from planners.records.errors import UsageError
from planners.spec import Router

SIZES = ("laptop", "smoke", "gpu")
"""laptop: real answers on two cores. smoke: a test of the whole pipeline. gpu: the same study, larger."""
HEAD = 32
"""Width of an attention head."""
DENSE_WIDTH = 2.75
"""Hidden width of a dense FFN over d_model."""
ROLE = 2.0
"""Added to the logits of the experts of a window's task."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of arm: how its FFN is built, and what it is told."""

    width: float = DENSE_WIDTH
    """Hidden width of the dense FFN, or of an expert, over d_model."""
    n_experts: int = 0
    """Routed experts of each layer; 0: dense."""
    top_k: int = 0
    """Experts per token."""
    told: bool = False
    """Whether a vector for its domain is added to every token."""
    router: Router = field(default_factory=Router)
    """How tokens are routed."""

    def shape(self, d_model: int, *, vocab_size: int = 256, n_layers: int = 2, domains: int = 4) -> Shape:
        """Return the shape at a width; every layer of a mixture has experts."""
        moe, heads = self.n_experts > 0, max(1, d_model // HEAD)
        hidden = _whole(d_model * self.width)
        return Shape(
            d_model=d_model,
            n_layers=n_layers,
            n_dense_layers=0 if moe else n_layers,
            n_heads=heads,
            n_kv_heads=heads,
            head_dim=d_model // heads,
            d_ff=_whole(d_model * DENSE_WIDTH) if moe else hidden,
            n_experts=self.n_experts,
            top_k=self.top_k,
            d_expert=hidden if moe else 0,
            vocab_size=vocab_size,
            domains=domains if self.told else 0,
        )


def _whole(width: float) -> int:
    return max(1, round(width / 8)) * 8


E8 = Kind(n_experts=8, top_k=1)
"""Eight experts as wide as the dense FFN, one per token: 5.7 times N, and FLOPs + 0.7 %."""
NC = Kind(width=0.25, n_experts=11, top_k=2)
"""Eleven experts of d_model / 4, two per token: the N of dense, and 1.57 times its tokens at equal C."""


HALVES = Kind(width=DENSE_WIDTH / 2, n_experts=8, top_k=2)
"""Eight experts of half the width, two per token."""


def with_router(kind: Kind, **settings: float | str) -> Kind:
    """Return a kind of arm with other settings of the router."""
    return replace(kind, router=replace(kind.router, **settings))  # type: ignore[arg-type]


KINDS = {
    "dense": Kind(),
    "E4": replace(E8, n_experts=4),
    "E8": E8,
    "NC": NC,
    "E8-roles": with_router(E8, roles=ROLE, domains=4),
    "dense-told": Kind(told=True),
    "E8-told": replace(E8, told=True),
    "dense-large": Kind(width=8 * DENSE_WIDTH),
    "E8 b0": with_router(E8, balance=0.0),
    "NC b0": with_router(NC, balance=0.0),
    "E8 entropy": with_router(E8, balance_form="entropy"),
    "NC entropy": with_router(NC, balance_form="entropy"),
    "K2": HALVES,
    "p0.4": with_router(replace(HALVES, top_k=4), top_p=0.4, entropy=1e-4),
}
"""Kinds of arm by the name that follows the setting in a label."""


def arms_of(
    setting: str,
    kinds: Sequence[str],
    d_model: int,
    D: float | None,
    *,
    vocab_size: int = 256,
    domains: int = 4,
    parent: str | None = None,
    **numbers: float,
) -> list[GivenArm]:
    """Return an arm of each kind in a setting; a label is the setting, then the kind.

    `parent` is the setting whose arm of the same kind each arm starts from; `numbers` are further fields of the arm.
    """
    return [
        GivenArm(
            label=f"{setting} {name}",
            shape=KINDS[name].shape(d_model, vocab_size=vocab_size, domains=domains),
            router=KINDS[name].router,
            setting=setting,
            D=D,
            lr=0.2 / d_model,
            warmup_steps=WARMUP,
            parent=f"{parent} {name}" if parent else None,
            **numbers,  # type: ignore[arg-type]
        )
        for name in kinds
    ]


WARMUP = 30
"""Steps of linear warm-up, after which the learning rate is constant."""


def check_size(size: str) -> None:
    """Raise UsageError for an unknown size."""
    if size not in SIZES:
        raise UsageError(f"size {size!r} is not one of {', '.join(SIZES)}")
