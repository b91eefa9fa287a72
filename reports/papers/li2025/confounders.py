"""What else moves the losses of arXiv 2506.12119 with the rate: granularity, tokens, learning rate; and two figures."""

import math
from collections.abc import Sequence
from statistics import median
from typing import Any

import numpy as np

from fits import curve
from fits.curve.effects import partial_effect
from fits.curve.least_squares import FittedCurve, fit_basis
from fits.intervals import t_test
from fits.laws.curve_basis import Powers
from planners.published.li2025.rows import Li2025Run
from planners.recipes import STEP_LAW
from reports.page.figure import INK, QUIET, SERIES, Axes, Figure, log_axis, points
from reports.page.number_text import listed, percent
from reports.papers.estimate_text import loss_difference
from reports.papers.figure_parts import label_axes
from reports.papers.li2025.study import LEARNING_RATES, REUSE, Estimate, Li2025, is_coarse, run_noise

ARMS = {
    f"{scale} {kind}": (table, scale)
    for scale, moe in (("2B", 10), ("3B", 15), ("7B", 12))
    for kind, table in (("dense", 13), ("MoE", moe))
}
"""Arms whose learning rates are compared with Step Law, the rule that the paper states -> table and size."""
TOKENS = 1e11
"""Unit of D in the lines of loss on ln D, tokens."""


def coarse_step(paper: Li2025) -> dict[str, Estimate]:
    """Return what coarse-grained experts add at equal r_a, by series, as one step added to the cubic."""
    found = {}
    for name, series in paper.series.items():
        coarse = np.array([float(is_coarse(run)) for run in series.runs])
        if coarse.any():
            x, loss = np.log([run.r_a for run in series.runs]), np.array([run.bpc for run in series.runs])
            found[name] = partial_effect(Powers(4), x, loss, coarse)
    return found


def coarse_residuals(paper: Li2025) -> tuple[tuple[str, Li2025Run, Estimate], ...]:
    """Return each coarse-grained run with its series and its loss less the curve of the fine-grained runs.

    The interval is that of one more run.
    """
    found = []
    for name in coarse_step(paper):
        fine = paper.series[f"{name}, fine"].fit
        for run in filter(is_coarse, paper.series[name].runs):
            mean, low, high = curve(fine, run.r_a)
            assert low is not None
            assert high is not None
            half = math.hypot(float(high[0] - low[0]) / 2, run_noise(fine))
            found.append((name, run, (run.bpc - float(mean[0]), half)))
    return tuple(found)


def coarse_ablations(paper: Li2025) -> tuple[tuple[int, str, float], ...]:
    """Return K, group, and loss with few large experts less that with many small ones (table 7, nats)."""
    table = [row for row in paper.ablations if row.table == 7]
    large, small = ({row.group: row for row in table if row.setting == setting} for setting in ("coarse", "fine"))
    return tuple(
        (row.top_k or 0, group, row.loss - small[group].loss) for group, row in large.items() if group in small
    )


def runs_by_rate(paper: Li2025) -> dict[float, list[Li2025Run]]:
    """Return the 2B runs of table 9, where D varies at a fixed rate, by rate."""
    rates = dict.fromkeys(run.r_a for run in paper.of(9))
    return {r_a: [run for run in paper.of(9) if run.r_a == r_a] for r_a in rates}


def token_curve(runs: Sequence[Li2025Run], coefficients: int = 2) -> FittedCurve | None:
    """Return the polynomial in ln (D / 1e11) through the runs of one rate; null where no degree of freedom is left."""
    x, loss = np.log([run.D / TOKENS for run in runs]), np.array([run.bpc for run in runs])
    line = fit_basis(Powers(coefficients), x, loss, np.empty((len(runs), 0)))
    return line if line is not None and line.dof >= 1 else None


def token_gradients(paper: Li2025) -> dict[float, Estimate]:
    """Return dL / d ln D at 2B by rate (table 9), for the rates with three runs or more."""
    found = {}
    for r_a, runs in runs_by_rate(paper).items():
        line = token_curve(runs)
        if line is not None:
            slope, error = line.at(np.zeros(1), 1)
            found[r_a] = float(slope[0]), line.t * float(error[0])
    return found


