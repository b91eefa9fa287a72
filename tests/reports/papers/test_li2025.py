"""The page of arXiv 2506.12119: its numbers come from the shipped rows when it is written, and are the known ones.

Expected numbers were computed apart from this code (least squares of the printed tables), or are printed in the paper.
"""

import csv
import json
import math
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from planners.published.li2025.rows import FOLDER
from reports.page.page import Page, to_markdown
from reports.page.write_page import Report
from reports.papers import page_of, reproduce
from reports.papers.claim import AGREES, CANNOT, DIFFERS
from reports.papers.li2025 import ablations, claims
from reports.papers.li2025.confounders import batches, coarse_ablations, coarse_residuals, fewer_tokens, learning_rates
from reports.papers.li2025.page import FIGURES, reproduction
from reports.papers.li2025.study import Li2025, read_li2025, run_noise
from reports.papers.li2025.tables import curve_against_dense

CLAIMS = (*claims.CLAIMS, *ablations.CLAIMS)
RUNS, ABLATIONS, BENCHMARKS = "li2025_runs.csv", "li2025_ablations.csv", "li2025_downstream.csv"
REDRAWN = ("1a", "1b", "2a", "2b", "5")
TABLES = (2, 5, 6, 7, *range(9, 18))


@pytest.fixture(scope="module")
def paper() -> Li2025:
    return read_li2025()


@pytest.fixture(scope="module")
def page(paper: Li2025) -> Page:
    return reproduction().page({})


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return reproduce("li2025", tmp_path_factory.mktemp("paper"))


