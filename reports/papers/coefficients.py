"""A published law beside ours: the shipped rows, the coefficients that papers print, the table of both, the page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fits import FitResult, Param, RunTable, read_table
from planners.published import published
from reports.page.number_text import general, listed
from reports.page.page import Page, Section
from reports.page.picture import Picture
from reports.page.table import Column, Table
from reports.papers.claim import Claim


@dataclass(frozen=True, kw_only=True)
class Printed:
    """Coefficients of a law as a paper prints them."""

    name: str
    """How tables and legends call them."""
    source: str
    """Where they stand."""
    params: Mapping[str, float]
    """Value by name; a coefficient that is not printed is absent."""


def rows_of(name: str) -> RunTable:
    """Return the rows of the shipped table `name`, our column names added."""
    runs = published(name)
    return read_table(runs.path, runs.columns)


def values(fit: FitResult) -> dict[str, float]:
    """Return the fitted parameters by name. Raises ValueError where the rows do not determine one."""
    found = {name: param.value for name, param in fit.params.items() if param.value is not None}
    if len(found) < len(fit.params):
        raise ValueError(f"{fit.law} has no value for {listed(set(fit.params) - set(found))}: {fit.reason}")
    return found


COEFFICIENTS = (
    Column(name="parameter", head="coefficient", text=True),
    Column(name="fit", head="rows", text=True),
    Column(name="ours", head="our fit", show=general(6)),
    Column(name="lo", head="95 % low", show=general(4)),
    Column(name="hi", head="95 % high", show=general(4)),
    Column(name="status", head="status", text=True),
)


def coefficient_table(
    fits: Mapping[str, FitResult], printed: Mapping[str, Sequence[Printed]], *, note: str, name: str = "coefficients"
) -> Table:
    """Return our coefficients with intervals, the printed ones beside them, and which of those lie outside.

    `printed` holds, for each fit, the published coefficients; those of one name share a column.
    """
    heads = list(dict.fromkeys(one.name for found in printed.values() for one in found))
    columns = (
        *COEFFICIENTS,
        *(Column(name=f"printed_{i + 1}", head=head, show=general(6)) for i, head in enumerate(heads)),
        Column(name="outside", head="outside our interval", text=True),
    )
    rows = []
    for label, fit in fits.items():
        by_head = {one.name: one for one in printed.get(label, ())}
        for param in fit.params.values():
            beside = [by_head[head].params.get(param.name) if head in by_head else None for head in heads]
            far = [head for head in heads if head in by_head and _side(param, by_head[head]) != "inside"]
            status, known = param.status.words, param.lo is not None and any(beside)
            own = (label if len(fits) > 1 else None, param.value, param.lo, param.hi, status)
            rows.append((param.name, *own, *beside, (listed(far) or "none") if known else None))
    sources = " ".join(f"{one.name}: {one.source}." for one in next(iter(printed.values()), ()))
    return Table(name=name, title="Coefficients", note=f"{note} {sources}".strip(), columns=columns, rows=tuple(rows))


def _side(param: Param, printed: Printed) -> str:
    """Return where the printed value of a coefficient lies: inside our interval, below or above it."""
    value = printed.params.get(param.name)
    if value is None or param.lo is None or param.hi is None or param.lo <= value <= param.hi:
        return "inside"
    return "below" if value < param.lo else "above"


def outside(fit: FitResult, printed: Printed) -> list[str]:
    """Return the coefficients whose printed value lies outside our interval."""
    return [name for name, param in fit.params.items() if _side(param, printed) != "inside"]


def claims_table(claims: Sequence[Claim]) -> Table:
    """Return what the paper says beside what its numbers say, sentence by sentence."""
    columns = (
        Column(name="says", head="the paper says", text=True), Column(name="where", head="where", text=True),
        Column(name="found", head="its numbers say", text=True), Column(name="verdict", head="verdict", text=True),
    )  # fmt: skip
    rows = tuple((claim.says, claim.where, claim.found, claim.verdict) for claim in claims)
    note = "Each verdict is computed from the shipped rows when this page is made."
    return Table(name="claims", title="Paper and numbers", note=note, columns=columns, rows=rows)


def page_of(
    name: str,
    pictures: Mapping[str, Picture],
    *,
    title: str,
    question: str,
    answer: str,
    first: str,
    claims: Sequence[Claim],
    reasons: Sequence[str],
    tables: Sequence[Table],
    footer: str,
) -> Page:
    """Return the page of a published study: answer, sentence by sentence, why numbers differ, figures and tables."""
    rest = [Section(title=picture.title, pictures=(picture,)) for key, picture in pictures.items() if key != first]
    return Page(
        kind="Published study, done again",
        title=title,
        question=question,
        answer=answer,
        first=pictures.get(first),
        sections=(
            Section(title="Paper and numbers", tables=(claims_table(claims),)),
            Section(title="What differs, and why", items=tuple(reasons)),
            *rest,
            *(Section(title=table.title, tables=(table,)) for table in tables),
            Section(title="How to make it again", commands=(f"python -m scaling.report --reproduce {name}",)),
        ),
        footer=footer,
    )
