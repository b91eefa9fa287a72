"""The writer of Hugging Face configurations: one for all families."""

from collections.abc import Iterator
from dataclasses import replace
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
    if not family.has_experts:
        return config
    if "balance" in family.router_keys:  # without the first key most trainers add no balance loss
        config |= {"output_router_logits": True, family.router_keys["balance"]: balance_coefficient(shape, router)}
    sentences = {"differs": list(_differs(family, router)), "approximate": list(_approximate(family, shape, router))}
    return {**config, **{key: found for key, found in sentences.items() if found}}


def with_neutral_gate(shape: Shape) -> Shape:
    """Return the shape that is built for `shape` where the gate of its shared expert is neutral (`neutral_gate`)."""
    return replace(shape, shared_gate=True, d_shared=shape.d_shared or 1)


def balance_coefficient(shape: Shape, router: Router) -> float:
    """Return the coefficient whose balance loss in transformers pushes a router about as ours does: b L^2 / K.

    Theirs pools the loads of all L MoE layers and counts K slots for each token; ours is a sum over layers of losses
    that are 1 at uniform routing. With one MoE layer the two are equal; with more, only their size near uniform
    routing is, because even pooled loads can hide uneven layers.
    """
    return router.balance * shape.n_moe_layers**2 / shape.top_k


def is_balanced(family: Family, router: Router) -> bool:
    """Return whether models of the family can be balanced as `router` asks, if only approximately."""
    return not router.bias_rate and (not router.balance or "balance" in family.router_keys)


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
    if router.bias_rate and family.score == "softmax":
        yield "no bias is added to the scores that choose the experts"


def _approximate(family: Family, shape: Shape, router: Router) -> Iterator[str]:
    """Yield what holds only nearly: how the experts are balanced in training."""
    if router.balance and "balance" not in family.router_keys:
        yield "transformers has no balance loss for this family, so nothing balances its experts"
    elif router.balance and router.balance_form != "switch":
        yield f"the balance loss has the form switch, not {router.balance_form}"
    elif router.balance and shape.n_moe_layers > 1:
        key = family.router_keys["balance"]
        yield f"{key} is b L^2 / K: the library pools the loads of all L MoE layers, so its balance is weaker than ours"
    if router.bias_rate:
        yield f"nothing steps the router bias, whose rate is {router.bias_rate:g}"
    if router.z_loss:
        yield f"there is no router z-loss, whose coefficient is {router.z_loss:g}"
    if router.jitter:
        yield f"router inputs are not multiplied by noise, whose width is {router.jitter:g}"
    if router.capacity_factor is not None:
        yield f"no token is dropped, as the capacity factor {router.capacity_factor:g} asks"
