"""MoE less dense: the difference in loss between the MoE arms and the dense arm, and where the two are equal."""

from typing import Any

import numpy as np

from fits.curve.curve_of_fit import curve
from fits.result import FitResult
from reports.page.figure import BAND, FAINT, INK, MOE, Axes, Figure, Mark, key, points
from reports.page.labels import place
from reports.page.number_text import counted
from reports.study.evidence import Evidence
from reports.study.evidence.arms import Arm, Series
from reports.study.figures.activation import POINTS, drawable
from reports.study.figures.marks import names_of, rate_panels

CROSSING = Mark(color=INK, marker="D", line="-")


def draw(evidence: Evidence, axes: Axes) -> None:
    """Draw each MoE run less the dense run of its seed, and the fitted curve less the dense mean."""
    groups = compared(evidence)
    cut = rate_panels(groups, axes, "loss of MoE less dense  (nats/token)")
    for group, panel in zip(groups, cut, strict=True):
        _panel(group, panel)
    cut[0].margins(y=0.2)
    key(cut)
    for group, panel in zip(groups, cut, strict=True):
        names, dense = names_of(group.moe), group.dense[0]
        tops = [(arm.spec.r_a, max(differences(arm, dense)), names[arm.label]) for arm in group.moe]
        place(panel, tops, where=("above", "below"))


def compared(evidence: Evidence) -> list[Series]:
    """Return the series whose MoE arms share a seed with a dense arm."""
    return [
        group for group in evidence.series if group.dense and all(differences(a, group.dense[0]) for a in group.moe)
    ]


def differences(arm: Arm, dense: Arm) -> list[float]:
    """Return the loss less that of the dense run, for each seed that both have."""
    known = {record.spec.training.seed: record.loss for record in dense.done}
    pairs = [(record.loss, known.get(record.spec.training.seed)) for record in arm.done]
    return [ours - theirs for ours, theirs in pairs if ours is not None and theirs is not None]


def _panel(group: Series, axes: Axes) -> None:
    dense = group.dense[0]
    axes.axhline(0, color=INK, linewidth=1, linestyle=(0, (4, 2)), label="dense, same N, C and seed", zorder=2)
    for arm in group.moe:
        values = differences(arm, dense)
        style: dict[str, Any] = {"markeredgewidth": 0.9, "zorder": 4, "gid": f"difference {arm.label}"}
        points(axes, [arm.spec.r_a] * len(values), values, MOE, 4.5, hollow=True, **style)
    level = dense.mean("loss")
    if group.fit is not None and level is not None and drawable(group.fit):
        _curve(group.fit, level, axes)
        _crossings(group.fit, dense.spec.arm, axes)


def _curve(fit: FitResult, level: float, axes: Axes) -> None:
    """Draw the fitted curve less the mean loss of the dense arm."""
    r_a = np.geomspace(fit.domain["r_a"][0], fit.domain["r_a"][1], POINTS)
    loss, low, high = curve(fit, r_a)
    if low is not None and high is not None:
        label = "95 % band of the MoE curve"
        axes.fill_between(r_a, low - level, high - level, color=BAND, alpha=0.55, linewidth=0, label=label, zorder=1)
    axes.plot(
        r_a, loss - level, color=FAINT if low is None else INK, linewidth=1.3, label=f"{fit.law} in ln r_a", gid="fit"
    )


def _crossings(fit: FitResult, dense: str, axes: Axes) -> None:
    """Mark where the curve reaches the loss of the arm `dense`, with the interval."""
    for crossing in fit.crossings:
        if crossing.value is None or crossing.dense != dense:
            continue
        low, high = crossing.lo or fit.domain["r_a"][0], crossing.hi or fit.domain["r_a"][1]
        axes.plot([low, high], [0, 0], color=INK, linewidth=4, solid_capstyle="butt", gid="interval", zorder=5)
        style: dict[str, Any] = {"label": "crossing, 95 % interval", "gid": "crossing", "zorder": 6}
        points(axes, [crossing.value], [0], CROSSING, 7, markeredgecolor="white", **style)


def has_data(evidence: Evidence) -> bool:
    """Return whether MoE arms share a seed with a dense arm of their budget."""
    return bool(compared(evidence))


def caption(evidence: Evidence) -> str:
    """Return what the figure shows, with n and source."""
    n = sum(len(differences(arm, group.dense[0])) for group in compared(evidence) for arm in group.moe)
    return (
        "Final validation loss of each MoE run less that of the dense run of the same N, C and seed, against "
        "activation rate (log axis); below zero MoE is lower. The line is the fitted MoE curve less the mean of the "
        f"dense arm; its band does not include the noise of that mean. {_said(evidence)}"
        f"n = {counted(n, 'pair')} of runs, {evidence.source}."
    )


def _said(evidence: Evidence) -> str:
    groups = [group for group in compared(evidence) if group.fit]
    found = [each for one in groups for each in one.curve.crossings if each.dense == one.dense[0].spec.arm]
    met = sum(each.value is not None for each in found)
    return f"Crossings within the sampled rates: {met}. " if found else ""


def alt(evidence: Evidence) -> str:
    """Return the figure in words, arm by arm."""
    said = []
    for group in compared(evidence):
        means = [(arm.label, differences(arm, group.dense[0])) for arm in group.moe]
        said += [f"{label}: {sum(values) / len(values):+.4f}" for label, values in means]
    return f"Loss of the MoE arms less dense, nats per token: {'; '.join(said)}."


FIGURE = Figure(
    title="MoE against dense", section="MoE against dense", has_data=has_data, draw=draw, caption=caption, alt=alt
)
