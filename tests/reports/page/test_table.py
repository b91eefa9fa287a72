"""The three forms of a table are exact, aligned and inert."""

import csv
import io

import pytest
from hypothesis import given, strategies

from reports.page.escape import markdown as plain
from reports.page.page import Page, Section, to_html
from reports.page.table import Column, Table


def table_of(cell: str) -> Table:
    column = Column(name="x", head="x", text=True)
    return Table(name="t", title="t", note="", columns=(column,), rows=((cell,),))


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@sum", "\t=1", "\r=1", '=cmd|" /C calc"!A0'])
def test_text_that_a_spreadsheet_would_run_is_inert(cell: str) -> None:
    rows = list(csv.reader(io.StringIO(table_of(cell).csv(), newline="")))
    assert rows[1:] == [["'" + cell.replace("\r", " ")]]


def test_negative_numbers_are_not_text() -> None:
    column = Column(name="x", head="x", unit="nats")
    table = Table(name="t", title="t", note="", columns=(column,), rows=((-0.5,), (None,), (1 / 3,)))
    assert table.csv() == 'x\n-0.5\n""\n0.3333333333333333\n'
    assert table.markdown().splitlines()[0].strip("| ") == "x (nats)"


@given(strategies.text())
def test_markdown_stays_one_cell_and_csv_comes_back(cell: str) -> None:
    lines = table_of(cell).markdown().rstrip("\n").split("\n")
    assert len(lines) == 3
    assert len(lines[2].replace("\\\\", "").replace("\\|", "").split("|")) == 3
    assert "<script" not in plain(cell).replace("\\<", "")


def test_ragged_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="another length"):
        Table(name="t", title="t", note="", columns=(Column(name="x", head="x"),), rows=((1, 2),))


def test_a_long_table_is_written_for_people_once() -> None:
    """Once for every cell: done again for every row, 500 runs took minutes."""
    calls = []
    column = Column(name="x", head="x", show=lambda value: calls.append(value) or str(value))
    rows = tuple((number,) for number in range(200))
    page = Page(
        kind="k", title="t", question="q", answer="a", footer="f",
        sections=(Section(title="s", tables=(Table(name="t", title="t", note="n", columns=(column,), rows=rows),)),),
    )  # fmt: skip
    assert "199" in to_html(page)
    assert sorted(calls) == list(range(200))
