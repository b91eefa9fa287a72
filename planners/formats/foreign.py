"""A model that another library builds: a shape, and the parts in which it differs from one."""

from dataclasses import dataclass
from functools import cached_property

from planners.architecture.shape import Shape


@dataclass(frozen=True, kw_only=True)
class Part:
    """The count of one part that a `Shape` has no words for."""

    name: str
    """Which part, by its name in `Shape.parts`."""
    parameters: int
    """All its parameters; every token uses them."""
    products: int
    """Its weights in matrix products."""


@dataclass(frozen=True, kw_only=True)
class Foreign(Shape):
    """A model of a foreign configuration: its counts and FLOPs are those of the shape, but for the replaced parts.

    Where norms stand, which activation function is used and how far attention reaches change no count, so a model that
    differs from a shape only in these is that shape here.
    """

    model_type: str
    """Name of the family."""
    replaced: tuple[Part, ...] = ()
    """Parts that differ from those of the shape."""
    head_widths: tuple[int, int] | None = None
    """Widths of the key and of the value of one head where they differ from `head_dim`."""
    notes: tuple[str, ...] = ()
    """Sentences that a reader of the counts should know."""

    @cached_property
    def parts(self) -> dict[str, int]:
        """Parameters by part; they sum to `total`."""
        return {**super().parts, **{part.name: part.parameters for part in self.replaced}}

    @cached_property
    def products(self) -> dict[str, int]:
        """Weights in the matrix products that one token passes through, by part."""
        return {**super().products, **{part.name: part.products for part in self.replaced}}

    @property
    def score_widths(self) -> tuple[int, int]:
        """Widths of keys and of values over all layers and heads."""
        key, value = self.head_widths or (self.head_dim, self.head_dim)
        return self.n_layers * self.n_heads * key, self.n_layers * self.n_heads * value
