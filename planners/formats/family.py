"""What a family of Hugging Face models is to us: its defaults, the reader of its sizes and, for some, the writer."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from planners.architecture.shape import Shape
from planners.formats.foreign import Foreign
from planners.formats.given import Given
from planners.records.errors import UsageError
from planners.spec import Router


@dataclass(frozen=True, kw_only=True)
class Export:
    """How a shape is written in a family."""

    experts: bool
    """Whether it is a family of mixtures of experts."""
    expresses: Mapping[str, Sequence[Any]]
    """Fields of a shape and the values that the family can be built with; it can be with any value of the others."""
    write: Callable[[Shape, Router], dict[str, Any]]
    """From a shape of such values to the keys of a configuration; raises UsageError naming a size that does not fit."""
    score: str = "softmax"
    """How the router of the family scores experts."""
    renormalises: bool = False
    """Whether the gates of the chosen experts always sum to 1; otherwise a key of the configuration says it."""

    def config(self, shape: Shape, router: Router) -> dict[str, Any]:
        """Return the keys of a configuration. Raises UsageError naming the first property that the family lacks."""
        for name, values in self.expresses.items():
            if getattr(shape, name) not in values:
                raise UsageError(f"{name} {getattr(shape, name)}")
        differs = self._differs(router) if self.experts else []
        return {**self.write(shape, router), **({"differs": differs} if differs else {})}

    def _differs(self, router: Router) -> list[str]:
        """Return what the family does otherwise than `router` says; it changes the function and no count."""
        found = [f"experts are scored by a {self.score}, not a {router.score}"] if router.score != self.score else []
        if self.renormalises and not router.renormalise:
            found.append("the gates of the chosen experts sum to 1")
        return found


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
    not_built: Mapping[str, Any] = field(default_factory=dict)
    """Keys that its authors use and the library does not, with the value that asks for nothing."""
    export: Export | None = None
    """How a shape is written in it; null: none is."""
