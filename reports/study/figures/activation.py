"""Validation loss against activation rate, one panel for each series, with the fitted curve and its minimum."""

from statistics import fmean
from typing import Any

import numpy as np

from fits.curve.curve_of_fit import curve
from fits.result import FitResult, Optimum
from planners.records.quantity import format_quantity
from reports.page.figure import (
    BAND,
    EDGE,
    FAINT,
    INK,
    MOE,
    QUIET,
    REGION,
    Axes,
    Figure,
    canvas_of,
    columns_of,
    key,
    log_axis,
    panels,
)
from reports.page.labels import place
from reports.page.number_text import counted, flops, listed, nats, percent
from reports.study.evidence import Evidence
from reports.study.evidence.arms import Arm, Series, heading
from reports.study.figures.marks import groups_of, names_of
from reports.study.optimum import optimum_sentence

POINTS = 200
FOOT = 0.06
"""Height of the interval of the minimum, as a share of the axes: below the curve, where the panel is empty."""
CONTROL = 1.5
"""Factor in r_a from the dense arm to the first control, and from each control to the next; controls have no rate."""
ROOM = {"below": 0.30, "above": 0.22}
"""Empty shares of a panel: below it for the interval, above it for the names of the arms."""


def draw(evidence: Evidence, axes: Axes) -> None:
    """Draw loss against r_a: open markers are runs, bars are means, a line across is the mean of a dense arm."""
    groups = groups_of(evidence)
    columns = columns_of(len(groups))
    cut = panels(axes, len(groups), columns=columns, sharex=True)
    heights = [_reach(group) for group in groups]
    for group, panel, (low, high) in zip(groups, cut, heights, strict=True):
        _panel(group, panel)
        span = max(high - low for low, high in heights) or 0.01
        middle, whole = (low + high) / 2, span / (1 - sum(ROOM.values()))
        panel.set_ylim(middle - span / 2 - ROOM["below"] * whole, middle + span / 2 + ROOM["above"] * whole)
        if len(groups) > 1:
            panel.set_title(heading(group, groups))
    _axes(groups, cut, columns)
    _second_axis(evidence, cut if columns == 1 else [])
    key(cut)
    for group, panel in zip(groups, cut, strict=True):
        _names(group, panel)


def _reach(group: Series) -> tuple[float, float]:
    """Return the lowest and the highest loss of a series."""
    losses = [loss for arm in (*group.arms, *group.controls) for loss in losses_of(arm)]
    return min(losses), max(losses)


def losses_of(arm: Arm) -> list[float]:
    """Return the losses of the finished runs of an arm."""
    return [record.loss for record in arm.done if record.loss is not None]


def _panel(group: Series, axes: Axes) -> None:
    if group.fit is not None and drawable(group.fit):
        _fit(group.fit, axes)
    for arm in group.moe:
        _arm(arm, arm.spec.r_a, axes, color=MOE.color, marker=MOE.marker)
    for arm in group.dense:
        _arm(arm, 1.0, axes, color=INK, marker="s")
        label = "dense, same N and C"
        axes.axhline(fmean(losses_of(arm)), color=INK, linewidth=1, linestyle=(0, (4, 2)), label=label, zorder=2)
    for at, arm in enumerate(group.controls):
        _arm(arm, CONTROL ** (at + 1), axes, color=QUIET, marker="D")
    if group.controls:
        sizes = listed(format_quantity(arm.spec.N) for arm in group.controls)
        axes.text(
            0.995,
            0.13,
            f"controls: N\n{sizes}",
            transform=axes.transAxes,
            ha="right",
            va="bottom",
            fontsize=7.5,
            linespacing=1.1,
        )


def _arm(arm: Arm, x: float, axes: Axes, *, color: str, marker: str) -> None:
    """Draw the runs of an arm, and their mean where there are several runs."""
    losses = losses_of(arm)
    face = color if len(losses) == 1 else "white"
    light: dict[str, Any] = {"markersize": 4.5, "markeredgewidth": 0.9, "linestyle": "none", "zorder": 4}
    axes.plot(
        [x] * len(losses), losses, marker=marker, color=color, markerfacecolor=face, gid=f"runs {arm.label}", **light
    )
    if len(losses) > 1:
        bar: dict[str, Any] = {
            "marker": "_",
            "markersize": 12,
            "markeredgewidth": 2.2,
            "linestyle": "none",
            "zorder": 5,
        }
        axes.plot([x], [fmean(losses)], color=color, gid=f"mean {arm.label}", **bar)


