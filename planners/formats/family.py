"""What a family of Hugging Face models is to us: its defaults, the reader of its sizes and, for some, the writer."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from planners.formats.foreign import Foreign
from planners.formats.given import Given
from planners.shape import Shape
from planners.spec import Router


@dataclass(frozen=True, kw_only=True)
class Family:
    """One `model_type`."""

    model_type: str
    """Its name in config.json."""
    defaults: Mapping[str, Any]
    """Keys that are read, and what the library takes where they are absent."""
    read: Callable[[Given], Foreign]
    """From checked keys to counts."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Second names of keys."""
    sliding_window: int | None = None
    """Window of attention where the configuration names none."""
    uses_window: bool = True
    """Whether a window is used where the configuration does not say."""
    expresses: Mapping[str, Sequence[Any]] | None = None
    """Values of shape fields that the family can be built with; null: nothing is written in this family."""
    write: Callable[[Shape, Router], dict[str, Any]] | None = None
    """From a shape of such values to the keys of a configuration; raises UsageError naming a size that does not fit."""
    score: str = "softmax"
    """How the router of the family scores experts."""
    renormalises: bool = False
    """Whether the gates of the chosen experts always sum to 1; otherwise a key of the configuration says it."""

    def differs(self, shape: Shape, router: Router) -> list[str]:
        """Return what the family does otherwise than `router` says; it changes the function and no count."""
        if shape.is_dense:
            return []
        found = [f"experts are scored by a {self.score}, not a {router.score}"] if router.score != self.score else []
        if self.renormalises and not router.renormalise:
            found.append("the gates of the chosen experts sum to 1")
        return found

    def lacks(self, shape: Shape) -> str | None:
        """Return the first property of `shape` that the family cannot express, or nothing."""
        for name, values in (self.expresses or {}).items():
            value = getattr(shape, name)
            if value not in values:
                return f"{name} {value}"
        return None
