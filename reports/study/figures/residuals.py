"""Residuals of the fitted curves against r_a; lines join the runs of a seed."""

from typing import TYPE_CHECKING, Any

from reports.page.figure import INK, REGION, SERIES, Figure, columns_of, key, panels
from reports.page.number_text import counted, percent
from reports.page.scales import log_axis
from reports.study.arm_series import Series, heading
from reports.study.evidence import Evidence
from reports.study.figures.activation import drawable

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw(evidence: Evidence, axes: "Axes") -> None:
    """Draw the loss less the fitted curve; a line joins the runs of a seed, which are one block."""
    groups = fitted(evidence)
    columns = columns_of(len(groups))
    cut = panels(axes, len(groups), columns=columns, height=1.5, sharex=True, sharey=True)
    seeds = sorted({seed for group in groups for seed, _, _ in residuals(group)})
    for group, panel in zip(groups, cut, strict=True):
        _panel(group, seeds, panel)
        if len(groups) > 1:
            panel.set_title(heading(group, groups))
        log_axis(panel, "x", [arm.spec.r_a for one in groups for arm in one.moe], percent)
        panel.tick_params(labelbottom=panel in cut[-columns:])
    for panel in cut[-columns:]:
        panel.set_xlabel("activation rate  r_a = N_a / N")
    canvas = cut[0].get_figure(root=True)
    assert canvas is not None
    canvas.supylabel("loss less fitted curve  (nats/token)", fontsize=9.5)
    key(cut, columns=4)


def fitted(evidence: Evidence) -> list[Series]:
    """Return the series with a curve that does not pass through every point."""
    return [one for one in evidence.series if one.fit and drawable(one.fit) and one.fit.dof > 0]


def residuals(group: Series) -> list[tuple[int, float, float]]:
    """Return (seed, r_a, loss less the fitted curve in nats per token) of each MoE run."""
    from fits.curve.fit_curve import curve

    assert group.fit is not None
    found = []
    for arm in group.moe:
        level = float(curve(group.fit, arm.spec.r_a)[0][0])
        found += [(r.spec.training.seed, arm.spec.r_a, r.loss - level) for r in arm.done if r.loss is not None]
    return found


def _panel(group: Series, seeds: list[int], axes: "Axes") -> None:
    assert group.fit is not None
    sd = group.fit.residual_sd
    axes.axhline(0, color=INK, linewidth=0.8, zorder=1)
    if sd is not None:
        axes.axhspan(-sd, sd, facecolor=REGION, linewidth=0, label="± 1 SD of the fit", gid="SD", zorder=0)
    found = residuals(group)
    for at, seed in enumerate(seeds):
        mark = SERIES[at % len(SERIES)]
        of_seed = [(rate, value) for of, rate, value in found if of == seed]
        x, y = [rate for rate, _ in of_seed], [value for _, value in of_seed]
        style: dict[str, Any] = {"color": mark.color, "linestyle": mark.line, "linewidth": 1, "marker": mark.marker}
        axes.plot(x, y, markersize=4.5, label=f"seed {seed}", gid=f"residuals {seed}", **style)


def has_data(evidence: Evidence) -> bool:
    """Return whether any curve was fitted to more runs than it has coefficients."""
    return bool(fitted(evidence))


def caption(evidence: Evidence) -> str:
    """Return what the figure shows, with n and source."""
    n = sum(len(residuals(group)) for group in fitted(evidence))
    blocks = any(group.fit.blocks for group in fitted(evidence) if group.fit)
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
