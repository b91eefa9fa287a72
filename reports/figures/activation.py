"""Validation loss against activation rate, with the fitted curve, its band, and what the fit says of the minimum."""

import math
from statistics import fmean
from typing import TYPE_CHECKING, Any

from planners.quantity import format_quantity
from reports.answer import optimum_sentence
from reports.evidence import Arm, Evidence, Fitted
from reports.figures.arms import marks, named
from reports.numerals import counted, flops, listed, nats, percent
from reports.style import FAINT, INK, Figure, Mark

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from fits.result import FitResult, Optimum

TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
MORE_TICKS = (0.01, 0.015, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0)
POINTS = 200
Dashes = tuple[int, tuple[float, ...]]
DASHES: tuple[Dashes, ...] = ((0, (4, 3)), (0, (1, 1.5)), (0, (6, 2, 1, 2)), (0, (9, 2)))
"""Lines of the budgets, in their order."""
CROWDED = 0.13
"""Distance in ln r_a below which the names of two arms would touch."""
FOOT = 0.05
"""Height at which the interval of the minimum is drawn, as a share of the axes: below the curve, where nothing is."""


def draw(evidence: Evidence, axes: "Axes") -> None:
    """Draw loss against r_a: one open marker a run, means filled where there are seeds, dense as a line."""
    drawn = [arm for arm in evidence.arms if arm.done]
    several = len(evidence.budgets) > 1
    for row, fit in enumerate(evidence.answering):
        _fit(fit, axes, row if len(evidence.answering) > 1 else None)
    for index, C in enumerate(evidence.budgets):
        line = DASHES[index % len(DASHES)]
        for arm in (arm for arm in evidence.at(C) if arm.done):
            _arm(arm, marks(evidence)[arm.name], line, axes)
        if several and not evidence.answering:
            _join(evidence, C, line, axes)
    _labels([arm for arm in evidence.at(evidence.budgets[0]) if arm.done and not arm.is_dense], axes)
    _axes(evidence, drawn, axes)
    _second_axis(evidence, axes)
    handles = {label: handle for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    axes.legend(handles.values(), handles, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, handlelength=2.6)


def _arm(arm: Arm, mark: Mark, line: Dashes, axes: "Axes") -> None:
    """Draw the runs of an arm and, where there are several, their mean; a dense arm also as a line."""
    r_a, losses = arm.spec.r_a, [record.loss for record in arm.done if record.loss is not None]
    mean, one = fmean(losses), len(losses) == 1
    point: dict[str, Any] = {"linestyle": "none", "marker": mark.marker, "color": mark.color, "zorder": 4}
    face = mark.color if one else "none"
    axes.plot(
        [r_a] * len(losses), losses, markerfacecolor=face, markersize=7 if one else 5, gid=f"runs {arm.label}", **point
    )
    if not one:
        bar = {**point, "marker": "_", "markersize": 16, "markeredgewidth": 2.2, "zorder": 5}
        axes.plot([r_a], [mean], gid=f"mean {arm.label}", **bar)
    if arm.is_dense:
        axes.axhline(mean, color=mark.color, linewidth=1, linestyle=line, label=arm.label, zorder=2)


def _labels(arms: list[Arm], axes: "Axes") -> None:
    """Write the name of each arm above its highest run, or below its lowest where the neighbour's name stands above."""
    above: Arm | None = None
    for arm in sorted(arms, key=lambda arm: arm.spec.r_a):
        crowded = above is not None and math.log(arm.spec.r_a / above.spec.r_a) < CROWDED
        _label(arm, axes, below=crowded)
        above = above if crowded else arm


def _label(arm: Arm, axes: "Axes", *, below: bool) -> None:
    from matplotlib.patheffects import withStroke

    losses = [record.loss for record in arm.done if record.loss is not None]
    axes.annotate(
        named(arm, 14), (arm.spec.r_a, min(losses) if below else max(losses)), xytext=(0, -7 if below else 7),
        textcoords="offset points", ha="center", va="top" if below else "bottom", zorder=6,
        path_effects=[withStroke(linewidth=3, foreground="white")],
    )  # fmt: skip


def _join(evidence: Evidence, C: float, line: Dashes, axes: "Axes") -> None:
    """Join the MoE means of one budget, so that budgets can be told apart."""
    means = sorted((arm.spec.r_a, mean) for arm in evidence.at(C) if not arm.is_dense and (mean := arm.mean("loss")))
    rates, losses = [rate for rate, _ in means], [loss for _, loss in means]
    axes.plot(rates, losses, color=FAINT, linewidth=1, linestyle=line, label=f"MoE at C {flops(C)}", zorder=2)


def _fit(fitted: Fitted, axes: "Axes", row: int | None) -> None:
    """Draw a fitted curve with its band and its minimum; `row` is set where there are several, one for each budget."""
    fit, name = fitted.result, fitted.result.law if row is None else fitted.name
    if not drawable(fit):
        return
    import numpy as np

    from fits.curves import curve

    r_a = np.geomspace(fit.domain["r_a"][0], fit.domain["r_a"][1], POINTS)
    loss, low, high = curve(fit, r_a)
    if low is None or high is None:
        label = f"{name}: {counted(fit.n, 'run')}, {len(fit.params)} coefficients:\npasses through every point"
        axes.plot(r_a, loss, color=FAINT, linestyle=(0, (2, 2)), label=label, gid="fit", zorder=3)
        return
    axes.fill_between(r_a, low, high, color="#9bb7cf", alpha=0.45, linewidth=0, label="95 % band", zorder=1)
    axes.plot(r_a, loss, color=INK, linewidth=1.4, label=f"{name} fit, {counted(fit.n, 'run')}", gid="fit", zorder=3)
    if fit.optimum is not None and fit.optimum.value is not None:
        if row is None:
            _region(fit.optimum, fit.domain["r_a"], axes)
        _minimum(fit.optimum, fit.optimum.value, fit.domain["r_a"], FOOT * (1 + (row or 0)), axes)


def drawable(fit: "FitResult") -> bool:
    """Whether the fit is a curve of r_a with coefficients."""
    known = all(param.value is not None for param in fit.params.values())
    return set(fit.domain) == {"r_a"} and known and fit.domain["r_a"][0] < fit.domain["r_a"][1]


def _region(optimum: "Optimum", sampled: tuple[float, ...], axes: "Axes") -> None:
    """Shade the rates that do as well as the minimum."""
    if optimum.region is not None:
        low, high = (end if end is not None else edge for end, edge in zip(optimum.region, sampled, strict=True))
        label = f"within {optimum.margin:g} nats of the minimum"
        axes.axvspan(low, high, facecolor="#f3e3b3", alpha=0.6, linewidth=0, label=label, zorder=0)


def _minimum(optimum: "Optimum", value: float, sampled: tuple[float, ...], height: float, axes: "Axes") -> None:
    """Draw the minimum with its interval at `height`, a share of the axes; an open end is an arrow."""
    low, high = (end if end is not None else edge for end, edge in zip((optimum.lo, optimum.hi), sampled, strict=True))
    foot: dict[str, Any] = {"transform": axes.get_xaxis_transform(), "color": INK, "zorder": 7}
    axes.plot([low, high], [height, height], linewidth=2, gid="interval", **foot)
    for x, marker in ((low, "<" if optimum.lo is None else "|"), (high, ">" if optimum.hi is None else "|")):
        axes.plot([x], [height], linestyle="none", marker=marker, markeredgewidth=2, **foot)
    star = {"marker": "*", "markersize": 12, "label": "minimum, 95 % interval", "gid": "optimum", **foot}
    axes.plot([value], [height], linestyle="-", linewidth=2, **star)


def _axes(evidence: Evidence, drawn: list[Arm], axes: "Axes") -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    rates = [arm.spec.r_a for arm in drawn]
    low, high = min(rates) / 1.3, max(rates) * 1.3
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    ticks = [tick for tick in TICKS if low <= tick <= high]
    if len(ticks) < 3:
        ticks = [tick for tick in MORE_TICKS if low <= tick <= high]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda tick, _: percent(tick)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.margins(y=0.18)
    axes.set_xlabel("activation rate  r_a = N_a / N")
    axes.set_ylabel("validation loss  (nats/token)")


def _second_axis(evidence: Evidence, axes: "Axes") -> None:
    """Add bits per byte on the right where one factor converts every run."""
    factors = [r.bpb / r.loss for arm in evidence.arms for r in arm.done if r.loss and r.bpb is not None]
    if not factors or max(factors) - min(factors) > 1e-6 * max(factors):
        return
    factor = factors[0]

    def bpb(loss: Any) -> Any:
        return loss * factor

    def loss(bpb: Any) -> Any:
        return bpb / factor

    right = axes.secondary_yaxis("right", functions=(bpb, loss))
    right.set_ylabel("bits per byte")


def caption(evidence: Evidence) -> str:
    """Return what the figure shows, with n, budget, convention and source."""
    question = evidence.question
    n = sum(len(arm.done) for arm in evidence.arms)
    N, C = listed(map(format_quantity, evidence.totals)), listed(map(flops, question.budgets or evidence.budgets))
    at = f"N ≈ {N} and C ≈ {C} FLOPs"
    seeds = "Open markers are runs, bars their mean. " if len(evidence.seeds) > 1 else "One marker is one run. "
    return (
        f"Final validation loss against activation rate (log axis) at {at} ({question.flops_convention} convention) on "
        f"{evidence.corpus}. {seeds}The dense arm (another shape of the same N) is the dashed line. {_curve(evidence)}"
        f"n = {counted(n, 'run')}, {evidence.source}."
    )


def _curve(evidence: Evidence) -> str:
    fits = [fitted.result for fitted in evidence.answering]
    if not any(map(drawable, fits)):
        return "No curve: the fit has no coefficients. " if fits else "No curve: nothing is fitted. "
    fit = fits[0]
    if fit.covariance is None:
        return (
            f"The {fit.law} has {len(fit.params)} coefficients for {counted(fit.n, 'run')}: it passes through every "
            "point, and its shape is no evidence of an optimum. "
        )
    return f"The {fit.law} in ln r_a is fitted to the MoE runs; the band is the 95 % interval of the mean curve. "


def alt(evidence: Evidence) -> str:
    """Return the figure in words, arm by arm."""
    arms = [(arm, loss) for arm in evidence.arms if (loss := arm.mean("loss")) is not None]
    points = "; ".join(f"{arm.label} at {percent(arm.spec.r_a)}: {nats(loss)}" for arm, loss in arms)
    return f"Validation loss in nats per token against activation rate. {points}. {optimum_sentence(evidence)}"


def has_data(evidence: Evidence) -> bool:
    """Whether any run has a loss."""
    return any(arm.done for arm in evidence.arms)


FIGURE = Figure(
    title="Loss against activation rate", of="study", has_data=has_data, draw=draw, caption=caption, alt=alt
)