def _fit(fit: FitResult, axes: Axes) -> None:
    """Draw a fitted curve with its band, its minimum and the region of indifference."""
    r_a = np.geomspace(fit.domain["r_a"][0], fit.domain["r_a"][1], POINTS)
    loss, low, high = curve(fit, r_a)
    if low is None or high is None:
        label = f"{fit.law}: {counted(fit.n, 'run')}, {len(fit.params)} coefficients:\npasses through every point"
        axes.plot(r_a, loss, color=FAINT, linestyle=(0, (2, 2)), label=label, gid="fit", zorder=3)
        return
    axes.fill_between(r_a, low, high, color=BAND, alpha=0.55, linewidth=0, label="95 % band", zorder=1)
    axes.plot(r_a, loss, color=INK, linewidth=1.3, label=f"{fit.law} in ln r_a", gid="fit", zorder=3)
    best = fit.optimum
    if best is not None and best.value is not None:
        _region(best, fit.domain["r_a"], axes)
        _minimum(best, best.value, float(curve(fit, best.value)[0][0]), fit.domain["r_a"], axes)


def drawable(fit: FitResult) -> bool:
    """Return whether the fit is a curve of r_a whose coefficients are known."""
    known = all(param.value is not None for param in fit.params.values())
    return set(fit.domain) == {"r_a"} and known and fit.domain["r_a"][0] < fit.domain["r_a"][1]


def _region(optimum: Optimum, sampled: tuple[float, ...], axes: Axes) -> None:
    """Shade the region of indifference."""
    if optimum.region is not None:
        low, high = (end if end is not None else edge for end, edge in zip(optimum.region, sampled, strict=True))
        label = f"within {optimum.margin:.2g} nats of the minimum"
        axes.axvspan(low, high, facecolor=REGION, edgecolor=EDGE, linewidth=0.6, label=label, gid="region", zorder=0)


def _minimum(optimum: Optimum, value: float, loss: float, sampled: tuple[float, ...], axes: Axes) -> None:
    """Draw the minimum on the curve, and its interval at the foot of the panel; an open end is an arrow."""
    low, high = (end if end is not None else edge for end, edge in zip((optimum.lo, optimum.hi), sampled, strict=True))
    foot: dict[str, Any] = {"transform": axes.get_xaxis_transform(), "color": INK, "zorder": 7}
    axes.plot([low, high], [FOOT, FOOT], linewidth=2.2, gid="interval", **foot)
    for x, marker in ((low, "<" if optimum.lo is None else "|"), (high, ">" if optimum.hi is None else "|")):
        axes.plot([x], [FOOT], linestyle="none", marker=marker, markersize=6, markeredgewidth=1.6, **foot)
    axes.plot([value], [FOOT], linestyle="none", marker="|", markersize=9, markeredgewidth=1.6, **foot)
    label = "minimum; its 95 % interval at the foot"
    axes.plot(
        [value],
        [loss],
        linestyle="none",
        marker="*",
        markersize=11,
        color=INK,
        markeredgecolor="white",
        markeredgewidth=0.8,
        label=label,
        gid="optimum",
        zorder=7,
    )
    written = f"r_a* {percent(value)}"
    text = axes.annotate(
        written,
        (high, FOOT),
        xycoords=axes.get_xaxis_transform(),
        xytext=(7, 0),
        textcoords="offset points",
        ha="left",
        va="center",
        fontsize=8,
        zorder=7,
    )
    text.set_in_layout(False)


def _names(group: Series, axes: Axes) -> None:
    """Write the names of the arms next to their runs."""
    arms, names = group.moe, names_of(group.moe)
    avoid = [(arm.spec.r_a, loss) for arm in arms for loss in losses_of(arm)]
    above = [(arm.spec.r_a, max(losses_of(arm)), names[arm.label]) for arm in arms]
    place(axes, above, avoid=avoid, where=("above", "below", "high", "low"))


