"""A published study reproduced from its own numbers, and the page layout that most of them share."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reports.page.figure import Figure, Picture, Sourced
from reports.page.page import Page, Section
from reports.page.table import Table
from reports.papers.claim import Claim, claims_table


@dataclass(frozen=True, kw_only=True)
class Reproduction:
    """A published study, refitted: what `reports.papers.reproduce` writes."""

    data: Sourced
    """What the figures draw; its `source` is the footer of every figure."""
    figures: Mapping[str, Figure[Any]]
    """Its figures by file name. The page must show each one that has data."""
    page: Callable[[dict[str, Picture]], Page]
    """Builds the page around the drawn figures, which come by file name."""
    summary: dict[str, Any] = field(default_factory=dict)
    """The key numbers for `summary.json`."""


def with_usual_page(
    data: Sourced,
    figures: Mapping[str, Figure[Any]],
    *,
    title: str,
    question: str,
    answer: str,
    claims: Sequence[Claim],
    reasons: Sequence[str],
    tables: Sequence[Table],
    footer: str,
    summary: dict[str, Any],
) -> Reproduction:
    """Return a study with this page: answer and first figure, claims, why numbers differ, other figures, tables."""

    def page(pictures: Mapping[str, Picture]) -> Page:
        first, *others = pictures.values() or [None]
        return Page(
            kind="Published study, reproduced",
            title=title,
            question=question,
            answer=answer,
            first=first,
            sections=(
                Section(title="Paper and numbers", tables=(claims_table(claims),)),
                Section(title="What differs, and why", items=tuple(reasons)),
                *(Section(title=picture.title, pictures=(picture,)) for picture in others if picture),
                *(Section(title=table.title, tables=(table,)) for table in tables),
            ),
            footer=footer,
        )

    return Reproduction(data=data, figures=figures, page=page, summary=summary)
