"""Labels in a figure cover neither each other nor the data."""

from matplotlib.figure import Figure as Canvas

from reports.page.labels import place, shortened


def test_names_stand_where_they_cover_nothing() -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = Canvas(figsize=(3, 2), layout="constrained")
    FigureCanvasAgg(canvas)
    axes = canvas.add_subplot()
    axes.set(xlim=(0, 1), ylim=(0, 1))
    crowd = [(0.5 + 0.002 * i, 0.5, f"arm {i}") for i in range(9)]
    written = place(axes, crowd)
    boxes = [text.get_window_extent(canvas.canvas.get_renderer()) for text in written]  # type: ignore[attr-defined]
    assert 2 <= len(written) < 9
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[i + 1 :])
    assert shortened(["K1 U=fresh", "K4 U=fresh"]) == ["K1", "K4"]
    assert shortened(["dense U=fresh"]) == ["dense U=fresh"]
