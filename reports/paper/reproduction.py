"""One published study, done again from its own numbers: what every such page is made of."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from reports.page import Page, Picture
from reports.table import Table


@dataclass(frozen=True, kw_only=True)
class Reproduction:
    """A published study and what its numbers say here; all of it is computed when it is built."""

    name: str
    """Its name; its figures are those of `reports.figures` of this kind."""
    paper: str
    """The paper and where its numbers were published, as the footer of every figure says it."""
    data: Any
    """What its figures draw: the dataclass of this reproduction."""
    tables: dict[str, Table]
    """Its tables by name."""
    page: Callable[[dict[str, Picture]], Page]
    """Builds the page around the drawn figures."""
    summary: dict[str, Any]
    """The key numbers for machines."""
