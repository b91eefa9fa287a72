"""Tables hold the numbers of runs.csv; their three forms are exact, aligned and inert."""

import csv
import io
from pathlib import Path
from statistics import fmean

import pytest
from hypothesis import given, strategies

from planners import Study
from reports import write_report
from reports.page.escape import markdown as plain
from reports.page.page import Page, Section, to_html
from reports.page.table import Column, Table
from reports.study.evidence import read_evidence
from reports.study.tables import make_tables


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def table_of(cell: str) -> Table:
    column = Column(name="x", head="x", text=True)
    return Table(name="t", title="t", note="", columns=(column,), rows=((cell,),))


@pytest.mark.usefixtures("sketched")
def test_numbers_are_those_of_runs_csv(wide: Study, tmp_path: Path) -> None:
    write_report(wide, tmp_path)
    source = read(wide.runs_csv)
    for row in read(tmp_path / "tables/results.csv"):
        of_arm = [run for run in source if run["arm"] == row["arm"]]
        assert float(row["loss"]) == fmean(float(run["loss"]) for run in of_arm)
        for name in ("r_a", "N", "N_a", "D", "epochs"):
            assert float(row[name]) == float(of_arm[0][name])
        assert int(row["n"]) == len(of_arm) == 3
    for row in read(tmp_path / "tables/runs.csv"):
        run = next(run for run in source if run["run_id"] == row["run_id"])
        assert all(row[name] == run[name] for name in ("arm", "seed", "state", "loss", "bpb", "train_loss"))
    cost = read(tmp_path / "tables/cost.csv")
    assert float(cost[-1]["wall_s"]) == pytest.approx(sum(float(run["wall_s"]) for run in source))
    for row, run in zip(read(tmp_path / "tables/routing.csv"), [r for r in source if r["top_k"] != "0"], strict=True):
        assert row["arm"]
        assert row["routing.max_load"] == run["routing.max_load"]


def test_ledger_is_target_actual_and_residual(smoke: Study) -> None:
    ledger = make_tables(read_evidence(smoke))["equality"]
    row = dict(zip((column.name for column in ledger.columns), ledger.rows[1], strict=True))
    assert (row["arm"], row["N_target"], row["N"]) == ("K1", 296000.0, 296864)
    assert row["N_residual"] == 296864 / 296000 - 1
    assert row["r_a_target"] is None
    assert row["r_a_residual"] is None
    assert row["C"] == 255616 * 391296


def test_failed_runs_leave_gaps_and_no_zeros(broken: Study) -> None:
    tables = make_tables(read_evidence(broken))
    results = tables["results"]
    loss = [column.name for column in results.columns].index("loss")
    assert [row[loss] for row in results.rows] == [3.021, None, None, None]
    assert "routing" not in tables
    assert len(tables["cost"].rows) == 4
    assert "out of memory" in tables["runs"].csv()
    assert ",0," not in tables["runs"].csv().splitlines()[2][20:]


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


def test_markdown_is_aligned(smoke: Study) -> None:
    for table in make_tables(read_evidence(smoke)).values():
        assert len({len(line) for line in table.markdown().splitlines()}) == 1


def test_ragged_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="another length"):
        Table(name="t", title="t", note="", columns=(Column(name="x", head="x"),), rows=((1, 2),))


def test_what_other_curves_say_and_where_dense_is_crossed_are_shown(wide: Study) -> None:
    tables = make_tables(read_evidence(wide))
    assert [row[1] for row in tables["curves"].rows] == ["quadratic", "cubic", "spline"]
    assert {row[2] for row in tables["crossings"].rows} == {"low", "high"}
    named = {row[1]: row for row in tables["fit"].rows}
    lowest = named["lowest loss"]
    assert lowest[3] < lowest[2] < lowest[4]


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
