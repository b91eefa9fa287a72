"""Published laws beside ours: gold coefficients, figures made from the rows, sentences that follow the numbers."""

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fits import RunTable
from planners import UsageError, preset
from reports.page.figure import drawn
from reports.papers import REPRODUCTIONS, coefficients, figures_of, reproduce
from reports.papers.chinchilla import study
from reports.papers.claim import AGREES, CANNOT, DIFFERS
from reports.papers.clark import study as clark
from reports.papers.gadre import study as gadre
from reports.papers.muennighoff import study as muennighoff
from reports.papers.porian import study as porian
from reports.papers.tinystories import study as tinystories

FIGURES = {name: figure for paper in REPRODUCTIONS for name, figure in figures_of(paper).items()}

DRAWS = 20
BEST_CELL = "all_moe_e8_rj0.05_cf1.5_s10000"


@pytest.fixture(scope="module")
def hoffmann() -> study.Chinchilla:
    return study.build(study.read(), draws=100)


@pytest.fixture(scope="module")
def routed() -> clark.Clark:
    return clark.build(clark.read(), draws=100)


@pytest.fixture(scope="module")
def repeated() -> muennighoff.Muennighoff:
    return muennighoff.build(muennighoff.read(), draws=0, free_draws=0)


@pytest.fixture(scope="module")
def over_trained() -> gadre.Gadre:
    return gadre.build(gadre.read(), draws=DRAWS)


@pytest.fixture(scope="module")
def allocation() -> porian.Porian:
    return porian.build(porian.read())


def moved(table: RunTable, row: int, factor: float, column: str = "loss") -> RunTable:
    """Return the table with one number changed."""
    frame = table.frame.copy()
    frame.iloc[row, frame.columns.get_loc(column)] *= factor
    return replace(table, frame=frame)


def points(figure: str, data: Any, gid: str) -> list[tuple[float, float]]:
    """Return what the line of that id shows in a figure."""
    canvas = drawn(FIGURES[figure], data)
    line = next(line for axes in canvas.axes for line in axes.lines if line.get_gid() == gid)
    return [(float(x), float(y)) for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)]


def test_chinchilla_is_the_gold_fit(hoffmann: study.Chinchilla) -> None:
    assert hoffmann.fit.objective == pytest.approx(0.000840093120, rel=1e-9)
    assert hoffmann.params["A"] == pytest.approx(442.164, abs=6e-4)
    assert hoffmann.params["B"] == pytest.approx(1271.808, abs=6e-4)
    for name, value in {"E": 1.783894, "alpha": 0.342626, "beta": 0.342002}.items():
        assert hoffmann.params[name] == pytest.approx(value, abs=6e-7)


@pytest.mark.parametrize(("printed", "tokens"), list(zip(study.PRINTED, (92.7, 59.1, 18.4), strict=True)))
def test_the_printed_coefficients_give_the_known_tokens_per_parameter(
    printed: coefficients.Printed, tokens: float
) -> None:
    """What these coefficients give at 5.76e23 FLOPs was derived elsewhere from the same print."""
    found = float(study.tokens_per_parameter(printed.params, study.CHINCHILLA))
    assert found == pytest.approx(tokens, abs=0.06)


def test_the_optimal_size_is_where_the_loss_is_lowest(hoffmann: study.Chinchilla) -> None:
    N = np.geomspace(1e8, 1e11, 40_001)
    for params in hoffmann.coefficients.values():
        loss = study.law().loss(params, {"N": N, "D": 1e21 / 6 / N})
        assert float(study.optimal_size(params, 1e21)) == pytest.approx(N[np.argmin(loss)], rel=3e-4)


def test_the_printed_chinchilla_law_misses_its_own_points(hoffmann: study.Chinchilla) -> None:
    claims = {claim.where: claim.verdict for claim in study.claims(hoffmann)}
    assert claims["arXiv 2203.15556, approach 3"] == DIFFERS
    assert claims["arXiv 2404.10102"] == AGREES
    assert hoffmann.misses(study.ROUNDED.params).mean() > 3 * hoffmann.misses(hoffmann.params).std()


