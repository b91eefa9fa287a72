"""What else moves the losses of arXiv 2506.12119 along with the activation rate: granularity, tokens, learning rate."""

import math
from collections.abc import Sequence
from statistics import median

import numpy as np

from fits import curve
from fits.curve.effects import partial_effect
from fits.curve.least_squares import FittedCurve, fit_basis
from fits.intervals import t_test
from fits.laws.curve_basis import Powers
from planners.published.li2025.rows import Li2025Run
from planners.recipes import STEP_LAW
from reports.papers.li2025.study import Estimate, Li2025, is_coarse, run_noise

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
