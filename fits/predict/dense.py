"""The loss of a dense model at the N and C of a prediction, from the dense arms of equal N."""

import numpy as np

from fits.runs.same_budget import BUDGET_TOLERANCE, groups_of
from fits.runs.table import Floats
from fits.surface.fitted_law import FittedLaw

SEED = 0
"""Seed of the sampling noise of the dense means."""


def dense_loss(fitted: FittedLaw, thetas: Floats, N: float, C: float, *, drawn: bool) -> Floats | None:
    """Return the loss of a dense model, shape (B,), for B parameter vectors of an activation law; None if unknown.

    It is E + b C^-beta through the mean losses of the dense arms of that N, with the E of each parameter vector; with
    one budget it is known at that budget alone. `drawn` adds the sampling noise of the means.
    """
    table = fitted.table
    if "E" not in fitted.law.parameters or not table.has("C") or not table.has("N") or not table.has("r_a"):
        return None
    dense = table.only((table.rates() > 1 - 1e-9) & (np.abs(table.numbers("N") / N - 1) <= BUDGET_TOLERANCE))
    if not len(dense):
        return None
    groups, losses = groups_of(dense.numbers("C")), dense.numbers("loss")
    means = np.array([losses[groups == group].mean() for group in np.unique(groups)])
    budgets = np.array([np.median(dense.numbers("C")[groups == group]) for group in np.unique(groups)])
    noise = np.zeros((len(thetas), len(means)))
    dof = len(losses) - len(means)
    if drawn and dof > 0:
        sd = np.sqrt(np.sum((losses - means[np.searchsorted(np.unique(groups), groups)]) ** 2) / dof)
        count = np.array([np.sum(groups == group) for group in np.unique(groups)])
        noise = np.random.default_rng(SEED).standard_t(dof, noise.shape) * sd / np.sqrt(count)
    if len(means) == 1:
        near = abs(np.log(C / budgets[0])) <= BUDGET_TOLERANCE
        return (means + noise)[:, 0] if near else None
    floor = np.exp(thetas[:, fitted.law.parameters.index("E")])
    with np.errstate(invalid="ignore"):
        height = np.log(means + noise - floor[:, None])
    x = np.log(budgets) - np.log(budgets).mean()
    gradient = height @ x / (x @ x)
    return np.asarray(floor + np.exp(height.mean(axis=1) + gradient * (np.log(C) - np.log(budgets).mean())))
