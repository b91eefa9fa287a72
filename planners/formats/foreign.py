"""A model that another library builds: a shape, and the parts that no shape describes."""

from dataclasses import dataclass
from functools import cached_property

from planners.architecture.shape import Shape


@dataclass(frozen=True, kw_only=True)
class Extra:
    """What a part of a model has beyond the same part of its shape; negative where it has less."""

    name: str
    """The part, by its name in `Shape.parts`."""
    parameters: int
    """Parameters; every token uses them."""
    products: int = 0
    """Weights in matrix products."""


@dataclass(frozen=True, kw_only=True)
class Foreign(Shape):
    """A model of another library. Its counts and FLOPs are those of the shape, plus the extras.

    The place of the norms, the activation function and the reach of attention change no count. A model that differs
    from a shape only in these is that shape here.
    """

    model_type: str
    """Name of the family."""
    extras: tuple[Extra, ...] = ()
    """Differences between the counts of the model and those of the shape."""
    head_widths: tuple[int, int] | None = None
    """Widths of the key and of the value of one head, where they differ from `head_dim`."""
    attention_layers: int | None = None
    """Layers whose attention scores every pair of positions; None: all."""
    notes: tuple[str, ...] = ()
    """Sentences that a reader of the counts should know."""

    @cached_property
    def parts(self) -> dict[str, int]:
        """Parameters by part; they sum to `total`."""
        parts = dict(super().parts)
        for extra in self.extras:
            parts[extra.name] += extra.parameters
        return parts

    @cached_property
    def products(self) -> dict[str, int]:
        """Weights in the matrix products that one token passes through, by part."""
        products = dict(super().products)
        for extra in self.extras:
            products[extra.name] += extra.products
        return products

    @property
    def score_widths(self) -> tuple[int, int]:
        """Widths of keys and of values, summed over all layers and heads."""
        key, value = self.head_widths or (self.head_dim, self.head_dim)
        heads = self.n_heads * (self.n_layers if self.attention_layers is None else self.attention_layers)
        return heads * key, heads * value
