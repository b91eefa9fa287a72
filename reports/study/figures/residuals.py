"""Residuals of the fitted curves against r_a; lines join the runs of a seed."""

import math
from typing import Any

import numpy as np

from fits.curve.curve_of_fit import curve
from reports.page.figure import INK, REGION, SERIES, Axes, Figure, key
from reports.page.number_text import counted
from reports.study.evidence import Evidence
from reports.study.evidence.arms import Series
from reports.study.figures.activation import drawable
from reports.study.figures.marks import rate_panels

MOST_SEEDS = 12
"""Most seeds whose lines are told apart."""


def draw(evidence: Evidence, axes: Axes) -> None:
    """Draw the loss less the fitted curve; a line joins the runs of a seed, which are one block."""
    groups = fitted(evidence)
    cut = rate_panels(groups, axes, "loss less fitted curve  (nats/token)", height=1.5)
    seeds = sorted({seed for group in groups for seed, _, _ in residuals(group)})
    for group, panel in zip(groups, cut, strict=True):
        _panel(group, seeds, panel)
    key(cut, columns=4)


def fitted(evidence: Evidence) -> list[Series]:
    """Return the series with a curve that does not pass through every point."""
    return [one for one in evidence.series if one.fit and drawable(one.fit) and one.fit.dof > 0]


def residuals(group: Series) -> list[tuple[int, float, float]]:
    """Return (seed, r_a, loss less the fitted curve in nats per token) of each MoE run."""
    found = []
    for arm in group.moe:
        level = float(curve(group.curve, arm.spec.r_a)[0][0])
        found += [(r.spec.training.seed, arm.spec.r_a, r.loss - level) for r in arm.done if r.loss is not None]
    return found


def _panel(group: Series, seeds: list[int], axes: Axes) -> None:
    sd = group.curve.residual_sd
    axes.axhline(0, color=INK, linewidth=0.8, zorder=1)
    if sd is not None:
        axes.axhspan(-sd, sd, facecolor=REGION, linewidth=0, label="± 1 SD of the fit", gid="SD", zorder=0)
    found: dict[int, list[tuple[float, float]]] = {}
    for seed, rate, value in residuals(group):
        found.setdefault(seed, []).append((rate, value))
    if len(seeds) > MOST_SEEDS:
        # one line with a gap after each seed: colours could not tell so many apart, and a key would fill the page
        joined = np.array([point for one in found.values() for point in (*one, (math.nan, math.nan))])
        style: dict[str, Any] = {"color": SERIES[0].color, "linewidth": 0.4, "marker": ".", "markersize": 2}
        axes.plot(*joined.T, label=f"{len(seeds)} seeds", gid="residuals", **style)
        return
    for at, seed in enumerate(seeds):
        mark = SERIES[at % len(SERIES)]
        style = {"color": mark.color, "linestyle": mark.line, "linewidth": 1, "marker": mark.marker}
        x, y = zip(*found.get(seed, [(math.nan, math.nan)]), strict=True)
        axes.plot(x, y, markersize=4.5, label=f"seed {seed}", gid=f"residuals {seed}", **style)


def has_data(evidence: Evidence) -> bool:
    """Return whether any curve was fitted to more runs than it has coefficients."""
    return bool(fitted(evidence))


def caption(evidence: Evidence) -> str:
    """Return what the figure shows, with n and source."""
    n = sum(len(residuals(group)) for group in fitted(evidence))
    blocks = any(group.curve.blocks for group in fitted(evidence))
    kept = "Lines join the runs of a seed. The fit removes the mean of each seed, so a line that is high as a whole is "
    kept += "not a misfit. "
    shape = "A bend that all seeds share is a misfit of the curve. "
    return (
        f"Final validation loss less the fitted curve of its series, against activation rate (log axis). "
        f"{kept if blocks else ''}{shape}n = {counted(n, 'run')}, {evidence.source}."
    )


def alt(evidence: Evidence) -> str:
    """Return the figure in words: the spread in each series."""
    said = []
    for group in fitted(evidence):
        values = [value for _, _, value in residuals(group)]
        said.append(f"{group.heading}: {min(values):+.4f} to {max(values):+.4f}")
    return f"Residuals of the fitted curve in nats per token. {'; '.join(said)}."


FIGURE = Figure(
    title="Residuals of the fit",
    section="Residuals",
    has_data=has_data,
    draw=draw,
    caption=caption,
    alt=alt,
    size=(5.0, 2.8),
)
