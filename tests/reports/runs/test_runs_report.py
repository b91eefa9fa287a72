"""The page of any table of runs: its answer, figures, tables and unit, from the command and from Python."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import scaling
from scaling import cli

A, B, E, ALPHA, BETA = 482.0, 2085.0, 1.82, 0.348, 0.366


def frame(budgets: int = 3, sizes: int = 6, sd: float = 0.003) -> pd.DataFrame:
    """Return runs of a law of N and D at several budgets, one of which diverged."""
    random = np.random.default_rng(5)
    rows = []
    for C in np.geomspace(1e18, 1e20, budgets):
        best = (ALPHA * A / (BETA * B)) ** (1 / (ALPHA + BETA)) * (C / 6) ** (BETA / (ALPHA + BETA))
        for N in best * np.exp(np.linspace(-0.9, 0.9, sizes)):
            loss = E + A / N**ALPHA + B / (C / 6 / N) ** BETA + random.normal(0, sd)
            rows.append({"run": f"r{len(rows)}", "N": N, "D": C / 6 / N, "C": C, "val_bpb": loss, "state": "finished"})
    rows[0]["state"] = "diverged"
    return pd.DataFrame(rows)


def test_the_page_of_a_law_says_the_best_size_and_lists_every_run(tmp_path: Path) -> None:
    frame().to_csv(tmp_path / "ladder.csv", index=False)
    words = ["report", "--runs", str(tmp_path / "ladder.csv"), "--columns", "loss=val_bpb", "--law", "chinchilla"]
    assert cli.main([*words, "--bootstrap", "0"]) == cli.DONE
    folder = tmp_path / "ladder-report"
    page = (folder / "report.html").read_text()
    for said in ("tokens per parameter", "bits per byte", "state is diverged", "Residuals", "--law chinchilla", "r17"):
        assert said in page
    assert "nats" not in page
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["unit"] == "bpb"
    assert summary["answer"].startswith("At C = 1e20, the largest compute of the runs: the loss is lowest at")
    runs = pd.read_csv(folder / "tables/runs.csv")
    assert runs["row"].tolist() == list(range(2, 19))
    assert np.abs(runs["residual"]).max() < 1
    assert pd.read_csv(folder / "tables/left_out.csv")["row"].tolist() == [1]
    assert {path.suffix for path in (folder / "figures").glob("loss.*")} == {".svg", ".pdf", ".png"}


def test_from_a_data_frame_the_same_with_a_figure_and_a_notebook_page() -> None:
    report = scaling.report_runs(frame(), columns={"loss": "val_bpb"}, of="N", bootstrap=0)
    assert report.answer.startswith("The best model size grows as C^0.5")
    assert str(report).startswith(report.answer)
    assert report._repr_html_().startswith("<iframe")
    assert len(report.plot().axes[0].lines) == 3 * 3  # runs, curve and minimum of each budget
    assert len(report.plot("sizes").axes[0].lines) == 3 + 2
    assert {"budgets", "exponents", "fit", "runs", "left_out"} == set(report.page.tables)
    assert "bits per byte" in report.page.footer


def test_a_curve_over_the_activation_rate_is_answered_in_words(tmp_path: Path) -> None:
    rates = np.repeat([0.05, 0.1, 0.2, 0.4, 0.7], 2)
    loss = 3 + 0.02 * np.log(rates / 0.18) ** 2 + np.tile([0.001, -0.001], 5)
    pd.DataFrame({"r_a": rates, "loss": loss}).to_csv(tmp_path / "rates.csv", index=False)
    words = ["fit", "--runs", str(tmp_path / "rates.csv"), "--report", str(tmp_path / "page"), "--margin", "0.005"]
    assert cli.main(words) == cli.DONE
    page = (tmp_path / "page/report.md").read_text()
    assert "best with about 18" in page.lower()
    assert "does as well within the margin" in page


def test_a_law_without_sizes_gets_a_page(tmp_path: Path) -> None:
    rows = pd.DataFrame({"C": [1e18, 1e19, 1e20, 1e21], "N_opt": [4e7, 1.4e8, 4.4e8, 1.5e9]})
    report = scaling.report_runs(rows, ["allocation"], bootstrap=0, out=tmp_path)
    assert "1.5B parameters" in report.answer
    assert (tmp_path / "report.html").is_file()


@pytest.mark.parametrize("words", [["report"], ["report", "--runs", "x.csv", "--gallery"]])
def test_one_thing_is_reported_at_a_time(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(words) == cli.USAGE
    assert "--runs TABLE" in capsys.readouterr().err
