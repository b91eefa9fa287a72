"""A family of Hugging Face models as data: what `reader` counts and `writer` writes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from planners.architecture.shape import Shape
from planners.formats.config_keys import ConfigKeys
from planners.formats.layers import ALL_DENSE, LayerRule


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

    @property
    def has_experts(self) -> bool:
        """Whether it is a family of mixtures of experts."""
        return self.layers is not ALL_DENSE
