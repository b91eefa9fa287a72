"""Which layers of a family have experts: one named rule for each arrangement, read and written."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from planners.architecture.shape import Shape
from planners.formats.config_keys import ConfigKeys


@dataclass(frozen=True, kw_only=True)
class LayerRule:
    """How a configuration says which layers have experts."""

    read: Callable[[ConfigKeys, int], dict[str, Any]]
    """(keys, number of layers) -> fields of the model that arrange its layers; none where all layers are dense."""
    write: Callable[[Shape], dict[str, Any]]
    """Keys that arrange the layers of a shape."""
    free: tuple[str, ...] = ()
    """Fields of a shape that may have any value under this rule."""


def _read_leading(keys: ConfigKeys, n_layers: int) -> dict[str, Any]:
    leading = keys.size("first_k_dense_replace", least=0)
    return {"n_dense_layers": leading} if leading < n_layers else {}


def _read_listed(keys: ConfigKeys, n_layers: int) -> dict[str, Any]:
    """Return the layers: every `decoder_sparse_step`-th has experts unless it is among `mlp_only_layers`.

    A shape cannot arrange all such lists. Where it cannot, as many dense layers lead, which gives the same counts.
    """
    step = keys.size("decoder_sparse_step")
    dense = {index for index in keys.layers("mlp_only_layers") if 0 <= index < n_layers and (index + 1) % step == 0}
    n_moe = n_layers // step - len(dense) if keys.size("num_experts", least=0) else 0
    if not n_moe:
        return {}
    leading = len(dense) * step
    if dense == set(range(step - 1, leading, step)):
        return {"n_dense_layers": leading, "moe_every": step}
    note = f"{n_layers - n_moe} dense layers stand between others; they are counted as leading ones"
    return {"n_dense_layers": n_layers - n_moe, "notes": (note,)}


def _write_listed(shape: Shape) -> dict[str, Any]:
    dense = [index for index in range(shape.n_layers) if not shape.is_moe_layer(index)]
    return {"decoder_sparse_step": 1, "mlp_only_layers": dense}


ALL_DENSE = LayerRule(read=lambda keys, n_layers: {}, write=lambda shape: {}, free=("n_dense_layers",))
ALL_EXPERTS = LayerRule(
    read=lambda keys, n_layers: {"n_dense_layers": 0},
    write=lambda shape: {},
    free=("ffn_bias",),  # such a model has no dense FFN
)
LEADING_DENSE = LayerRule(
    read=_read_leading,
    write=lambda shape: {"first_k_dense_replace": shape.n_dense_layers},
    free=("n_dense_layers",),
)
LISTED_DENSE = LayerRule(read=_read_listed, write=_write_listed, free=("n_dense_layers", "moe_every"))