@pytest.mark.parametrize(
    ("router", "gold", "rmse"),
    [
        ("S-Base", (-0.083025, -0.118044, 0.009925, 1.113580, 2.07457, 238.675), 0.0032275),
        ("RL-R", (-0.082730, -0.123417, 0.011233, 1.107013, 1.72193, 470.053), 0.0032292),
        ("Hash", (-0.087357, -0.138364, 0.012635, 1.159531, 4.26877, 427.323), 0.0029817),
    ],
)
def test_clark_is_the_gold_fit(routed: clark.Clark, router: str, gold: tuple[float, ...], rmse: float) -> None:
    one = next(one for one in routed.routers if one.name == router)
    np.testing.assert_allclose(list(one.params.values()), gold, rtol=1e-5, atol=6e-7)
    assert clark.rmse(one) == pytest.approx(rmse, abs=5.1e-8)


def test_clark_dense_alone_and_cutoffs(routed: clark.Clark) -> None:
    dense = routed.dense.params
    assert dense["alpha_N"].value == pytest.approx(0.07862, abs=5.1e-6)
    assert dense["N_c"].value == pytest.approx(3.568e13, rel=2e-4)
    by_print = [clark.cutoff(clark.PRINTED[one.name].params) for one in routed.routers]
    np.testing.assert_allclose(by_print, [1e12, 10**10.5, 10 ** (34 / 3)], rtol=1e-9)
    for one in routed.routers:
        low, high = one.cutoff_ends
        assert low < clark.CUTOFFS[one.name] < high


def test_each_routed_fit_says_its_own_number_of_points(routed: clark.Clark) -> None:
    note = clark.note({**{one.name: one.fit for one in routed.routers}, "dense": routed.dense})
    for one in routed.routers:
        assert f"{one.name}: bootstrap with gamma weights of {len(one.loss)} points" in note
    assert len({len(one.loss) for one in routed.routers}) == 3


def test_repeated_data_has_the_gold_minima(repeated: muennighoff.Muennighoff) -> None:
    assert repeated.fit.objective == pytest.approx(0.015804662, rel=1e-7)
    assert repeated.params["R_D"] == pytest.approx(95.365, abs=6e-4)
    assert repeated.published_objective == pytest.approx(0.015825932, rel=1e-5)
    low, high = repeated.flat
    assert low == pytest.approx(31, abs=1)
    assert high == pytest.approx(215, abs=1)
    assert repeated.free.objective is not None
    assert repeated.free.objective < 0.5 * repeated.fit.objective


def test_the_profile_of_R_D_is_nowhere_below_the_fit_and_meets_it(repeated: muennighoff.Muennighoff) -> None:
    best = repeated.fit.objective
    assert best is not None
    rise = repeated.profile / best - 1
    assert rise.min() >= -1e-9
    assert rise.min() < 2e-4
    within = muennighoff.PLACES[rise <= 1e-3]
    assert within.min() == pytest.approx(31.4, rel=0.15)
    assert within.max() == pytest.approx(215, rel=0.15)


def test_half_of_a_fresh_pass() -> None:
    R_D = 15.387756
    step = 1e-6
    at = muennighoff.half_worth(R_D)
    slope = (muennighoff.worth(R_D, at + step) - muennighoff.worth(R_D, at - step)) / (2 * step)
    assert float(slope) == pytest.approx(0.5, abs=1e-6)
    assert float(muennighoff.worth(R_D, 4)) == pytest.approx(3.726, abs=6e-4)


def test_over_training_is_the_gold_fit(over_trained: gadre.Gadre) -> None:
    gold = {"c4_original": (141.277, 189.516, 1.50826, 0.12124), "rpj": (212.236, 366.687, 1.83665, 0.13643)}
    for one in over_trained.trained:
        assert one.fitted.sum() == 5
        np.testing.assert_allclose(list(one.params.values()), gold[one.name], rtol=4e-6, atol=5.1e-6)
    for key, error in gadre.PUBLISHED_ERRORS.items():
        assert abs(gadre.error_of(over_trained, *key)) == pytest.approx(error, abs=5.1e-5)


