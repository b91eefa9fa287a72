"""The figures of two studies side by side: the difference of each matched arm, and both losses against r_a."""

from statistics import fmean
from typing import Any

from fits.compare.by_seed import SAME
from fits.runs.same_budget import same_budget
from reports.page.figure import INK, SERIES, Axes, Figure, canvas_of, log_axis, points, spelled
from reports.page.labels import shortened
from reports.page.number_text import counted, percent
from reports.study.evidence import Evidence
from reports.versus.compare import UNITS, Versus

ROW = 0.34
"""Inches per arm."""
MOST = 30
"""At most so many arms are drawn; the table has all of them."""


def draw_arms(found: Versus, axes: Axes) -> None:
    """Draw B less A of each matched arm, with its 95 % interval, and a line at zero."""
    pairs = found.compared[:MOST]
    canvas_of(axes).set_size_inches(5.0, 1.5 + ROW * max(len(pairs), 3))
    axes.axvline(0, color=INK, linewidth=1, zorder=1)
    for at, pair in enumerate(pairs):
        assert pair.difference is not None
        value, half = pair.difference.value, pair.difference.half()
        mark = SERIES[0] if value <= 0 else SERIES[1]
        if half is not None:
            axes.plot([value - half, value + half], [at, at], color=mark.color, linewidth=2, zorder=2)
        face = mark.color if half is not None or pair.difference.how == SAME else "none"
        points(axes, [value], [at], mark, 7, markerfacecolor=face, zorder=3, gid=f"difference {pair.name}")
    axes.set_yticks(range(len(pairs)), list(map(spelled, shortened([pair.name for pair in pairs], 30))))
    axes.set_ylim(max(len(pairs), 1) - 0.5, -0.5)
    axes.margins(x=0.12)
    axes.set_xlabel(f"B − A  ({UNITS[found.unit or 'loss']}); left of zero B is lower")


def draw_losses(found: Versus, axes: Axes) -> None:
    """Draw the finished runs of both studies against r_a: MoE arms of a budget joined, dense arms as lines."""
    unit = found.unit or "loss"
    rates: list[float] = []
    for name, each, mark in (("A", found.a, SERIES[0]), ("B", found.b, SERIES[1])):
        style: dict[str, Any] = {"color": mark.color, "linestyle": mark.line, "linewidth": 1.2}
        dots = {"marker": mark.marker, "markersize": 5.5, "linestyle": "none", "color": mark.color}
        for curve in _curves(found, each, unit):
            moe = sorted((rate, fmean(values)) for rate, values, dense in curve if not dense)
            axes.plot([x for x, _ in moe], [y for _, y in moe], zorder=2, **style)
            for rate, values, dense in curve:
                rates.append(rate)
                axes.plot([rate] * len(values), values, markerfacecolor="none", zorder=3, **dots)  # type: ignore[arg-type]
                if dense:
                    axes.axhline(fmean(values), zorder=1, alpha=0.6, **style)
        axes.plot([], [], marker=mark.marker, markerfacecolor="none", label=f"{name}: {_cut(each)}", **style)
    log_axis(axes, "x", rates, percent)
    axes.set_xlabel("activation rate  r_a = N_a / N")
    axes.set_ylabel("validation loss  (nats/token)" if unit == "loss" else "bits per byte")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=1, handlelength=2.8)


def _cut(evidence: Evidence, most: int = 40) -> str:
    """Return the name of a study, cut to `most` characters."""
    name = spelled(evidence.question.study)
    return name if len(name) <= most else f"{name[: most - 1]}…"


def _curves(found: Versus, evidence: Evidence, unit: str) -> list[list[tuple[float, list[float], bool]]]:
    """Return (r_a, values over seeds, whether it is dense) of each compared arm with finished runs, line by line.

    Where the studies share budgets, only these are kept.
    """
    shared = [pair.a.budget for pair in found.compared]
    curves: dict[tuple[float, str, bool], list[tuple[float, list[float], bool]]] = {}
    for arm in (arm for arm in evidence.arms if arm.is_compared):
        values = [float(value) for record in arm.done if (value := getattr(record, unit)) is not None]
        if values and (not shared or any(same_budget(arm.budget, C) for C in shared)):
            line = (arm.budget, arm.spec.series, arm.spec.training.U < arm.spec.training.D)
            curves.setdefault(line, []).append((arm.spec.r_a, values, arm.is_dense))
    return list(curves.values())


def _points(found: Versus, evidence: Evidence) -> list[tuple[float, list[float], bool]]:
    """Return the same for all budgets together."""
    return [point for curve in _curves(found, evidence, found.unit or "loss") for point in curve]


def has_arms(found: Versus) -> bool:
    """Return whether any matched arm has a difference."""
    return bool(found.compared)


def has_losses(found: Versus) -> bool:
    """Return whether both studies have finished runs in one unit."""
    return found.unit is not None and all(_points(found, each) for each in (found.a, found.b))


def _caption_arms(found: Versus) -> str:
    ways = sorted({pair.difference.how for pair in found.compared if pair.difference})
    rest = len(found.compared) - MOST
    more = f" The first {MOST} arms; {rest} more are in the table." if rest > 0 else ""
    return (
        f"Difference of each matched arm, mean of B less mean of A, with its 95 % interval ({', '.join(ways)}). An "
        f"open marker has no interval. n = {counted(len(found.compared), 'arm')}, {found.source}.{more}"
    )


def _alt_arms(found: Versus) -> str:
    texts = (f"{pair.name} {pair.difference.value:+.4f}" for pair in found.compared if pair.difference)
    return f"B less A by arm: {'; '.join(texts)}."


def _caption_losses(found: Versus) -> str:
    n = [sum(len(values) for _, values, _ in _points(found, each)) for each in (found.a, found.b)]
    return (
        "Final losses of both studies against activation rate (log axis) at the budgets that both have. Open "
        "markers are runs; lines join the means of the MoE arms; horizontal lines are dense arms. "
        f"n = {n[0]} and {n[1]} runs, {found.source}."
    )


def _alt_losses(found: Versus) -> str:
    def said(each: Evidence) -> str:
        return ", ".join(f"{percent(rate)} {fmean(values):.4f}" for rate, values, _ in sorted(_points(found, each)))

    return f"Mean loss by activation rate. A: {said(found.a)}. B: {said(found.b)}."


FIGURES: dict[str, Figure[Versus]] = {
    "versus_arms": Figure(
        title="Difference by arm", has_data=has_arms, draw=draw_arms, caption=_caption_arms, alt=_alt_arms
    ),
    "versus_losses": Figure(
        title="Both losses against activation rate",
        has_data=has_losses,
        draw=draw_losses,
        caption=_caption_losses,
        alt=_alt_losses,
    ),
}
"""Name of its files -> figure."""
