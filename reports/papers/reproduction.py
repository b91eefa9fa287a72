"""One published study, done again from its own numbers: what every such page is made of."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from reports.page.figure import Sourced
from reports.page.page import Page
from reports.page.picture import Picture


@dataclass(frozen=True, kw_only=True)
class Reproduction:
    """A published study and what its numbers say here; all of it is computed when it is built."""

    data: Sourced
    """What its figures draw, those of `reports.papers.figures_of` its name; its source is their footer."""
    page: Callable[[dict[str, Picture]], Page]
    """Builds the page around the drawn figures, which come by name."""
    summary: dict[str, Any] = field(default_factory=dict)
    """The key numbers for machines, beside the answer."""