def test_what_is_said_of_few_tokens_is_what_the_rows_say(over_trained: gadre.Gadre) -> None:
    """Only the larger models at 5 tokens per parameter lie far off; a changed row changes the sentence."""
    said = gadre.claims(over_trained)[2].found
    assert "at 5: −2.8 to −0.5 % for the smallest model and −14.7 to −4.7 % from 78.9M on; at 10: −1.1" in said
    assert said.endswith("None larger than the largest from 20 on: at 10.")
    captions = [figure.caption(over_trained) for figure in figures_of("gadre").values()]
    assert all("at 5: −" in caption and "from 20 on: −" in caption for caption in captions)
    c4 = over_trained.trained[0]
    loss = np.where((c4.M == 10) & c4.smallest, c4.loss * 1.1, c4.loss)
    worse = replace(over_trained, trained=(replace(c4, loss=loss), over_trained.trained[1]))
    assert gadre.few_tokens(worse) == {5.0: False, 10.0: False}
    assert "at 10: −10.1 to −0.3 %" in gadre.claims(worse)[2].found


def test_allocation_exponents_are_reproduced(allocation: porian.Porian) -> None:
    assert len(allocation.settings) == 10
    assert len(allocation.steps) == 5
    for one in allocation.settings.values():
        assert one.plain.value == pytest.approx(one.printed[0], rel=1e-8)
        if one.weighted.value != one.plain.value:
            assert one.weighted.value == pytest.approx(one.printed[1], rel=1e-8)
        assert one.plain.lo < one.plain.value < one.plain.hi


def test_tuning_follows_the_warm_up_and_not_the_decay(allocation: porian.Porian) -> None:
    """The last setting has no decay: neither the answer nor a caption may say that corrections pile up to it."""
    moves = {label: (before, after) for label, before, after in allocation.moves}
    for label in (porian.DECAYED, porian.TUNED):
        before, after = moves[label]
        assert before is allocation.steps[porian.WARMED]
        assert (after.name[2] == "chinchilla") == (label == porian.DECAYED)
        found = f"{before.plain.value:.3f} to {after.plain.value:.3f}"
        assert f"{label} {found}" in porian.claims(allocation)[1].found
    answer = porian.answer(allocation)
    decayed, tuned = (allocation.steps[label].plain for label in (porian.DECAYED, porian.TUNED))
    assert f"decay to the end of each run takes it to {decayed.value:.3f} (" in answer
    assert f"without decay to {tuned.value:.3f} (" in answer
    for name in ("porian_sizes", "porian_exponents"):
        assert f"except for the last ({porian.TUNED})" in FIGURES[name].caption(allocation)


def test_the_interval_of_a_slope_is_that_of_an_independent_regression(allocation: porian.Porian) -> None:
    from scipy.stats import linregress, t

    one = next(iter(allocation.settings.values()))
    line = linregress(np.log(one.C), np.log(one.N))
    half = t.ppf(0.975, len(one.C) - 2) * line.stderr
    assert one.plain.lo == pytest.approx(line.slope - half, rel=1e-9)
    assert one.plain.hi == pytest.approx(line.slope + half, rel=1e-9)
    assert one.plain.factor == pytest.approx(np.exp(line.intercept), rel=1e-6)


def test_a_parabola_through_a_parabola_is_exact() -> None:
    C, N = np.repeat([1e18, 1e20], 7), np.tile(np.geomspace(1e7, 1e8, 7), 2)
    loss = 3 + 0.1 * (np.log(N) - np.log(np.where(C < 1e19, 3e7, 4e7))) ** 2
    found = porian.lowest(C, N, loss)
    np.testing.assert_allclose(found[1], [3e7, 4e7], rtol=1e-6)
    np.testing.assert_allclose(found[2], 3, rtol=1e-9)
    assert len(porian.lowest(C, N, -loss)[0]) == 0


