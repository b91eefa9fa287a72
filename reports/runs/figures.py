"""The figures of a fitted table: the loss with the fit, the best size of each budget, and the residuals."""

import math

import numpy as np

from planners.records.quantity import format_quantity
from reports.page.figure import BAND, INK, SERIES, Axes, Figure, log_axis
from reports.page.number_text import counted, flops, general, percent, signed
from reports.papers.figure_parts import COMPUTE, OURS, POINTS as DOTS, label_axes, shades
from reports.runs.fitted_runs import FittedRuns, residuals

WRITE = {"r_a": percent, "C": flops}
"""Column -> how its ticks are written; amounts such as 7B otherwise."""
HEADS = {
    "N": "parameters  N",
    "r_a": "activation rate  r_a",
    "C": COMPUTE,
    "D": "tokens  D",
    "N_opt": "best size  N_opt",
}


def _colors(count: int) -> list[str]:
    return [SERIES[0].color] if count == 1 else shades(count)


def draw_loss(data: FittedRuns, axes: Axes) -> None:
    """Draw the runs of each budget with the fitted line and its minimum."""
    groups = data.groups
    log_axis(axes, "x", np.concatenate([group.x for group in groups]), WRITE.get(data.axis, format_quantity))
    for group, color in zip(groups, _colors(len(groups)), strict=True):
        axes.plot(group.x, group.y, color=color, gid="runs", label=group.heading or "runs", **DOTS)
        if group.line:
            axes.plot(*group.line, color=color, linewidth=1.3, gid="fit", zorder=2)
        if group.minimum:
            axes.plot(*[[each] for each in group.minimum], marker="*", markersize=10, color=INK, zorder=5, gid="best")
    if data.response != "loss":
        log_axis(axes, "y", np.concatenate([group.y for group in groups]), format_quantity)
    y = f"loss  ({data.unit})" if data.response == "loss" else HEADS[data.response]
    label_axes(axes, HEADS.get(data.axis, data.axis), y, columns=3)


def _caption_loss(data: FittedRuns) -> str:
    n = sum(len(group.x) for group in data.groups)
    stars = " Stars: the lowest point of a curve." if any(group.minimum for group in data.groups) else ""
    by = " by compute, light to dark" if len(data.groups) > 1 else ""
    near = " Budgets are put together where there are many; a line is for the middle one."
    ranges = near if len(data.groups) > 1 and not data.found.isoflop and _is_ranged(data) else ""
    return f"Dots: {counted(n, 'run')}{by}. Lines: the fit of {data.lead.law}.{stars}{ranges} Source: {data.source}."


def _is_ranged(data: FittedRuns) -> bool:
    return any(group.runs.has("C") and np.ptp(np.log(group.runs.numbers("C"))) > 0.1 for group in data.groups)


def _alt_loss(data: FittedRuns) -> str:
    said = [
        f"{group.heading or data.response}: {general(4)(group.y.min())} to {general(4)(group.y.max())}"
        for group in data.groups
    ]
    return f"{data.response} against {data.axis}. {'; '.join(said)}."


def draw_sizes(data: FittedRuns, axes: Axes) -> None:
    """Draw the best size of each budget with its interval, and the power law through them."""
    found = data.found.isoflop
    assert found is not None
    known = [each for each in found.budgets if each.N]
    C, N = np.array([each.C for each in known]), np.array([each.N for each in known], float)
    ends = [(each.lo or N_opt, each.hi or N_opt) for each, N_opt in zip(known, N.tolist(), strict=True)]
    log_axis(axes, "x", C, flops, room=1.5)
    log_axis(axes, "y", [*N, *np.ravel(np.array(ends, float))], format_quantity, room=1.5)
    for at, (low, high) in zip(C, ends, strict=True):
        axes.plot([at, at], [low, high], color=BAND, linewidth=4, solid_capstyle="butt", zorder=1, gid="interval")
    axes.plot(C, N, color=INK, label="minimum of each budget", gid="sizes", **DOTS)
    if found.factor and found.exponents:
        along = np.geomspace(C.min() / 1.3, C.max() * 1.3, 20)
        label = f"{found.factor:.2g} C^{found.exponents[0].N:.3f}"
        axes.plot(along, found.factor * along ** found.exponents[0].N, label=label, **OURS)
    label_axes(axes, COMPUTE, HEADS["N_opt"])


def _has_sizes(data: FittedRuns) -> bool:
    found = data.found.isoflop
    return found is not None and sum(bool(each.N) for each in found.budgets) > 1


def _caption_sizes(data: FittedRuns) -> str:
    found = data.found.isoflop
    assert found is not None
    exponents = "; ".join(f"{one.approach}: N_opt ∝ C^{one.N:.3f}, D_opt ∝ C^{one.D:.3f}" for one in found.exponents)
    return (
        f"Parameters of lowest loss at each budget, with the 95 % interval (bars). {exponents}. Source: {data.source}."
    )


def _alt_sizes(data: FittedRuns) -> str:
    found = data.found.isoflop
    assert found is not None
    said = [f"{flops(each.C)} FLOPs: {format_quantity(each.N)}" for each in found.budgets if each.N]
    return f"Best size by compute. {'; '.join(said)}."


def draw_residuals(data: FittedRuns, axes: Axes) -> None:
    """Draw how far each run lies from the fit, in per cent."""
    groups = [group for group in data.groups if np.isfinite(group.fitted).any()]
    log_axis(axes, "x", np.concatenate([group.x for group in groups]), WRITE.get(data.axis, format_quantity))
    axes.axhline(0, color=INK, linewidth=0.8, zorder=1)
    for group, color in zip(groups, _colors(len(groups)), strict=True):
        missed = 100 * np.log(group.y / group.fitted)
        axes.plot(group.x, missed, color=color, gid="residuals", label=group.heading or "runs", **DOTS)
    label_axes(axes, HEADS.get(data.axis, data.axis), "measured over fitted  (%)", columns=3)


def _caption_residuals(data: FittedRuns) -> str:
    return (
        f"How far the {data.response} of each run is above the fit, in per cent. A pattern that all budgets share is a "
        f"misfit of the law. Source: {data.source}."
    )


def _alt_residuals(data: FittedRuns) -> str:
    every = 100 * residuals(data.groups)
    show = signed(3)
    return f"Measured over fitted, from {show(float(every.min()))} % to {show(float(every.max()))} %."


def _has_residuals(data: FittedRuns) -> bool:
    every = residuals(data.groups)
    return len(every) > 1 and not math.isclose(float(np.ptp(every)), 0.0, abs_tol=1e-8)


FIGURES = {
    "loss": Figure(title="The runs and the fit", draw=draw_loss, caption=_caption_loss, alt=_alt_loss),
    "sizes": Figure(
        title="Best size by compute",
        section="IsoFLOP",
        draw=draw_sizes,
        caption=_caption_sizes,
        alt=_alt_sizes,
        has_data=_has_sizes,
    ),
    "residuals": Figure(
        title="Residuals",
        section="Residuals",
        draw=draw_residuals,
        caption=_caption_residuals,
        alt=_alt_residuals,
        has_data=_has_residuals,
        size=(5.0, 3.0),
    ),
}
"""File name -> figure; the first stands next to the answer."""
