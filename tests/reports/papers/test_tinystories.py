"""The small TinyStories study: its rows, its conclusions, and a page that follows the shipped file."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

from planners import preset
from reports.page.figure import drawn
from reports.papers import reproduce, reproduction
from reports.papers.claim import AGREES, CANNOT
from reports.papers.tinystories import study
from reports.papers.tinystories.claims import claims, more_parameters, reasons
from reports.papers.tinystories.figures import FIGURES

BEST_CELL = "all_moe_e8_rj0.05_cf1.5_s10000"


@pytest.mark.parametrize(("figure", "gid"), [("tinystories_speed", BEST_CELL), ("tinystories_grid", "cell 2 2")])
def test_another_row_is_another_figure(figure: str, gid: str) -> None:
    def shows(rows: list[dict[str, str]]) -> tuple[dict[str, object], float]:
        data = study.build(rows)
        axes = drawn(FIGURES[figure], data).axes[0]
        marks = {str(line.get_gid()): (line.get_xydata().tolist(),) for line in axes.lines if line.get_gid()}
        texts = {str(text.get_gid()): text.get_text() for text in axes.texts if text.get_gid()}
        return {**marks, **texts}, data.named(BEST_CELL).ppl

    rows = study.read()
    before, _ = shows(rows)
    next(row for row in rows if row["run"] == BEST_CELL)["final_val_ppl"] = "6.5"
    after, ppl = shows(rows)
    assert ppl == 6.5
    assert {gid} == {name for name in before if before[name] != after[name]}
    assert "6.5" in str(after[gid])


def test_a_page_follows_the_shipped_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With the lowest cell at a jitter of 0, the advice of the study agrees with its table."""

    def change(rows: list[dict[str, str]]) -> None:
        next(row for row in rows if row["run"] == "all_moe_e8_rj0.0_cf1.5_s10000")["final_val_ppl"] = "6.5"

    before, rows = reproduction("tinystories"), study.read()
    change(rows)
    with (tmp_path / "tinystories_runs.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    monkeypatch.setattr(study, "FOLDER", tmp_path)
    after = reproduction("tinystories")
    assert "lowest cell is jitter 0.05 at capacity 1.5" in before.page({}).answer
    assert "lowest cell is jitter 0 at capacity 1.5" in after.page({}).answer
    assert after.summary["best_cell"] == {"jitter": 0.0, "capacity_factor": 1.5, "perplexity": pytest.approx(6.5)}


def test_the_printed_rows_are_reproduced(small: study.TinyStories) -> None:
    assert len(small.rows) == 13
    assert small.named("all_moe_e8_s10000").line.improvement == 4.894450588999493
    assert small.named("baseline_s10000").line.improvement is None
    assert small.named("all_moe_e8_rj0.0_cf1.0_s10000").line.improvement == pytest.approx(-2.6374, abs=1e-4)
    best = small.grid.best
    assert (best.jitter, best.capacity, best.mean) == (0.05, 1.5, pytest.approx(6.885307))
    assert len(small.grid.cells) == 9
    assert [claim.verdict for claim in claims(small)] == [AGREES, CANNOT]


def test_the_extra_parameters_of_the_mixtures_are_counted(small: study.TinyStories) -> None:
    assert "3.0 to 10.9 times" in more_parameters(small)
    assert "vocabulary apart; with it 1.5 to 3.7 times" in more_parameters(small)
    assert more_parameters(small) in " ".join(reasons(small))
    fewer = replace(small, rows=tuple(row for row in small.rows if row.experts != 16))
    N = [arm.shape.N for arm in preset("tinystories-moe").arms if arm.label in ("dense", "E8")]
    assert f"3.0 to {N[1] / N[0]:.1f} times" in more_parameters(fewer)


def test_the_page_has_every_part(tmp_path: Path) -> None:
    report = reproduce("tinystories", tmp_path)
    assert report.complete
    files = set(report.files)
    for name in FIGURES:
        assert {f"figures/{name}.{form}" for form in ("svg", "pdf", "png")} <= files
    for name in ("claims", "small_study", "router_grid", "cost"):
        assert {f"tables/{name}.{form}" for form in ("csv", "md", "tex")} <= files
    text = (tmp_path / "report.md").read_text()
    assert "python -m scaling.report --reproduce tinystories" in text
    assert "published: 13 runs of a small TinyStories study" in text
    assert json.loads((tmp_path / "summary.json").read_text())["improvement_per_cent"] == 4.894450588999493
