"""A figure is drawn in one style and gives the same bytes each time."""

import warnings
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, strategies as st
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure as Canvas
from matplotlib.text import Text

from planners import Study
from reports.gallery.simulated_sample import BUDGETS, write_sample
from reports.page.figure import DENSE, SERIES, drawn, inline, log_ticks, render, spelled
from reports.study.evidence import Evidence, read_evidence
from reports.study.figures import FIGURES


@pytest.mark.parametrize("name", ["activation", "loss_curves", "equality"])
def test_same_evidence_same_bytes(smoke: Study, name: str) -> None:
    first, second = (render(FIGURES[name], read_evidence(smoke)) for _ in range(2))
    assert first == second
    assert set(first) == {"svg", "pdf", "png"}
    assert b"<text" not in first["svg"]
    assert b"CreationDate" not in first["pdf"]
    svg = inline(first["svg"], name)
    assert svg.startswith("<svg")
    assert 'id="figure_1"' not in svg
    assert f'id="{name}-figure_1"' in svg


STUDY = {name: figure for name, figure in FIGURES.items() if name not in ("surface", "router_grid")}


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    """Three budgets, fresh and repeated data, controls, times and loads; simulated. Read only."""
    return read_evidence(write_sample(tmp_path_factory.mktemp("samples") / "sample", BUDGETS))


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


def _hidden(axis: Any) -> list[Text]:
    """Return the labels of ticks outside the limits, which are not drawn."""
    low, high = sorted(axis.get_view_interval())
    return [tick.label1 for tick in axis.get_major_ticks() if not low <= tick.get_loc() <= high]


def test_signs_that_the_font_lacks_are_spelled(sample: Evidence) -> None:
    assert spelled("K4 🙂 日") == "K4 [U+1F642] [U+65E5]"
    assert spelled("א × −\n½") == "א × −\n½"
    assert spelled("a\u202eb\ud800") == "a[U+202E]b[U+D800]"
    named = replace(sample, arms=tuple(replace(arm, name=f"🙂{arm.name}") for arm in sample.arms))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        texts = [said for said, _ in legible(drawn(STUDY["equality"], named))]
    assert any("[U+1F642]" in said for said in texts)


def lightness(color: str) -> float:
    """Return L* of CIELAB, which is what grey print keeps of a colour."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(color)]
    Y = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return 116 * Y ** (1 / 3) - 16 if Y > 0.008856 else 903.3 * Y


def test_neighbouring_series_differ_in_grey_and_all_stand_out_from_paper() -> None:
    order = (DENSE, *SERIES, SERIES[0])
    steps = [abs(lightness(a.color) - lightness(b.color)) for a, b in pairwise(order)]
    assert min(steps) > 10
    assert all(lightness(mark.color) < 62 for mark in SERIES)  # 3:1 against white
    assert len({mark.marker for mark in (DENSE, *SERIES)}) == len({str(mark.line) for mark in SERIES}) + 1 == 7


@given(st.floats(-4, 20), st.floats(0.25, 8))
def test_log_axes_have_a_few_round_ticks_in_their_limits(exponent: float, decades: float) -> None:
    low, high = 10**exponent, 10 ** (exponent + decades)
    ticks = log_ticks(low, high)
    assert 2 <= len(ticks) <= 16
    assert all(low <= tick <= high for tick in ticks)
    assert all(float(f"{tick:.1e}") == pytest.approx(tick, rel=1e-12) for tick in ticks)