def _axes(groups: list[Series], cut: list[Axes], columns: int) -> None:
    rates = [arm.spec.r_a for group in groups for arm in group.arms]
    controls = max(len(group.controls) for group in groups)
    for panel in cut:
        log_axis(panel, "x", [*rates, CONTROL**controls], percent, last=1.0)
        panel.tick_params(labelbottom=panel in cut[-columns:], labelsize=9 if columns == 1 else 8)
        if controls:
            panel.axvline(CONTROL**0.5, ymax=0.86, color=FAINT, linewidth=0.8, linestyle=(0, (1, 2)))
    for panel in cut[-columns:]:
        panel.set_xlabel("activation rate  r_a = N_a / N")
    if columns == 1 and len(cut) == 1:
        cut[0].set_ylabel("validation loss  (nats/token)")
    else:
        canvas_of(cut[0]).supylabel("validation loss  (nats/token)", fontsize=9.5)


def _second_axis(evidence: Evidence, cut: list[Axes]) -> None:
    """Add an axis of bits per byte where one factor converts every run."""
    factors = [r.bpb / r.loss for arm in evidence.arms for r in arm.done if r.loss and r.bpb is not None]
    if not factors or max(factors) - min(factors) > 1e-6 * max(factors):
        return
    factor = factors[0]

    def bpb(loss: Any) -> Any:
        return loss * factor

    def loss(bpb: Any) -> Any:
        return bpb / factor

    for panel in cut:
        right = panel.secondary_yaxis("right", functions=(bpb, loss))
        if panel is cut[len(cut) // 2]:
            right.set_ylabel("bits per byte")


def caption(evidence: Evidence) -> str:
    """Return what the figure shows, with n, budget, convention and source."""
    question = evidence.question
    arms = [arm for group in groups_of(evidence) for arm in (*group.arms, *group.controls)]
    n = len({record.spec.run_id for arm in arms for record in arm.done})  # a dense arm may be in two panels
    N, C = listed(map(format_quantity, evidence.totals)), listed(map(flops, question.budgets or evidence.budgets))
    at = f"N ≈ {N} and C ≈ {C} FLOPs"
    seeds = "Open markers are runs, bars their means. " if len(evidence.seeds) > 1 else "One marker is one run. "
    return (
        f"Final validation loss against activation rate (log axis) at {at} ({question.flops_convention} convention) on "
        f"{evidence.corpus}. {seeds}The dashed line is the dense arm, another shape of the same N. "
        f"{_controls(evidence)}{_curve(evidence)}n = {counted(n, 'run')}, {evidence.source}."
    )


def _controls(evidence: Evidence) -> str:
    controls = {arm.name: arm for group in groups_of(evidence) for arm in group.controls}
    if not controls:
        return ""
    return f"Right of the dotted line are dense controls of another N, which have no rate: {listed(controls, 6)}. "


def _curve(evidence: Evidence) -> str:
    fits = evidence.answering
    if not any(map(drawable, fits)):
        return "No curve is drawn: the fit has no coefficients. " if fits else "No curve has been fitted. "
    fit = fits[0]
    if fit.covariance is None:
        return (
            f"The {fit.law} has {len(fit.params)} coefficients for {counted(fit.n, 'run')}: it passes through every "
            "point, so its shape is not evidence of an optimum. "
        )
    return f"The {fit.law} in ln r_a is fitted to the MoE runs; the band is the 95 % interval of the mean curve. "


def alt(evidence: Evidence) -> str:
    """Return the figure in words, arm by arm."""
    arms = [(arm, loss) for arm in evidence.arms if (loss := arm.mean("loss")) is not None]
    points = "; ".join(f"{arm.label} at {percent(arm.spec.r_a)}: {nats(loss)}" for arm, loss in arms)
    return f"Validation loss in nats per token against activation rate. {points}. {optimum_sentence(evidence)}"


def has_data(evidence: Evidence) -> bool:
    """Return whether any compared run has a loss, in a study of rates."""
    return not evidence.verdicts and any(arm.done for arm in evidence.arms if arm.is_compared)


FIGURE = Figure(
    title="Loss against activation rate", section="Optimum", has_data=has_data, draw=draw, caption=caption, alt=alt
)