def changed(folder: Path, file: str, row: dict[str, str], **cells: str) -> Path:
    """Copy the tables to `folder` with the cells of one row changed; `row` says which."""
    for name in (RUNS, ABLATIONS, BENCHMARKS):
        shutil.copy(FOLDER / name, folder / name)
    with (folder / file).open(newline="") as source:
        rows = list(csv.DictReader(source))
    (found,) = (each for each in rows if row.items() <= each.items())
    found.update(cells)
    with (folder / file).open("w", newline="") as target:
        writer = csv.DictWriter(target, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return folder


def claim(paper: Li2025, name: str) -> tuple[str, str]:
    """Return what was found and the verdict of the claim that the function `name` makes."""
    (make,) = (make for make in CLAIMS if make.__name__ == name)
    return make(paper).found, make(paper).verdict


def test_minima_and_leads_are_those_computed_elsewhere(paper: Li2025) -> None:
    found = {name: round(100 * (series.optimum.value or 0), 1) for name, series in paper.series.items()}
    assert found == {
        "2B": 21.1,
        "2B, fine": 22.3,
        "3B, 65B tokens": 19.6,
        "3B, 65B tokens, fine": 20.7,
        "3B, 114B tokens": 19.3,
        "3B, 114B tokens, fine": 20.0,
        "7B": 19.4,
        "7B, 68B tokens": 20.2,
        "7B, two epochs": 17.2,
    }
    low, high = paper.series["2B"].left_out["quadratic"]
    assert (round(100 * (low or 0), 1), round(100 * (high or 0), 1)) == (25.1, 26.2)
    value, half = paper.series["2B"].less_dense(0) or (0, 0)
    assert value == pytest.approx(0.48705 - 0.4921, abs=1e-4)  # the minimum of the curve, not the best run (-0.0064)
    assert value + half < 0 < half


def test_a_dense_run_has_the_noise_of_its_size_and_not_of_a_set_with_two_degrees_of_freedom(paper: Li2025) -> None:
    """One 7B run is known to 2.776 x 0.00114: the t quantile at the 4 degrees of freedom of table 12 times its SD."""
    found = {}
    for name, series in paper.series.items():
        for dense in (0, 1):
            value, half = series.less_dense(dense) or (0.0, 0.0)
            assert half > run_noise(paper.main[series.scale].fit)
            found[name, dense] = round(value - half, 4), round(value + half, 4)
    assert found["7B, 68B tokens", 0] == (-0.021, -0.0081)
    assert found["7B, two epochs", 1] == (-0.0098, 0.0002)
    assert run_noise(paper.main["7B"].fit) == pytest.approx(2.776 * 0.00114, rel=2e-3)
    for series in paper.main.values():  # their own noise is that of the size
        half = ((series.optimum.loss_hi or 0) - (series.optimum.loss_lo or 0)) / 2
        assert series.less_dense(0) == pytest.approx(
            ((series.optimum.loss or 0) - series.dense[0].bpc, math.hypot(half, run_noise(series.fit)))
        )


def test_a_noisier_fresh_series_widens_the_interval_on_repeated_data(tmp_path: Path, paper: Li2025) -> None:
    other = read_li2025(changed(tmp_path, RUNS, {"table": "12", "r_a": "0.2007"}, bpc="0.4500"))
    wider, before = (one.series["7B, 68B tokens"].less_dense(0) or (0, 0) for one in (other, paper))
    assert wider[0] == before[0]
    assert wider[1] > 1.2 * before[1]


def test_the_answer_says_which_size_repeats_its_data(page: Page) -> None:
    assert "at 3B on 65B repeated tokens" in page.answer
    assert page.answer.count("repeated tokens") == 1
    assert "two epochs" not in " ".join(page.more)  # that difference includes zero
    assert "one noise" in " ".join(page.sections[-1].items).lower()


def test_runs_of_equal_D_ask_for_no_optimum(paper: Li2025) -> None:
    caption = FIGURES["li2025-2a"].caption(paper)
    assert "add rates" not in caption
    assert "These runs share D and not C, so they ask for no optimum" in caption
    assert paper.equal_tokens.optimum.why == "equal_d"


def test_learning_rates_are_off_the_stated_rule_as_known(paper: Li2025) -> None:
    ratios = {arm: [ratio for _, ratio in runs] for arm, runs in learning_rates(paper).items()}
    known = {"2B dense": 1.02, "2B MoE": 2.04, "3B dense": 2.03, "3B MoE": 2.76, "7B dense": 1.02, "7B MoE": 1.02}
    assert {arm: pytest.approx([known[arm]] * len(found), abs=0.015) for arm, found in ratios.items()} == ratios
    assert [round(ratio, 2) for ratio in batches(paper)["2B dense"]] == [0.76, 0.77]


def test_coarse_rows_lie_off_the_curve_with_the_signs_of_table_7(paper: Li2025) -> None:
    assert [(K, round(nats, 4)) for K, _, nats in coarse_ablations(paper)] == [(1, 0.0132), (2, -0.0270), (3, -0.0079)]
    assert [value > 0 for _, _, (value, _) in coarse_residuals(paper)] == [True, False, False] * 3


def test_reuse_is_that_of_the_printed_pairs(paper: Li2025) -> None:
    strict, loose = (paper.reuse[name] for name in ("strict", "loose"))
    assert [round(pair.excess, 4) for pair in strict.pairs] == [0.0032, 0.0038, 0.0030, 0.0047, 0.0017, 0.0015]
    assert [round(pair.excess, 4) for pair in loose.pairs] == [-0.0033, -0.0023, -0.0021, 0.0006, -0.0010, -0.0005]
    assert [round(pair.epochs, 1) for pair in strict.pairs] == [7.5, 6.5, 5.7, 4.6, 3.7, 3.2]
    assert len(fewer_tokens(paper)) == 9


def test_crossings_say_that_7b_has_no_edge_and_2b_none_at_twice_the_compute(paper: Li2025) -> None:
    seven, two = paper.main["7B"], paper.main["2B"]
    assert {seven.crossing(0, side).status for side in ("low", "high")} == {"edge"}
    assert {two.crossing(1, side).status for side in ("low", "high")} == {"not_identified"}
    assert 0.108 < (two.crossing(0, "low").value or 0) < 0.1504
    assert curve_against_dense(seven, 0) == "below throughout"
    assert curve_against_dense(two, 0) == "below between"
    assert curve_against_dense(two, 1) == "above"
    assert curve_against_dense(seven, 1) == "not told apart"


def test_verdicts(paper: Li2025) -> None:
    made = [make(paper) for make in CLAIMS]
    assert {each.verdict for each in made} == {AGREES, CANNOT, DIFFERS}
    assert len({each.says for each in made}) == len(made)
    differing = [each.says for each in made if each.verdict == "differs"]
    assert len(differing) == 3
    assert "4.60 times as many at 2B" in claim(paper, "more_tokens")[0]
    assert claim(paper, "constant")[1] == "cannot be told"
    assert all(each.by for each in made)
    for always in ("fixed_D", "more_unique"):  # each difference is less than what two runs differ by
        assert claim(paper, always)[1] == "cannot be told"
    assert claim(paper, "beats_twice_the_compute")[1] == "cannot be told"
    assert "wins 4 of 16" in claim(paper, "strict_benchmarks")[0]
    assert "20.48" in claim(paper, "strict_benchmarks")[0]


@pytest.mark.parametrize(
    ("row", "cells", "name", "verdict"),
    [
        ({"table": "13", "arm": "dense_C1", "scale": "2B"}, {"bpc": "0.4815"}, "beats_dense_2b", "differs"),
        ({"table": "13", "arm": "dense_C2", "scale": "7B"}, {"bpc": "0.4700"}, "beats_twice_the_compute", "agrees"),
        ({"table": "11", "r_a": "0.5330"}, {"bpc": "0.4900"}, "fixed_D", "differs"),
        ({"table": "12", "r_a": "0.2007"}, {"D": "3.50e11"}, "equal_resources", "differs"),  # C as printed is alike
        ({"table": "16", "r_a": "0.1883"}, {"bpc": "0.4830"}, "more_unique", "differs"),
    ],
)
def test_another_row_gives_another_verdict(
    paper: Li2025, tmp_path: Path, row: dict[str, str], cells: dict[str, str], name: str, verdict: str
) -> None:
    assert claim(paper, name)[1] != verdict
    assert claim(read_li2025(changed(tmp_path, RUNS, row, **cells)), name)[1] == verdict


def test_a_changed_row_is_seen_in_figures_tables_and_the_answer(paper: Li2025, tmp_path: Path, page: Page) -> None:
    row = {"table": "10", "r_a": "0.3496"}
    after = reproduction(changed(tmp_path, RUNS, row, bpc="0.4772"))
    assert after.page({}).answer != page.answer
    assert drawn("li2025-1b", after.data)["fine 2B"] != drawn("li2025-1b", paper)["fine 2B"]
    assert 0.4772 in drawn("li2025-1b", after.data)["fine 2B"]
    assert drawn("li2025-gap", after.data)["minimum 2B"] != drawn("li2025-gap", paper)["minimum 2B"]
    assert drawn("li2025-minima", after.data) != drawn("li2025-minima", paper)
    assert "0.4772" in after.page({}).tables["table-10"].csv()
    assert "0.4772" not in page.tables["table-10"].csv()


@pytest.mark.parametrize(
    ("figure", "row", "cells"),
    [
        ("li2025-1a", {"table": "9", "r_a": "0.1911", "D": "1.88e11"}, {"bpc": "0.4999"}),
        ("li2025-2a", {"table": "11", "r_a": "0.2003"}, {"bpc": "0.4777"}),
        ("li2025-2b", {"table": "14", "r_a": "0.2007"}, {"bpc": "0.4577"}),
        ("li2025-5", {"table": "16", "r_a": "0.1883"}, {"bpc": "0.4711"}),
        ("li2025-reuse", {"table": "17", "r_a": "0.2007"}, {"bpc": "0.4577"}),
        ("li2025-learning-rates", {"table": "12", "r_a": "0.2007"}, {"lr": "9e-4"}),
    ],
)
def test_every_figure_follows_its_rows(
    paper: Li2025, tmp_path: Path, figure: str, row: dict[str, str], cells: dict[str, str]
) -> None:
    assert drawn(figure, read_li2025(changed(tmp_path, RUNS, row, **cells))) != drawn(figure, paper)


def test_ablations_and_benchmarks_follow_their_rows(tmp_path: Path, page: Page) -> None:
    one, two = tmp_path / "a", tmp_path / "b"
    one.mkdir()
    two.mkdir()
    after = reproduction(changed(one, ABLATIONS, {"table": "6", "loss": "1.6712"}, loss="1.5000")).page({})
    assert after.tables["table-6"].csv() != page.tables["table-6"].csv()
    scores = {"dense_C2": "0", "moe_strict": "99"}
    after = reproduction(changed(two, BENCHMARKS, {"benchmark": "MMLU"}, **scores)).page({})
    assert "wins 5 of 16" in after.tables["claims-design"].csv()


def test_the_exceptions_flagged_in_tables_10_and_11_are_the_known_ones(page: Page) -> None:
    """The rates that follow from the printed sizes neither with nor without the router; see test_published_li2025."""
    flagged = {
        number: [row[1] for row in page.tables[f"table-{number}"].rows if "r_a" in str(row[-1])]
        for number in (9, 10, 11)
    }
    assert flagged == {
        9: [],
        10: [0.1082, 0.1504, 0.1806, 0.1912, 0.2746, 0.3496, 0.4411, 0.5080, 0.5773],
        11: [0.1115, 0.1567, 0.2611, 0.5330],
    }


def test_a_wrong_count_is_flagged(tmp_path: Path) -> None:
    folder = changed(tmp_path, RUNS, {"table": "10", "r_a": "0.1994"}, M="3.30e9", N_a="4.50e8", C="9.80e20")
    row = next(row for row in reproduction(folder).page({}).tables["table-10"].rows if row[1] == 0.1994)
    assert re.findall(r"\b(N_a|M|C) \+", str(row[-1])) == ["N_a", "M", "C"]


def test_every_figure_and_table_of_the_paper_is_there(report: Report) -> None:
    figures = {f"figures/li2025-{name}.{form}" for name in REDRAWN for form in ("svg", "pdf", "png")}
    tables = {f"tables/table-{number}.{form}" for number in TABLES for form in ("csv", "md", "tex")}
    assert figures | tables <= set(report.files)
    assert all((report.folder / name).stat().st_size for name in report.files)
    page = (report.folder / "report.html").read_text()
    assert "Fig. 3" in page
    assert "Fig. 4" in page  # named as not redrawn
    assert "http" not in re.sub(r'xmlns(:\w+)?="[^"]*"', "", page)
    assert page.count('role="img"') == len(FIGURES)
    assert "nan" not in re.sub(r"<[^>]*>", " ", page).lower().split()
    summary = json.loads((report.folder / "summary.json").read_text())
    assert summary["minima"]["2B"]["n"] == 12
    assert len(summary["claims"]) == len(CLAIMS)


def test_figures_say_their_source(paper: Li2025) -> None:
    assert "arXiv 2506.12119" in paper.source
    assert "published numbers" in paper.source
    for figure in FIGURES.values():
        assert "One seed" in figure.caption(paper) or "n = " in figure.caption(paper)
        assert len(figure.alt(paper)) > 60


def test_the_same_rows_give_the_same_page(page: Page) -> None:
    assert to_markdown(reproduction().page({})) == to_markdown(page)


def test_the_page_shows_every_figure(sketched: None) -> None:
    assert set(page_of("li2025", reproduction()).pictures) == set(FIGURES)


def test_no_torch() -> None:
    built = "from reports.papers.li2025.page import reproduction; reproduction().page({})"
    code = f"import sys; {built}; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def drawn(name: str, data: Li2025) -> dict[str, list[float]]:
    """Return the heights and places of what a figure draws, by the names of its lines."""
    import matplotlib.figure

    axes = matplotlib.figure.Figure().add_subplot()
    FIGURES[name].draw(data, axes)
    lines = [(line.get_gid(), line) for line in axes.get_lines() if line.get_gid()]
    return {str(gid): [*map(float, line.get_xdata()), *map(float, line.get_ydata())] for gid, line in lines}
