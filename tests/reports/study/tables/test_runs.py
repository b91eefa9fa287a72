"""The tables of a study hold the numbers of runs.csv."""

import csv
from pathlib import Path
from statistics import fmean

import pytest

from planners import Study
from reports import write_report
from reports.study.evidence import read_evidence
from reports.study.tables import make_tables


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


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


def test_failed_runs_leave_gaps_and_no_zeros(broken: Study) -> None:
    tables = make_tables(read_evidence(broken))
    results = tables["results"]
    loss = [column.name for column in results.columns].index("loss")
    assert [row[loss] for row in results.rows] == [3.021, None, None, None]
    assert "routing" not in tables
    assert len(tables["cost"].rows) == 4
    assert "out of memory" in tables["runs"].csv()
    assert ",0," not in tables["runs"].csv().splitlines()[2][20:]


def test_markdown_is_aligned(smoke: Study) -> None:
    for table in make_tables(read_evidence(smoke)).values():
        assert len({len(line) for line in table.markdown().splitlines()}) == 1
