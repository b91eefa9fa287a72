"""The optimal rate over compute: r_a* with its interval at each budget, and the one rate that fits all budgets."""

from itertools import groupby
from typing import Any

from fits.result import Optimum
from planners.records.quantity import format_quantity
from reports.page.figure import BAND, INK, SERIES, Axes, Figure, Mark, key, log_axis
from reports.page.number_text import counted, flops, percent
from reports.study.evidence import Evidence
from reports.study.evidence.arms import Series
from reports.study.movement import gradient_text

DODGE = 1.035
"""Factor in C between series of one budget; without it their intervals would cover each other."""


def draw(evidence: Evidence, axes: Axes) -> None:
    """Draw r_a* against C, one mark for each kind of series, over the one rate that fits all."""
    log_axis(axes, "y", [end for one in placed(evidence) for end in _ends(one)], percent, room=1.2)
    log_axis(axes, "x", [one.C for one in placed(evidence)], flops, room=1.35)
    _constant(evidence, axes)
    kinds = kinds_of(evidence)
    for at, (name, members) in enumerate(kinds.items()):
        mark, shift = SERIES[at % len(SERIES)], DODGE ** (2 * at - len(kinds) + 1)
        for one in members:
            _optimum(one, one.C * shift, mark, axes)
        known = [(one.C * shift, best.value) for one in members if (best := best_of(one)).value is not None]
        label = f"{name}, 95 % interval" if name else "lowest at r_a*, 95 % interval"
        style: dict[str, Any] = {"color": mark.color, "marker": mark.marker, "markersize": 7, "linewidth": 0.9}
        line, gid = mark.line if len(kinds) > 1 else "none", f"optimum {name}".strip()
        axes.plot([x for x, _ in known], [y for _, y in known], linestyle=line, label=label, gid=gid, **style)
    axes.set_xlabel("training compute  C  (FLOPs)")
    axes.set_ylabel("optimal activation rate  r_a*")
    key([axes], columns=1)


def placed(evidence: Evidence) -> list[Series]:
    """Return the series whose curve has an optimum or a bound for it."""
    return [one for one in evidence.series if one.fit is not None and best_of(one).status in ("converged", "edge")]


def best_of(one: Series) -> Optimum:
    """Return the optimum of a series that has a fit with one."""
    assert one.curve.optimum is not None
    return one.curve.optimum


def _ends(one: Series) -> tuple[float, float]:
    """Return the ends of the interval; an open end is replaced by the end of the sampled rates."""
    first, last = one.curve.domain["r_a"]
    return best_of(one).lo or first, best_of(one).hi or last


def kinds_of(evidence: Evidence) -> dict[str, list[Series]]:
    """Return the placed series by size and by whether data is repeated."""
    series = placed(evidence)
    sizes, repeats = len({round(one.N, -3) for one in series}) > 1, any(one.repeats for one in series)

    def kind(one: Series) -> str:
        reuse = ("repeated data" if one.repeats else "fresh data") if repeats else ""
        return ", ".join(filter(None, (f"N {format_quantity(one.N)}" if sizes else "", reuse)))

    ordered = sorted(series, key=lambda one: (kind(one), one.C))
    return {name: list(members) for name, members in groupby(ordered, kind)}


def _optimum(one: Series, x: float, mark: Mark, axes: Axes) -> None:
    """Draw the interval of one series; an open end is an arrow at the end of the sampled rates."""
    best, (low, high) = best_of(one), _ends(one)
    style: dict[str, Any] = {"color": mark.color, "linewidth": 1.8, "zorder": 3}
    axes.plot([x, x], [low, high], gid=f"interval {one.key}", **style)
    for end, marker in ((low, "v" if best.lo is None else "_"), (high, "^" if best.hi is None else "_")):
        axes.plot([x], [end], marker=marker, markersize=6, markeredgewidth=1.6, **style)


def _constant(evidence: Evidence, axes: Axes) -> None:
    """Draw the one rate that fits all series, with its interval."""
    found = evidence.constancy
    if found is None or found.of != "r_a" or found.value is None:
        return
    bottom, top = axes.get_ylim()
    label = f"if constant: {percent(found.value)} (test: p = {found.p:.2g})"
    axes.axhspan(
        found.lo or bottom, found.hi or top, color=BAND, alpha=0.45, linewidth=0, zorder=0, gid="constant band"
    )
    axes.axhline(found.value, color=INK, linewidth=1.1, linestyle=(0, (5, 2)), label=label, zorder=1, gid="constant")


def has_data(evidence: Evidence) -> bool:
    """Return whether two budgets or more have an optimum."""
    return len({one.C for one in placed(evidence)}) > 1


def caption(evidence: Evidence) -> str:
    """Return what the figure shows, with n and source."""
    series = placed(evidence)
    n = sum(one.curve.n for one in series)
    law = evidence.answering[0].law
    return (
        f"Rate at which the fitted loss ({law} in ln r_a) is lowest, with its 95 % interval, against compute (log "
        "axes). An arrow marks an end that the data leave open, drawn at the end of the sampled rates. Marks of one "
        f"budget are moved apart. {_moved(evidence)}n = {counted(n, 'run')} in {counted(len(series), 'curve')}, "
        f"{evidence.source}."
    )


def _moved(evidence: Evidence) -> str:
    if evidence.constancy is None or evidence.constancy.value is None:
        return ""
    said = "Dashed: the one rate that fits all budgets on fresh data best; shaded: its 95 % interval. "
    return said + "".join(f"{gradient_text(slope)}. " for slope in evidence.constancy.slopes)


def alt(evidence: Evidence) -> str:
    """Return the figure in words, budget by budget."""
    said = [
        f"{one.heading}: {percent(best.value)}" if (best := best_of(one)).value else f"{one.heading}: {best.edge} end"
        for one in placed(evidence)
    ]
    return f"Activation rate with the lowest fitted loss against training compute. {'; '.join(said)}."


FIGURE = Figure(
    title="Optimal rate over compute",
    section="r_a* over N and C",
    has_data=has_data,
    draw=draw,
    caption=caption,
    alt=alt,
)