def token_bends(paper: Li2025) -> tuple[tuple[float, int, float], ...]:
    """Return rate, n, and the p value of the bend of the loss in ln D (table 9)."""
    found = []
    for r_a, runs in runs_by_rate(paper).items():
        line = token_curve(runs, 3)
        if line is not None:
            bend, error = (float(each[0]) for each in line.at(np.zeros(1), 2))
            found.append((r_a, len(runs), t_test(bend, error, line.dof)))
    return tuple(found)


def learning_rates(paper: Li2025) -> dict[str, list[tuple[Li2025Run, float]]]:
    """Return the runs of each arm with their learning rate over that of Step Law for their N and D.

    The table file has no learning rates for the 3B MoE runs; they are taken to have those of table 10 at equal D.
    """
    found = {}
    for arm, (table, size) in ARMS.items():
        rates = [(run, run.lr or _as_at_2b(paper, run.D)) for run in paper.of(table, size)]
        found[arm] = [(run, lr / STEP_LAW.lr(run.N, run.D)) for run, lr in rates]
    return found


def _as_at_2b(paper: Li2025, D: float) -> float:
    near = min(paper.of(10), key=lambda run: abs(math.log(run.D / D)))
    return float((near.lr or math.nan) * (D / near.D) ** STEP_LAW.lr_by_D)


def median_learning_rates(paper: Li2025) -> dict[str, float]:
    """Return the median learning rate of each arm over that of Step Law."""
    return {arm: median(ratio for _, ratio in runs) for arm, runs in learning_rates(paper).items()}


def moe_over_dense_learning_rate(paper: Li2025) -> dict[str, float]:
    """Return, by size, the learning rate of MoE over that of dense, both relative to Step Law."""
    ratio = median_learning_rates(paper)
    return {scale: ratio[f"{scale} MoE"] / ratio[f"{scale} dense"] for scale in paper.main}


def batches(paper: Li2025) -> dict[str, list[float]]:
    """Return the batches of each arm over those of Step Law for their D, where the table file has them."""
    arms = {arm: paper.of(table, size) for arm, (table, size) in ARMS.items()}
    known = {arm: [(run, run.batch_tokens) for run in runs if run.batch_tokens] for arm, runs in arms.items()}
    return {arm: [tokens / STEP_LAW.batch_tokens(run.D) for run, tokens in runs] for arm, runs in known.items()}


def fewer_tokens(paper: Li2025) -> tuple[tuple[float, float], ...]:
    """Return rate, and what 65B instead of 114B unique tokens add to the loss at 3B."""
    more = {run.r_a: run.bpc for run in paper.of(16)}
    return tuple((run.r_a, run.bpc - more[run.r_a]) for run in paper.of(15) if run.r_a in more)


SCHEMES = {"strict": "68B tokens, repeated", "loose": "two epochs"}
"""Way of using data -> its legend."""
POINTS = 100


def draw_reuse(paper: Li2025, axes: Axes) -> None:
    """Draw repeated less fresh against epochs, with the fitted cost of the strict runs and the margin."""
    strict = paper.reuse["strict"]
    cost, most, color = strict.costs[0], max(pair.epochs for pair in strict.pairs), SERIES[1].color
    epochs = np.linspace(1, most, POINTS)
    growth = (epochs - 1) ** 2 / (2 * epochs)
    axes.axhline(0, color=INK, linewidth=1)
    axes.axhline(paper.margin("7B"), color=QUIET, linewidth=1, linestyle=(0, (4, 3)), label="what 5 % of C is worth")
    axes.plot(epochs, cost.value * growth, color=color, linewidth=1.4, gid="cost", label="fitted cost, 95 %")
    if cost.lo is not None and cost.hi is not None:
        axes.fill_between(epochs, cost.lo * growth, cost.hi * growth, color=color, alpha=0.14, linewidth=0)
    for (scheme, label), mark in zip(SCHEMES.items(), SERIES[1:3], strict=True):
        x, y = zip(*((pair.epochs, pair.excess) for pair in paper.reuse[scheme].pairs), strict=True)
        points(axes, x, y, mark, 7, label=label, zorder=5, gid=scheme)
    for at, pair in enumerate(sorted(strict.pairs, key=lambda pair: pair.epochs)):
        # neighbours have nearly equal epochs, so their labels alternate
        place: dict[str, Any] = {"xytext": (0, 6), "va": "bottom"} if at % 2 else {"xytext": (0, -7), "va": "top"}
        text = percent(pair.r_a or 0)
        axes.annotate(text, (pair.epochs, pair.excess), fontsize=8, textcoords="offset points", ha="center", **place)
    axes.set_xlim(0.8, most * 1.06)
    axes.margins(y=0.15)
    label_axes(axes, "epochs  D / U", "repeated less fresh  (bits per character)", handlelength=2.2)


