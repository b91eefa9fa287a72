"""A model that another library builds: a shape, and the parts that no shape describes."""

from dataclasses import dataclass
from functools import cached_property

from planners.architecture.shape import Shape


@dataclass(frozen=True, kw_only=True)
class ReplacedPart:
    """The counts of a part that `Shape` cannot describe."""

    name: str
    """The part, by its name in `Shape.parts`."""
    parameters: int
    """All its parameters; every token uses them."""
    products: int
    """Its weights in matrix products."""


@dataclass(frozen=True, kw_only=True)
class Foreign(Shape):
    """A model of another library. Its counts and FLOPs are those of the shape, except for the replaced parts.

    The place of the norms, the activation function and the reach of attention change no count. A model that differs
    from a shape only in these is that shape here.
    """

    model_type: str
    """Name of the family."""
    replaced: tuple[ReplacedPart, ...] = ()
    """Parts whose counts differ from those of the shape."""
    head_widths: tuple[int, int] | None = None
    """Widths of the key and of the value of one head, where they differ from `head_dim`."""
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
        """Widths of keys and of values, summed over all layers and heads."""
        key, value = self.head_widths or (self.head_dim, self.head_dim)
        return self.n_layers * self.n_heads * key, self.n_layers * self.n_heads * value