@pytest.mark.parametrize(
    ("name", "figure", "row", "gid"),
    [
        ("chinchilla", "chinchilla_isoflop", 3, "runs 6e18"),
        ("gadre", "gadre_c4", 2, "runs M 20"),
        ("porian", "porian_isoflop", -1, "points 2.56e19"),
        ("clark", "clark_sbase", 1, "runs 27.3M"),
        ("muennighoff", "muennighoff_epochs", 0, "runs N 4.25B, D 84B"),
    ],
)
def test_another_row_is_another_figure(name: str, figure: str, row: int, gid: str) -> None:
    """A figure shows the rows, and the fits of them: nothing of it is stored."""
    modules = {
        "chinchilla": study, "clark": clark, "gadre": gadre, "muennighoff": muennighoff, "porian": porian,
    }  # fmt: skip
    module: Any = modules[name]
    few = {"porian": {}, "muennighoff": {"draws": 0, "free_draws": 0}}.get(name, {"draws": 2})
    rows, build = module.read(), partial(module.build, **few)
    first = rows[0] if name == "porian" else rows
    at = int(np.flatnonzero(first.frame.apply(_shown(name), axis=1))[row])
    changed = moved(first, at, 1.05)
    before, after = build(rows), build((changed, rows[1]) if name == "porian" else changed)
    old, new = points(figure, before, gid), points(figure, after, gid)
    assert len(old) == len(new)
    assert sum(a != b for a, b in zip(old, new, strict=True)) == 1
    y = first.frame["loss"].iloc[at]
    assert {round(b[1] / a[1], 6) for a, b in zip(old, new, strict=True) if a != b} == {1.05}
    assert any(a[1] == pytest.approx(y) for a in old)


@pytest.mark.parametrize(("figure", "gid"), [("tinystories_speed", BEST_CELL), ("tinystories_grid", "cell 2 2")])
def test_another_row_of_the_small_study_is_another_figure(figure: str, gid: str) -> None:
    def shows(rows: list[dict[str, str]]) -> tuple[dict[str, object], float]:
        data = tinystories.build(rows)
        axes = drawn(FIGURES[figure], data).axes[0]
        marks = {str(line.get_gid()): (line.get_xydata().tolist(),) for line in axes.lines if line.get_gid()}
        texts = {str(text.get_gid()): text.get_text() for text in axes.texts if text.get_gid()}
        return {**marks, **texts}, data.named(BEST_CELL).ppl

    rows = tinystories.read()
    before, _ = shows(rows)
    next(row for row in rows if row["run"] == BEST_CELL)["final_val_ppl"] = "6.5"
    after, ppl = shows(rows)
    assert ppl == 6.5
    assert {gid} == {name for name in before if before[name] != after[name]}
    assert "6.5" in str(after[gid])


def _shown(name: str) -> Callable[[Any], bool]:
    """Return which rows the line of the figure shows."""
    if name == "chinchilla":
        return lambda row: abs(np.log(row["C"] / 6e18)) <= study.NEAR
    if name == "gadre":
        return lambda row: row["dataset"] == "c4_original" and row["tok_mult"] == 20
    if name == "clark":
        return lambda row: (
            row["router_type"] in ("S-Base", "Dense") and row["N_a"] == 27279360 and row["routing_frequency"] == 0.5
            and row["top_k"] == 1 and row["seed"] == 42
        )  # fmt: skip
    if name == "muennighoff":
        return lambda row: abs(row["N"] / 4.25e9 - 1) < 0.01 and abs(row["D"] / 84e9 - 1) < 0.01
    last = porian.STEPS[-1][1]
    return lambda row: row["C"] == 2.56e19 and tuple(row[column] for column in porian.SETTING) == last


def test_every_figure_of_a_paper_is_drawn_with_words(
    hoffmann: study.Chinchilla, routed: clark.Clark, repeated: muennighoff.Muennighoff, over_trained: gadre.Gadre,
    allocation: porian.Porian,
) -> None:  # fmt: skip
    kinds: dict[str, Any] = {
        "chinchilla": hoffmann, "clark": routed, "muennighoff": repeated, "gadre": over_trained, "porian": allocation,
        "tinystories": tinystories.build(tinystories.read()),
    }  # fmt: skip
    for kind, data in kinds.items():
        assert len(figures_of(kind)) >= 2
        assert data.source.startswith("published: ")
        for figure in figures_of(kind).values():
            assert figure.has_data(data)
            assert drawn(figure, data).axes
            assert len(figure.caption(data)) > 60
            assert "nan" not in figure.caption(data) + figure.alt(data)


