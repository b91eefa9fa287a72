"""Loss against activation rate at equal FLOPs and at equal device-time: what lower utilisation costs MoE."""

import math
from statistics import fmean
from typing import Any

from fits.compare.samples import sample_mean
from reports.page.figure import INK, MOE, Axes, Figure, key, log_axis, panels
from reports.page.labels import place, shortened
from reports.page.number_text import counted, flops, listed, nats, percent
from reports.study.evidence import Evidence
from reports.study.evidence.arms import Arm
from reports.study.evidence.equal_time import Sum, equal_time


def draw(evidence: Evidence, axes: Axes) -> None:
    """Draw loss against r_a, above at equal C and below at equal device-time."""
    chosen = equal_time(evidence)
    assert chosen is not None
    above, below = panels(axes, 2, height=2.3, sharex=True, sharey=True)
    losses = {arm.name: (arm.spec.r_a, _mean(arm)) for arm in chosen.here.moe}
    then = {name: (each.arm.spec.r_a, each.loss) for name, each in chosen.found.items()}
    above.set_title(f"equal compute: C = {flops(chosen.here.C)} FLOPs")
    below.set_title(f"equal time: {chosen.hours:.3g} device-hours, as dense takes for this C")
    for panel, points, how in ((above, losses, "measured"), (below, then, "interpolated")):
        _panel(points, chosen.dense, how, panel)
        panel.set_ylabel("loss  (nats/token)")
        log_axis(panel, "x", [*(rate for rate, _ in losses.values()), 1.0], percent)
        panel.margins(y=0.25)
    below.set_xlabel("activation rate  r_a = N_a / N")
    key([above, below], columns=1)
    names = dict(zip(losses, shortened(list(losses)), strict=True))
    for panel, points in ((above, losses), (below, then)):
        tops = [(rate, loss + (half or 0.0), names[name]) for name, (rate, (loss, half)) in points.items()]
        place(panel, tops, where=("above", "right", "left"))


def _mean(arm: Arm) -> Sum:
    losses = [record.loss for record in arm.done if record.loss is not None]
    return fmean(losses), sample_mean(losses).half()


def _panel(points: dict[str, tuple[float, Sum]], dense: Arm, how: str, axes: Axes) -> None:
    ordered = sorted(points.values())
    rates, means = [rate for rate, _ in ordered], [loss for _, (loss, _) in ordered]
    halves = [half or 0.0 for _, (_, half) in ordered]
    face = MOE.color if how == "measured" else "white"
    look: dict[str, Any] = {"color": MOE.color, "marker": MOE.marker, "markersize": 6, "markerfacecolor": face}
    label = f"MoE, {how}: mean over seeds, 95 % interval"
    axes.errorbar(rates, means, yerr=halves, linewidth=0.9, elinewidth=1.3, capsize=2.5, label=label, zorder=3, **look)
    axes.plot(rates, means, linestyle="none", gid=how)
    level = dense.mean("loss") or math.nan
    axes.axhline(level, color=INK, linewidth=1, linestyle=(0, (4, 2)), label="dense, measured", gid="dense", zorder=2)
    axes.plot([1.0], [level], color=INK, marker="s", markersize=6, linestyle="none", zorder=3)


def has_data(evidence: Evidence) -> bool:
    """Return whether the budgets of two MoE arms or more enclose the time of a dense arm."""
    return equal_time(evidence) is not None


def caption(evidence: Evidence) -> str:
    """Return what the figure shows, how losses at equal time are computed, with n and source."""
    chosen = equal_time(evidence)
    assert chosen is not None
    n = sum(len(arm.done) for one in chosen.series for arm in (*one.moe, one.dense[0]))
    left = (
        f"Left out, because their budgets do not enclose that time: {listed(chosen.left_out)}. "
        if chosen.left_out
        else ""
    )
    return (
        "Final validation loss against activation rate (log axis), above at equal FLOPs, below at the device-time "
        "that the dense arm takes for them (wall time with evaluation × devices × CPU threads, on the machine that "
        "trained). Below, the mean loss of a MoE arm is interpolated linearly in ln time between its runs of "
        "neighbouring budgets, each with its own schedule. The intervals cover the noise of the losses and take the "
        f"times as exact. {left}n = {counted(n, 'run')}, {evidence.source}."
    )


def alt(evidence: Evidence) -> str:
    """Return the figure in words, arm by arm."""
    chosen = equal_time(evidence)
    assert chosen is not None
    said = [
        f"{name}: {nats(each.arm.mean('loss') or math.nan)} at equal C, {nats(each.loss[0])} at equal time"
        for name, each in chosen.found.items()
    ]
    return f"Loss in nats per token; dense {nats(chosen.dense.mean('loss') or math.nan)}. {'; '.join(said)}."


FIGURE = Figure(
    title="Loss at equal device-time",
    section="Equal device-time",
    has_data=has_data,
    draw=draw,
    caption=caption,
    alt=alt,
)
