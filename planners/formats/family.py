"""A family of Hugging Face models as data, which `reader` counts and `writer` writes, and the rules of its layers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from planners.architecture.shape import Shape
from planners.formats.blocks import block_kinds
from planners.formats.config_keys import ConfigKeys


@dataclass(frozen=True, kw_only=True)
class LayerRule:
    """How a configuration says which layers have experts."""

    read: Callable[[ConfigKeys, int], dict[str, Any]]
    """(keys, number of layers) -> fields of the model that arrange its layers; none where all layers are dense."""
    write: Callable[[Shape], dict[str, Any]] = lambda shape: {}
    """Keys that arrange the layers of a shape."""
    free: tuple[str, ...] = ()
    """Fields of a shape that may have any value under this rule."""


def _read_leading(keys: ConfigKeys, n_layers: int) -> dict[str, Any]:
    leading = keys.size("first_k_dense_replace", least=0)
    return {"n_dense_layers": leading} if leading < n_layers else {}


def _read_listed(keys: ConfigKeys, n_layers: int) -> dict[str, Any]:
    """Return the layers: every `decoder_sparse_step`-th has experts unless it is among `mlp_only_layers`."""
    step, dense = keys.size("decoder_sparse_step"), keys.layers("mlp_only_layers") or ()
    if not keys.size("num_experts", least=0):
        return {}
    return arranged([index for index in range(step - 1, n_layers, step) if index not in dense], n_layers)


def _read_interleaved(keys: ConfigKeys, n_layers: int) -> dict[str, Any]:
    """Return the layers: those of `moe_layers` have experts, or every `interleave_moe_layer_step`-th."""
    step, listed = keys.size("interleave_moe_layer_step"), keys.layers("moe_layers")
    return arranged([i for i in range(n_layers) if ((i + 1) % step == 0 if listed is None else i in listed)], n_layers)


def _read_typed(keys: ConfigKeys, n_layers: int) -> dict[str, Any]:
    """Return the layers: those that `mlp_layer_types` calls sparse have experts; else all after the leading ones."""
    kinds = keys.words("mlp_layer_types", ("dense", "sparse"))
    if kinds is None:
        return _read_leading(keys, n_layers)
    if len(kinds) != n_layers:
        keys.refuse("mlp_layer_types", f"a list of {n_layers} layers")
    return arranged([index for index, kind in enumerate(kinds) if kind == "sparse"], n_layers)


def _read_blocks(keys: ConfigKeys, n_layers: int) -> dict[str, Any]:
    """Return the layers of a model that has one block a layer; the order of its blocks changes no count."""
    n_moe = block_kinds(keys).count("moe")
    return {"n_dense_layers": n_layers - n_moe} if n_moe else {}


def arranged(moe: list[int], n_layers: int) -> dict[str, Any]:
    """Return the fields that put experts into the layers of the sorted list `moe`.

    A shape cannot arrange all such lists. Where it cannot, as many dense layers lead, which gives the same counts.
    """
    if not moe:
        return {}
    for step in (moe[1] - moe[0],) if len(moe) > 1 else (1, moe[0] + 1):
        leading = moe[0] - step + 1
        if leading >= 0 and moe == list(range(moe[0], n_layers, step)):
            return {"n_dense_layers": leading, "moe_every": step}
    leading = n_layers - len(moe)
    note = f"{leading} dense layers stand between others; they are counted as leading ones"
    return {"n_dense_layers": leading, "notes": (note,)}


def _write_listed(shape: Shape) -> dict[str, Any]:
    dense = [index for index in range(shape.n_layers) if not shape.is_moe_layer(index)]
    return {"decoder_sparse_step": 1, "mlp_only_layers": dense}


ALL_DENSE = LayerRule(read=lambda keys, n_layers: {}, free=("n_dense_layers",))
ALL_EXPERTS = LayerRule(
    read=lambda keys, n_layers: {"n_dense_layers": 0},
    free=("ffn_bias",),  # such a model has no dense FFN
)
LEADING_DENSE = LayerRule(
    read=_read_leading,
    write=lambda shape: {"first_k_dense_replace": shape.n_dense_layers},
    free=("n_dense_layers",),
)
LISTED_DENSE = LayerRule(read=_read_listed, write=_write_listed, free=("n_dense_layers", "moe_every"))
INTERLEAVED = LayerRule(read=_read_interleaved)
TYPED = LayerRule(read=_read_typed)
BLOCKS = LayerRule(read=_read_blocks)


@dataclass(frozen=True, kw_only=True)
class Family:
    """The models of one `model_type`."""

    defaults: Mapping[str, Any]
    """Keys that are read, with the library's defaults where they are absent."""
    keys: Mapping[str, str]
    """Field of a shape -> key with the same value."""
    switches: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Field of a shape -> key that is true or false, and the value of the field where it is true; else it is `none`."""
    fixed: Mapping[str, Any] = field(default_factory=dict)
    """Fields of a shape that every model of the family has, where they differ from the defaults of `Shape`."""
    fixed_experts: Mapping[str, Any] = field(default_factory=dict)
    """The same of models with experts."""
    heads: str = "free"
    """Condition on the heads: free, divide (n_heads divides d_model), or exact (n_heads * head_dim = d_model)."""
    n_layers: Callable[[ConfigKeys], int] | None = None
    """Number of layers, where no key states it."""
    layers: LayerRule = ALL_DENSE
    """Which layers have experts."""
    shared_experts: str | None = None
    """Key that states the width of the shared expert in routed experts."""
    parts: tuple[Callable[[ConfigKeys, Shape], dict[str, Any]], ...] = ()
    """Rules for the parts that a shape cannot describe; see `parts`."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Second names of keys."""
    refused: tuple[str, ...] = ()
    """Keys that must be false or null: with them the library builds what is not counted here."""
    sliding_window: int | None = None
    """Window of attention where the configuration names none."""
    uses_window: bool = True
    """Whether a window is used where the configuration does not say."""
    not_built: Mapping[str, Any] = field(default_factory=dict)
    """Keys that the authors use and the library ignores, with the value that asks for nothing."""
    constants: Mapping[str, Any] | None = None
    """Keys of a written configuration that no shape decides; null where the family is only read."""
    router_keys: Mapping[str, str] = field(default_factory=dict)
    """Router setting -> key with the same value, in a written configuration."""
    score: str = "softmax"
    """How its router scores experts."""
    neutral_gate: bool = False
    """Whether its gate of the shared expert can be made neutral: a weight of 0 halves the output of the shared expert,
    whose down projection is doubled; where a shape has no shared expert, one of width 1 with weights of 0 is built."""

    @property
    def has_experts(self) -> bool:
        """Whether it is a family of mixtures of experts."""
        return self.layers is not ALL_DENSE
