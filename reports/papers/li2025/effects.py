"""What besides the activation rate moves the losses of arXiv 2506.12119: granularity, tokens, learning rate, reuse."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from fits import curve
from fits.curve.effects import partial_effect
from fits.curve.least_squares import FittedCurve, fit_basis
from fits.intervals import t_quantile, t_test
from fits.laws.curve_basis import Powers
from planners.published.li2025.rows import Li2025Run
from planners.recipes import STEP_LAW
from reports.papers.li2025.study import Estimate, Li2025, coarse

ARMS = {"2B dense": (13, "2B"), "2B MoE": (10, "2B"), "3B dense": (13, "3B"), "3B MoE": (15, "3B"),
        "7B dense": (13, "7B"), "7B MoE": (12, "7B")}  # fmt: skip
"""Arms whose learning rates are compared with Step Law, the rule that the paper follows -> table and size."""


def coarse_effect(paper: Li2025) -> dict[str, Estimate]:
    """Return what coarse experts add at equal r_a, by series: one step beside the cubic."""
    names = [name for name, each in paper.series.items() if any(map(coarse, each.runs))]
    return {name: _step(paper.series[name].runs, coarse) for name in names}


def coarse_rows(paper: Li2025) -> tuple[tuple[str, Li2025Run, Estimate], ...]:
    """Return series, coarse run, and how far it lies above the curve of the fine-grained runs (95 %: for one run)."""
    found = []
    for name in coarse_effect(paper):
        fine = paper.series[f"{name}, fine"].fit
        for run in filter(coarse, paper.series[name].runs):
            mean, low, high = curve(fine, run.r_a)
            assert low is not None
            assert high is not None
            half = math.hypot(float(high[0] - low[0]) / 2, t_quantile(fine.dof) * (fine.residual_sd or 0))
            found.append((name, run, (run.bpc - float(mean[0]), half)))
    return tuple(found)


def coarse_ablations(paper: Li2025) -> tuple[tuple[int, str, float], ...]:
    """Return K, group, and loss of few large experts less that of many small ones (table 7, nats)."""
    table = [row for row in paper.ablations if row.table == 7]
    pairs = [
        (large, small) for large in table for small in table
        if large.group == small.group and large.setting == "coarse" and small.setting == "fine"
    ]  # fmt: skip
    return tuple((large.top_k or 0, large.group, large.loss - small.loss) for large, small in pairs)


def slopes(paper: Li2025) -> dict[float, Estimate]:
    """Return -dL / d ln D at 2B by rate (table 9), of the rates with three runs or more."""
    lines = {r_a: token_line(runs) for r_a, runs in _by_rate(paper).items()}
    return {r_a: _slope(line) for r_a, line in lines.items() if line is not None}


def token_line(runs: Sequence[Li2025Run], coefficients: int = 2) -> FittedCurve | None:
    """Return the polynomial in ln (D / 1e11) through the runs of one rate; none where no run is left to judge it by."""
    x, loss = np.log([run.D / 1e11 for run in runs]), np.array([run.bpc for run in runs])
    line = fit_basis(Powers(coefficients), x, loss, np.empty((len(runs), 0)))
    return line if line is not None and line.dof >= 1 else None


def bends(paper: Li2025) -> tuple[tuple[float, int, float], ...]:
    """Return rate, n, and the probability of a bend in ln D as strong where there is none (table 9)."""
    found = []
    for r_a, runs in _by_rate(paper).items():
        line = token_line(runs, 3)
        if line is not None:
            bend, error = (float(each[0]) for each in line.at(np.zeros(1), 2))
            found.append((r_a, len(runs), t_test(bend, error, line.dof)))
    return tuple(found)


def learning_rates(paper: Li2025) -> dict[str, list[tuple[Li2025Run, float]]]:
    """Return the runs of each arm with their learning rate over that of Step Law for their N and D.

    The table file has none for the 3B MoE runs; they have those of table 10 at equal D.
    """
    found = {}
    for arm, (table, size) in ARMS.items():
        rates = [(run, run.lr or _as_at_2b(paper, run.D)) for run in paper.of(table, size)]
        found[arm] = [(run, lr / STEP_LAW.lr(run.N, run.D)) for run, lr in rates]
    return found


def batches(paper: Li2025) -> dict[str, list[float]]:
    """Return the batches of each arm over those of Step Law for their D, where the table file has them."""
    arms = {arm: paper.of(table, size) for arm, (table, size) in ARMS.items()}
    known = {arm: [(run, run.batch_tokens) for run in runs if run.batch_tokens] for arm, runs in arms.items()}
    return {arm: [tokens / STEP_LAW.batch_tokens(run.D) for run, tokens in runs] for arm, runs in known.items()}


def fewer_tokens(paper: Li2025) -> tuple[tuple[float, float], ...]:
    """Return rate, and what 65B instead of 114B unique tokens add at 3B."""
    more = {run.r_a: run.bpc for run in paper.of(16)}
    return tuple((run.r_a, run.bpc - more[run.r_a]) for run in paper.of(15) if run.r_a in more)


def _as_at_2b(paper: Li2025, D: float) -> float:
    near = min(paper.of(10), key=lambda run: abs(math.log(run.D / D)))
    return float((near.lr or math.nan) * (D / near.D) ** STEP_LAW.lr_by_D)


def _by_rate(paper: Li2025) -> dict[float, list[Li2025Run]]:
    found: dict[float, list[Li2025Run]] = {}
    for run in paper.of(9):
        found.setdefault(run.r_a, []).append(run)
    return found


def _slope(line: FittedCurve) -> Estimate:
    slope, error = line.at(np.zeros(1), 1)
    return -float(slope[0]), line.t * float(error[0])


def _step(runs: Sequence[Li2025Run], of: Callable[[Li2025Run], bool]) -> Estimate:
    """Return how far the runs `of` lie above the cubic that all runs share otherwise, with half its 95 % interval."""
    x, loss = np.log([run.r_a for run in runs]), np.array([run.bpc for run in runs])
    return partial_effect(Powers(4), x, loss, np.array([float(of(run)) for run in runs]))
