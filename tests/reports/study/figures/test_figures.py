"""All figures of a study: drawn from its records, legible, and each with its source."""

import math
from collections.abc import Callable
from dataclasses import replace
from statistics import fmean
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure as Canvas
from matplotlib.text import Text
from matplotlib.textpath import text_to_path

from jobs.record import RunRecord
from reports.gallery.simulated_sample import BUDGETS, write_sample
from reports.page.figure import drawn
from reports.study.evidence import Evidence, read_evidence
from reports.study.evidence.arms import Arm
from reports.study.evidence.equal_time import equal_time
from reports.study.figures import FIGURES
from reports.study.figures.crossings import differences
from reports.study.figures.loss_curves import POINTS, thinned, together

Change = Callable[[RunRecord], RunRecord]
STUDY = {name: figure for name, figure in FIGURES.items() if name not in ("surface", "router_grid", "claims")}


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    """Three budgets, fresh and repeated data, controls, times and loads; simulated. Read only."""
    return read_evidence(write_sample(tmp_path_factory.mktemp("samples") / "sample", BUDGETS))


@pytest.fixture(scope="module")
def canvases(sample: Evidence) -> dict[str, Canvas]:
    return {name: drawn(figure, sample) for name, figure in STUDY.items() if figure.has_data(sample)}


def numbers(canvas: Canvas) -> list[float]:
    """Return every number that the lines and bands of a canvas are drawn from."""
    lines = [np.asarray(line.get_xydata(), float).ravel() for axes in canvas.axes for line in axes.get_lines()]
    bands = [
        np.asarray(path.vertices, float).ravel()
        for axes in canvas.axes
        for c in axes.collections
        for path in c.get_paths()
    ]
    return [float(x) for values in (*lines, *bands) for x in values]


def changed(evidence: Evidence, change: Change) -> Evidence:
    """Return the evidence with every record of the arm K4 at the second budget, on fresh data, changed."""

    def of(arm: Arm) -> Arm:
        if arm.name != "K4 U=fresh" or arm.spec.budget != BUDGETS.budgets[1]:
            return arm
        return replace(arm, runs=tuple(replace(run, record=change(run.record)) for run in arm.runs if run.record))

    return replace(evidence, arms=tuple(map(of, evidence.arms)))


def higher(record: RunRecord) -> RunRecord:
    assert record.loss is not None
    return replace(record, loss=record.loss + 0.05)


def slower(record: RunRecord) -> RunRecord:
    return replace(record, wall_s=record.wall_s * 1.4)