def caption_reuse(paper: Li2025) -> str:
    """Return what the figure of repeated data shows."""
    strict, loose = paper.reuse["strict"], paper.reuse["loose"]
    below = sum(pair.excess < 0 for pair in loose.pairs)
    return (
        "Each marker is one 7B run on repeated data less its twin on fresh data (tables 14 and 17 less 12), labelled "
        "by rate. Line: cost (epochs − 1)² / (2 epochs), to first order the effective tokens of arXiv 2305.16264, "
        f"fitted to the {len(strict.pairs)} strict runs. {below} of {len(loose.pairs)} runs with two epochs lie below "
        "fresh data. Repetition cannot do that: it shows the size of the noise. One seed."
    )


def alt_reuse(paper: Li2025) -> str:
    """Return the figure of repeated data in words."""
    parts = [
        f"{label}: "
        + ", ".join(f"{loss_difference(pair.excess)} at {pair.epochs:.1f} epochs" for pair in paper.reuse[name].pairs)
        for name, label in SCHEMES.items()
    ]
    return f"Loss on repeated data less loss on fresh data, bits per character, against epochs. {'; '.join(parts)}."


def draw_learning_rates(paper: Li2025, axes: Axes) -> None:
    """Draw learning rate and batch over those of Step Law, one row for each arm."""
    rates, sizes = learning_rates(paper), batches(paper)
    axes.axvline(1, color=INK, linewidth=1)
    for row, arm in enumerate(rates):
        lr, batch = [ratio for _, ratio in rates[arm]], sizes.get(arm, [])
        for values, mark, shift, name in ((lr, SERIES[0], -0.15, "learning rate"), (batch, SERIES[1], 0.15, "batch")):
            style: dict[str, Any] = {"gid": f"{name} {arm}", "label": None if row else name, "markerfacecolor": "none"}
            points(axes, values, [row + shift] * len(values), mark, 6, **style)
    log_axis(axes, "x", (0.7, 3.0), "{:g}".format, room=1.05)
    axes.set_yticks(range(len(rates)), list(rates))
    axes.set_ylim(len(rates) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    label_axes(axes, "used in the paper / Step Law for its N and D", handlelength=2.0)


def caption_learning_rates(paper: Li2025) -> str:
    """Return what the figure of learning rates shows."""
    n, law = sum(map(len, learning_rates(paper).values())), STEP_LAW
    return (
        f"Peak learning rate and batch of each run over {law.lr_scale:g} N^{law.lr_by_N:g} D^{law.lr_by_D:g} and "
        f"{law.batch_scale:g} D^{law.batch_by_D:g} tokens (arXiv 2503.04715), N all parameters without vocabulary. The "
        "3B MoE runs are taken to have the rates of table 10 at equal D, and their batches are not known. "
        f"n = {n} runs of tables 10, 12, 13 and 15."
    ).replace("^-", "^−")


def alt_learning_rates(paper: Li2025) -> str:
    """Return the figure of learning rates in words."""
    shown = listed(f"{arm} {ratio:.2f}" for arm, ratio in median_learning_rates(paper).items())
    return f"Learning rate used over that of Step Law, median by arm: {shown}."


REUSE_FIGURE = Figure(
    title="What repeated data cost at 7B", section=REUSE, draw=draw_reuse, caption=caption_reuse, alt=alt_reuse
)
LEARNING_RATE_FIGURE = Figure(
    title="Learning rates against the stated rule",
    section=LEARNING_RATES,
    draw=draw_learning_rates,
    caption=caption_learning_rates,
    alt=alt_learning_rates,
    size=(5.0, 3.2),
)
