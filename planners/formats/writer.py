"""The writer of Hugging Face configurations: one for all families."""

from collections.abc import Iterator
from typing import Any

from planners.architecture.shape import Shape
from planners.formats.family import Family
from planners.records.errors import UsageError
from planners.spec import Router

STYLE_FIELDS = (
    "norm", "positions", "ffn", "causal", "qk_norm", "attention_bias", "ffn_bias", "expert_bias", "shared_gate",
    "d_shared", "n_dense_layers", "moe_every",
)  # fmt: skip
"""Fields of a shape that a family may be unable to express, in the order in which they are checked."""


def write(family: Family, shape: Shape, router: Router) -> dict[str, Any]:
    """Return the keys of a configuration with the parts of `shape`.

    Raises UsageError that names the first property of the shape that the family cannot express.
    """
    for name in STYLE_FIELDS:
        if getattr(shape, name) not in _expressed(family, name, getattr(shape, name)):
            raise UsageError(f"{name} {getattr(shape, name)}")
    _check_heads(family, shape)
    config = {key: getattr(shape, name) for name, key in family.keys.items()}
    config |= {key: getattr(shape, name) == word for name, (key, word) in family.switches.items()}
    if family.shared_experts:
        config[family.shared_experts], rest = divmod(shape.d_shared, shape.d_expert)
        if rest:
            raise UsageError(f"d_shared {shape.d_shared} (not a multiple of d_expert {shape.d_expert})")
    config |= {**family.layers.write(shape), **(family.constants or {})}
    config |= {key: getattr(router, name) for name, key in family.router_keys.items()}
    differs = list(_differs(family, router)) if family.has_experts else []
    return {**config, **({"differs": differs} if differs else {})}


def _expressed(family: Family, name: str, value: Any) -> tuple[Any, ...]:
    """Return the values of a field that the family can be built with; `value` is one of them where all are."""
    if name in family.keys or name in family.layers.free or (name == "d_shared" and family.shared_experts):
        return (value,)
    if name in family.switches:
        return ("none", family.switches[name][1])
    usual = 0 if name == "n_dense_layers" else getattr(Shape, name)
    return ({**family.fixed, **family.fixed_experts}.get(name, usual),)


def _check_heads(family: Family, shape: Shape) -> None:
    heads = f"{shape.n_heads} heads of {shape.head_dim} with d_model {shape.d_model}"
    if family.heads != "free" and shape.d_model % shape.n_heads:
        raise UsageError(heads)
    if family.heads == "exact" and shape.d_model != shape.n_heads * shape.head_dim:
        raise UsageError(heads)
    if "n_kv_heads" not in family.keys and shape.n_kv_heads != shape.n_heads:
        raise UsageError(f"n_kv_heads {shape.n_kv_heads} with n_heads {shape.n_heads}")


def _differs(family: Family, router: Router) -> Iterator[str]:
    """Yield what the family does otherwise than `router` says. It changes the function and no count."""
    if router.score != family.score:
        yield f"experts are scored by a {family.score}, not a {router.score}"
    if "renormalise" not in family.router_keys and not router.renormalise:
        yield "the gates of the chosen experts sum to 1"