def test_a_page_follows_the_shipped_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With the lowest cell at a jitter of 0, the advice of the study agrees with its table."""

    def change(rows: list[dict[str, str]]) -> None:
        next(row for row in rows if row["run"] == "all_moe_e8_rj0.0_cf1.5_s10000")["final_val_ppl"] = "6.5"

    before, rows = REPRODUCTIONS["tinystories"](), tinystories.read()
    change(rows)
    with (tmp_path / "tinystories_runs.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    monkeypatch.setattr(tinystories, "FOLDER", tmp_path)
    after = REPRODUCTIONS["tinystories"]()
    assert "lowest cell is jitter 0.05 at capacity 1.5" in before.page({}).answer
    assert "lowest cell is jitter 0 at capacity 1.5" in after.page({}).answer
    assert after.summary["best_cell"] == {"jitter": 0.0, "capacity_factor": 1.5, "perplexity": pytest.approx(6.5)}


def test_the_tinystories_rows_come_out_again() -> None:
    data = tinystories.build(tinystories.read())
    assert len(data.rows) == 13
    assert data.named("all_moe_e8_s10000").line.improvement == 4.894450588999493
    assert data.named("baseline_s10000").line.improvement is None
    assert data.named("all_moe_e8_rj0.0_cf1.0_s10000").line.improvement == pytest.approx(-2.6374, abs=1e-4)
    best = data.grid.best
    assert (best.jitter, best.capacity, best.mean) == (0.05, 1.5, pytest.approx(6.885307))
    assert len(data.grid.cells) == 9
    assert [claim.verdict for claim in tinystories.claims(data)] == [AGREES, CANNOT]


def test_what_the_mixtures_have_more_is_counted_and_said_with_its_N() -> None:
    data = tinystories.build(tinystories.read())
    assert "3.0 to 10.9 times" in tinystories.more_parameters(data)
    assert "vocabulary apart; with it 1.5 to 3.7 times" in tinystories.more_parameters(data)
    assert tinystories.more_parameters(data) in " ".join(tinystories.reasons(data))
    fewer = replace(data, rows=tuple(row for row in data.rows if row.experts != 16))
    N = [arm.shape.N for arm in preset("tinystories-moe").arms if arm.label in ("dense", "E8")]
    assert f"3.0 to {N[1] / N[0]:.1f} times" in tinystories.more_parameters(fewer)


def test_the_page_of_a_paper_has_every_part(tmp_path: Path) -> None:
    report = reproduce("tinystories", tmp_path)
    assert report.complete
    files = set(report.files)
    for name in figures_of("tinystories"):
        assert {f"figures/{name}.{form}" for form in ("svg", "pdf", "png")} <= files
    for name in ("claims", "small_study", "router_grid", "cost"):
        assert {f"tables/{name}.{form}" for form in ("csv", "md", "tex")} <= files
    text = (tmp_path / "report.md").read_text()
    assert "python -m scaling.report --reproduce tinystories" in text
    assert "published: 13 runs of a small TinyStories study" in text
    assert json.loads((tmp_path / "summary.json").read_text())["improvement_per_cent"] == 4.894450588999493


def test_every_page_is_made_of_its_own_numbers(
    hoffmann: study.Chinchilla, over_trained: gadre.Gadre, allocation: porian.Porian,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    made_of = {"chinchilla": (study, hoffmann), "gadre": (gadre, over_trained), "porian": (porian, allocation)}
    for name, (module, data) in made_of.items():
        monkeypatch.setattr(module, "build", lambda _, data=data: data)
        made = REPRODUCTIONS[name]()
        page = made.page({})
        assert page.answer[0].isupper()
        assert {"claims"} < set(page.tables)
        assert "nan" not in page.answer
        assert json.loads(json.dumps(made.summary)) == made.summary


def test_printed_coefficients_stand_beside_ours(hoffmann: study.Chinchilla) -> None:
    table = coefficients.coefficient_table({"all": hoffmann.fit}, {"all": study.PRINTED}, note="")
    rows = {row[0]: dict(zip((column.name for column in table.columns), row, strict=True)) for row in table.rows}
    assert rows["beta"]["printed_1"] == 0.28
    assert rows["beta"]["outside"] == "as printed, more digits"
    assert rows["alpha"]["outside"] == "none"
    assert "fit" not in [column.name for column in table.heads]  # one fit needs no column of its own
    two = coefficients.coefficient_table({"all": hoffmann.fit, "again": hoffmann.fit}, {}, note="")
    assert "fit" in [column.name for column in two.heads]


def test_unknown_papers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no published study is called 'kaplan'; known: li2025, chinchilla"):
        reproduce("kaplan", tmp_path)
    assert not list(tmp_path.iterdir())
    assert {"chinchilla", "clark", "muennighoff", "gadre", "porian", "tinystories"} <= set(REPRODUCTIONS)
