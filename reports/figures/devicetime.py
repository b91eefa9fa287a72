"""Loss against activation rate at equal measured device-time, beside equal FLOPs: what lower utilisation costs MoE.

A run cut off early is no run of less compute: its learning rate has not come down. So the loss of an arm at a given
time is interpolated between its runs of two budgets, each trained to its own end, and never taken from a loss curve.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from statistics import fmean
from typing import TYPE_CHECKING

from reports.evidence import Arm, Evidence, mean_of
from reports.figures.cost import hours
from reports.figures.reuse import half_width
from reports.labels import place, shortened
from reports.numerals import counted, flops, listed, nats, percent
from reports.scales import log_axis
from reports.series import Series
from reports.style import INK, MOE, Figure, key, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, kw_only=True)
class Equal:
    """The arms of one size and reuse at equal C, and at the time that the dense arm takes for it."""

    series: tuple[Series, ...]
    """The budgets, rising."""
    at: int
    """Which of them is the equal C."""

    @property
    def C(self) -> float:
        """That compute, FLOPs."""
        return self.series[self.at].C

    @property
    def dense(self) -> Arm:
        """The dense arm there."""
        return self.series[self.at].dense[0]

    @cached_property
    def hours(self) -> float:
        """Device-hours of the dense arm there, mean over its seeds."""
        return mean_of(map(hours, self.dense.done)) or math.nan

    @cached_property
    def found(self) -> dict[str, tuple[float, list[float]]]:
        """(r_a, one loss a seed at that time) of each MoE arm whose budgets span it, by name."""
        arms = {arm.name: arm.spec.r_a for arm in self.series[self.at].moe}
        losses = {
            name: [loss for seed in _seeds(self.dense) if (loss := self._at(name, seed)) is not None] for name in arms
        }
        return {name: (arms[name], values) for name, values in losses.items() if values}

    @property
    def left_out(self) -> list[str]:
        """MoE arms that take less, or more, than that time at every budget."""
        return [arm.name for arm in self.series[self.at].moe if arm.name not in self.found]

    def _at(self, name: str, seed: int) -> float | None:
        """Return the loss of an arm and seed at that time, linear in ln time between budgets; None outside them."""
        runs = sorted(
            (taken, record.loss)
            for one in self.series for arm in one.moe if arm.name == name
            for record in arm.done
            if record.spec.training.seed == seed and record.loss is not None and (taken := hours(record))
        )  # fmt: skip
        for (before, high), (after, low) in pairwise(runs):
            if before <= self.hours <= after and after > before:
                share = math.log(self.hours / before) / math.log(after / before)
                return high + share * (low - high)
        return None


def _seeds(arm: Arm) -> list[int]:
    return [record.spec.training.seed for record in arm.done]


def equal(evidence: Evidence) -> Equal | None:
    """Return the budget at which most arms can be compared at equal time, the largest of those; None where two cannot.

    Of several sizes or kinds of reuse it is of the first.
    """
    timed = [one for one in evidence.series if one.dense and all(map(hours, one.dense[0].done))]
    if not timed:
        return None
    first = timed[0]
    same = [one for one in timed if (round(one.N, -2), one.repeats) == (round(first.N, -2), first.repeats)]
    series = tuple(sorted(same, key=lambda one: one.C))
    best = max((Equal(series=series, at=at) for at in range(len(series))), key=lambda each: (len(each.found), each.C))
    return best if len(best.found) > 1 else None


def draw(evidence: Evidence, axes: "Axes") -> None:
    """Draw loss against r_a at equal C above, at equal device-time below."""
    chosen = equal(evidence)
    assert chosen is not None
    above, below = panels(axes, 2, height=2.3, sharex=True, sharey=True)
    here = chosen.series[chosen.at]
    losses = {arm.name: (arm.spec.r_a, [r.loss for r in arm.done if r.loss is not None]) for arm in here.moe}
    above.set_title(f"equal compute: C = {flops(chosen.C)} FLOPs")
    below.set_title(f"equal time: {chosen.hours:.3g} device-hours, what dense takes for it")
    for panel, points, how in ((above, losses, "measured"), (below, chosen.found, "interpolated")):
        _panel(points, chosen.dense, how, panel)
        panel.set_ylabel("loss  (nats/token)")
        log_axis(panel, "x", [*(rate for rate, _ in losses.values()), 1.0], percent)
        panel.margins(y=0.25)
    below.set_xlabel("activation rate  r_a = N_a / N")
    key([above, below], columns=1)
    names = dict(zip(losses, shortened(list(losses)), strict=True))
    for panel, points in ((above, losses), (below, chosen.found)):
        tops = [(rate, fmean(v) + (half_width(v) or 0.0), names[name]) for name, (rate, v) in points.items()]
        place(panel, tops, where=("above", "right", "left"))


def _panel(points: dict[str, tuple[float, list[float]]], dense: Arm, how: str, axes: "Axes") -> None:
    ordered = sorted(points.values())
    rates, means = [rate for rate, _ in ordered], [fmean(values) for _, values in ordered]
    halves = [half_width(values) or 0.0 for _, values in ordered]
    axes.errorbar(
        rates, means, yerr=halves, color=MOE.color, marker=MOE.marker, markersize=6, linewidth=0.9, elinewidth=1.3,
        markerfacecolor=MOE.color if how == "measured" else "white", capsize=2.5,
        label=f"MoE, {how}: mean over seeds, 95 % interval", zorder=3,
    )  # fmt: skip
    axes.plot(rates, means, linestyle="none", gid=how)
    level = dense.mean("loss") or math.nan
    axes.axhline(level, color=INK, linewidth=1, linestyle=(0, (4, 2)), label="dense, measured", gid="dense", zorder=2)
    axes.plot([1.0], [level], color=INK, marker="s", markersize=6, linestyle="none", zorder=3)


def has_data(evidence: Evidence) -> bool:
    """Whether the budgets of two MoE arms or more span the time of a dense arm."""
    return equal(evidence) is not None


def caption(evidence: Evidence) -> str:
    """Return what the figure shows, how the losses at equal time came about, with n and source."""
    chosen = equal(evidence)
    assert chosen is not None
    n = sum(len(arm.done) for one in chosen.series for arm in (*one.moe, one.dense[0]))
    left = (
        f"Left out, since their budgets do not span that time: {listed(chosen.left_out)}. " if chosen.left_out else ""
    )
    return (
        "Final validation loss against activation rate (log axis), above at equal FLOPs, below at the device-time "
        "that the dense arm takes for them (wall time with evaluation × devices × CPU threads, on the machine that "
        "trained). Below, the loss of a MoE arm is interpolated seed by seed, linear in ln time, between its runs of "
        f"neighbouring budgets, each with a schedule of its own. {left}n = {counted(n, 'run')}, {evidence.source}."
    )


def alt(evidence: Evidence) -> str:
    """Return the figure in words, arm by arm."""
    chosen = equal(evidence)
    assert chosen is not None
    before = {arm.name: arm.mean("loss") or math.nan for arm in chosen.series[chosen.at].moe}
    said = [
        f"{name}: {nats(before[name])} at equal C, {nats(fmean(v))} at equal time"
        for name, (_, v) in chosen.found.items()
    ]
    return f"Loss in nats per token; dense {nats(chosen.dense.mean('loss') or math.nan)}. {'; '.join(said)}."


FIGURE = Figure(title="Loss at equal device-time", of="study", has_data=has_data, draw=draw, caption=caption, alt=alt)