def shorter(record: RunRecord) -> RunRecord:
    return replace(record, D_seen=record.D_seen // 2)


def lopsided(record: RunRecord) -> RunRecord:
    assert record.routing is not None
    return replace(record, routing=replace(record.routing, max_load=9.0))


CHANGES: dict[str, Change] = {
    "activation": higher, "crossings": higher, "reuse": higher, "equal_time": slower, "residuals": higher,
    "equality": shorter, "loss_curves": higher, "routing": lopsided, "cost": slower,
}  # fmt: skip


def test_every_figure_is_drawn_and_says_what_it_is(sample: Evidence, canvases: dict[str, Canvas]) -> None:
    assert set(canvases) == set(STUDY)
    for name, canvas in canvases.items():
        figure = STUDY[name]
        assert any(text.get_text() == "simulated" for text in canvas.texts), f"{name} has no source in its footer"
        assert "simulated" in figure.caption(sample)
        assert "n = " in figure.caption(sample)
        assert len(figure.alt(sample)) > 40


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_record_changes_the_figure(name: str, sample: Evidence, canvases: dict[str, Canvas]) -> None:
    assert numbers(drawn(STUDY[name], changed(sample, CHANGES[name]))) != numbers(canvases[name])


@pytest.mark.parametrize("name", ["optimum", "curves", "comparison"])
def test_a_changed_fit_changes_the_figure(name: str, sample: Evidence, canvases: dict[str, Canvas]) -> None:
    def moved(result: Any) -> Any:
        rows = tuple(replace(row, value=row.value and row.value * 1.01) for row in result.sensitivity)
        return replace(result, optimum=replace(result.optimum, value=result.optimum.value * 1.01), sensitivity=rows)

    fits = tuple(moved(fit) for fit in sample.fits)
    first, *rest = sample.comparisons
    scores = tuple(replace(score, error=(score.error or 0) + 0.001) for score in first.scores)
    other = replace(sample, fits=fits, comparisons=(replace(first, scores=scores), *rest))
    assert numbers(drawn(STUDY[name], other)) != numbers(canvases[name])


def legible(canvas: Canvas) -> list[tuple[str, Any]]:
    """Return the texts of a canvas that are seen, with their boxes in pixels, a little smaller than they are."""
    renderer = canvas.canvas.get_renderer()  # type: ignore[attr-defined]
    return [(text.get_text(), text.get_window_extent(renderer).padded(-1.5)) for text in seen(canvas)]


def seen(canvas: Canvas) -> list[Text]:
    """Return the texts of a canvas that are seen."""
    texts = [
        text
        for text in canvas.findobj(Text)
        if isinstance(text, Text) and text.get_visible() and text.get_text().strip()
    ]
    ticks = {id(label) for axes in canvas.axes for axis in (axes.xaxis, axes.yaxis) for label in _hidden(axis)}
    return [text for text in texts if id(text) not in ticks]


def ends(text: Text, canvas: Canvas) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return from where to where a text reaches across and up, in pixels, as SVG and PDF draw it: without hinting."""
    box = text.get_window_extent(canvas.canvas.get_renderer())  # type: ignore[attr-defined]
    lines, font = text.get_text().split("\n"), text.get_fontproperties()
    long = max(text_to_path.get_text_width_height_descent(line, font, False)[0] for line in lines) * canvas.dpi / 72
    if text.get_rotation():
        grown = max(0.0, long - box.height) / 2
        return (box.x0, box.x1), (box.y0 - grown, box.y1 + grown)
    grown = max(0.0, long - box.width)
    left = {"left": 0.0, "center": grown / 2, "right": grown}[text.get_horizontalalignment()]
    return (box.x0 - left, box.x1 + grown - left), (box.y0, box.y1)


def _hidden(axis: Any) -> list[Text]:
    """Return the labels of ticks outside the limits, which are not drawn."""
    low, high = sorted(axis.get_view_interval())
    return [tick.label1 for tick in axis.get_major_ticks() if not low <= tick.get_loc() <= high]


@pytest.mark.parametrize("name", STUDY)
def test_no_text_leaves_the_canvas_or_covers_another(name: str, canvases: dict[str, Canvas]) -> None:
    canvas = canvases[name]
    texts, whole = legible(canvas), canvas.bbox
    reached = [(text.get_text(), *ends(text, canvas)) for text in seen(canvas)]
    outside = [
        said for said, (left, right), (bottom, top) in reached
        if min(left, bottom) < 0 or right > whole.x1 or top > whole.y1
    ]  # fmt: skip
    assert outside == []
    pairs = [(a, b) for i, (a, one) in enumerate(texts) for b, other in texts[i + 1 :] if one.overlaps(other)]
    assert pairs == []


def test_crossing_pairs_runs_by_seed(sample: Evidence) -> None:
    group = sample.series[0]
    arm, dense = group.moe[0], group.dense[0]
    kept = replace(dense, runs=dense.runs[1:])
    losses = [(a.loss, b.loss) for a, b in zip(arm.done, dense.done, strict=True)]
    assert differences(arm, dense) == [a - b for a, b in losses if a is not None and b is not None]
    assert differences(arm, kept) == differences(arm, dense)[1:]


def test_equal_time_is_interpolated_between_budgets_and_never_beyond(sample: Evidence) -> None:
    def in_time(record: RunRecord) -> RunRecord:
        return replace(record, loss=5 - 0.1 * math.log(record.wall_s))

    def of(arm: Arm, change: Change) -> Arm:
        return replace(arm, runs=tuple(replace(run, record=change(run.record)) for run in arm.runs if run.record))

    straight = replace(sample, arms=tuple(of(arm, in_time) for arm in sample.arms))
    chosen = equal_time(straight)
    assert chosen is not None
    assert not chosen.left_out
    for each in chosen.found.values():  # times of seeds differ by some percent, and their mean is not that of ln
        assert each.loss[0] == pytest.approx(5 - 0.1 * math.log(3600 * chosen.hours), abs=1e-4)
    assert chosen.hours == pytest.approx(fmean(r.wall_s for r in chosen.dense.done) / 3600)
    fast = [
        of(arm, lambda r: replace(r, wall_s=r.wall_s / 100)) if arm.name == "K4 U=fresh" else arm
        for arm in straight.arms
    ]
    beyond = equal_time(replace(straight, arms=tuple(fast)))
    assert beyond is not None
    assert beyond.left_out == ["K4 U=fresh"]
    timeless = replace(sample, arms=tuple(of(arm, lambda r: replace(r, wall_s=0.0)) for arm in sample.arms))
    assert not STUDY["equal_time"].has_data(timeless)
    assert not STUDY["cost"].has_data(timeless)


def test_no_growth_is_drawn_through_one_number_of_epochs(sample: Evidence, canvases: dict[str, Canvas]) -> None:
    from fits.repeats.reuse import several_epochs

    first = sample.reuse[0]
    alone = tuple(pair for pair in first.pairs if pair.epochs == first.pairs[0].epochs)
    assert several_epochs(first.pairs)
    assert not several_epochs(alone)
    one = replace(sample, reuse=(replace(first, pairs=alone),))
    canvas, figure = drawn(STUDY["reuse"], one), STUDY["reuse"]
    assert [line.get_gid() for line in lines_of(canvases["reuse"]) if str(line.get_gid()).startswith("cost")]
    assert not [line.get_gid() for line in lines_of(canvas) if str(line.get_gid()).startswith("cost")]
    assert "against epochs; a single number of epochs shows no growth." in figure.caption(one)


def lines_of(canvas: Canvas) -> list[Any]:
    return [line for axes in canvas.axes for line in axes.get_lines()]


def test_arms_without_a_loss_curve_are_named(sample: Evidence) -> None:
    """Controls have no rate: the caption says that they are left out, and the words show no more than the figure."""
    caption, alt = STUDY["loss_curves"].caption(sample), STUDY["loss_curves"].alt(sample)
    assert (
        "n = 99 curves of 135 planned runs, simulated. Not drawn, because they are in no series of rates: dense"
        in caption
    )
    assert "dense optimal U=fresh" in caption
    assert "dense optimal" not in alt
    assert alt.count("dense U=fresh at C") == 3


def test_long_curves_are_thinned_to_their_last_point(sample: Evidence) -> None:
    tokens = tuple(float(i) for i in range(1, 2001))
    run = replace(sample.runs[0], tokens=tokens, losses=tuple(3 + 100 / (i + 10) for i in tokens))
    D, loss = thinned(run)
    assert len(D) <= POINTS
    assert D[-1] == 2000
    assert loss[-1] == pytest.approx(3 + 100 / 2010, abs=2e-3)
    mean = together([(D, loss), (D[5:], loss[5:] + 1)])
    assert mean[0][0] == D[5]
    assert mean[1][1] - mean[1][0] == pytest.approx(1)
