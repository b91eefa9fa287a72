"""IsoFLOP analysis (approach 2 of arXiv 2203.15556): the best N of each budget, and how it grows with C.

Each budget gives a parabola of the loss in ln N. Its minimum is N_opt, and D_opt is what is left of C. The exponents of
N_opt = G C^a and D_opt = H C^b are a weighted line through ln N_opt; next to them stand those of a law of N and D
(approach 3) fitted to the same runs.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from fits.curve.curve_of_fit import curve
from fits.f_test import f_tail
from fits.intervals import TEST_LEVEL, percentile, t_quantile
from fits.laws import LAWS
from fits.laws.law import Law
from fits.result import FitResult
from fits.runs.select_arms import with_compute
from fits.runs.table import Floats, RunTable
from fits.surface.fit_surface import fit_surface
from planners.records.quantity import format_flops

PARABOLA = "quadratic"
"""The curve of approach 2."""
LAW = "chinchilla"
"""The law of approach 3."""
OFF_CENTRE = 0.5
"""Distance of a minimum from the middle of the sampled ln N, in half ranges, above which a parabola is biased."""
FLOPS = 6.0
"""Training FLOPs per parameter and token, where the table does not say: C = 6 N D."""


@dataclass(frozen=True, kw_only=True)
class Budget:
    """The parabola of one budget."""

    C: float
    """Training compute in FLOPs."""
    n: int
    """Number of its runs."""
    N: float | None = None
    """Parameters of lowest loss; null where the runs do not enclose it."""
    lo: float | None = None
    """Lower end of the 95 % interval of N; null if it is open."""
    hi: float | None = None
    """Upper end of the 95 % interval of N; null if it is open."""
    D: float | None = None
    """Tokens of lowest loss."""
    loss: float | None = None
    """Loss there, in the unit of the table."""
    edge: str | None = None
    """low or high if the loss is lowest at that end of the sampled N; null otherwise."""
    off_centre: float | None = None
    """Where N lies between the middle (0) and the ends (-1 and 1) of the sampled ln N."""
    cubic: float | None = None
    """Parameters of lowest loss by a cubic, for comparison; null where it gives none."""
    misfit: float | None = None
    """p of the test whether the parabola misses the mean losses; null if the runs do not allow it."""


@dataclass(frozen=True, kw_only=True)
class Exponents:
    """The exponents of N_opt and D_opt in C. They add up to 1."""

    approach: str
    """How they were found."""
    N: float
    """Exponent a of N_opt = G C^a."""
    D: float
    """Exponent b of D_opt = H C^b."""
    N_ends: tuple[float, float] | None = None
    """95 % interval of a; null if there is none."""
    D_ends: tuple[float, float] | None = None
    """95 % interval of b."""


@dataclass(frozen=True, kw_only=True)
class Isoflop:
    """The parabolas of all budgets, and the exponents by two approaches."""

    budgets: tuple[Budget, ...]
    """The budgets, smallest first."""
    exponents: tuple[Exponents, ...] = ()
    """By the parabolas (approach 2), then by a law of N and D on the same runs (approach 3), where each has some."""
    factor: float | None = None
    """G of N_opt = G C^a by approach 2."""
    per_token: float
    """Median of C / (N D) in the runs: FLOPs per parameter and token."""
    notes: tuple[str, ...] = ()
    """What else a reader must know, one sentence each."""


def isoflop(table: RunTable, fits: Sequence[FitResult], *, bootstrap: int = 0, seed: int = 0) -> Isoflop | None:
    """Return the analysis of `table`, whose budgets have the parabolas `fits`; None without any.

    `bootstrap` draws give the interval of approach 3. Raises UsageError for a table without N.
    """
    table = with_compute(replace(table, over="N"))
    parabolas = [fit for fit in fits if fit.law == PARABOLA and fit.domain.get("N")]
    if not parabolas or not table.has("C"):
        return None
    per_token, computed = _per_token(table)
    parts = table.by_budget()
    pairs = sorted(((_of(fit, parts), fit) for fit in parabolas), key=lambda pair: pair[0])
    budgets = tuple(_budget(fit, C, per_token) for C, fit in pairs)
    line, notes = _line([fit for _, fit in pairs], budgets)
    law = _law(table, per_token, bootstrap, seed)
    notes += [f"D was computed as C / ({per_token:g} N), because the table has no column D"] if computed else []
    exponents = tuple(each for each in (line and line[0], law) if each)
    factor = line[1] if line else None
    notes += _warnings(budgets)
    return Isoflop(budgets=budgets, exponents=exponents, factor=factor, per_token=per_token, notes=tuple(notes))


def _of(fit: FitResult, parts: dict[float, RunTable]) -> float:
    """Return the budget of a fit: the median C of its runs."""
    stated = fit.series.C if fit.series and fit.series.C else None
    return min(parts, key=lambda C: abs(math.log(C / stated))) if stated else float(np.median(list(parts)))


def _per_token(table: RunTable) -> tuple[float, bool]:
    """Return FLOPs per parameter and token, and whether they were assumed."""
    if not table.has("D"):
        return FLOPS, True
    return float(np.median(table.numbers("C") / table.numbers("N") / table.numbers("D"))), False


def _budget(fit: FitResult, C: float, per_token: float) -> Budget:
    optimum, (low, high) = fit.optimum, np.log(fit.domain["N"])
    assert optimum is not None
    N = _vertex(fit)
    row = {row.law: row for row in fit.sensitivity}
    cubic, own = row.get("cubic"), row.get(PARABOLA)
    return Budget(
        C=C,
        n=fit.n,
        N=N,
        lo=optimum.lo,
        hi=optimum.hi,
        D=None if N is None else C / (per_token * N),
        loss=None if N is None else float(curve(fit, N)[0][0]),
        edge=optimum.edge if N is None else None,
        off_centre=None if N is None else float((math.log(N) - (low + high) / 2) / ((high - low) / 2)),
        cubic=cubic.value if cubic else None,
        misfit=own.misfit if own else None,
    )


def _vertex(fit: FitResult) -> float | None:
    """Return the N of the minimum of a parabola; None where it does not lie between the sampled sizes."""
    _, tilt, bend = (param.value for param in fit.params.values())
    if tilt is None or not bend or bend < 0:
        return None
    N = math.exp(min(-tilt / (2 * bend), 700.0))
    return N if fit.domain["N"][0] < N < fit.domain["N"][-1] else None


def _line(fits: Sequence[FitResult], budgets: Sequence[Budget]) -> tuple[tuple[Exponents, float] | None, list[str]]:
    """Return the exponents of approach 2 with G, from a line through ln N_opt, and notes.

    A budget weighs by the variance of its minimum, which follows from the shape of its parabola and one noise for all.
    """
    known = [(fit, each) for fit, each in zip(fits, budgets, strict=True) if each.N]
    if len(known) < 2:
        return None, [f"{len(known)} of {len(budgets)} budgets have a minimum, too few for exponents"]
    x, y = np.log([each.C for _, each in known]), np.log([each.N or math.nan for _, each in known])
    variances, noise, dof = _variances([fit for fit, _ in known])
    weights, design = 1 / variances, np.column_stack([np.ones_like(x), x - x.mean()])
    inverse = np.linalg.inv(design.T @ (design * weights[:, None]))
    level, a = inverse @ (design.T @ (weights * y))
    misses = float(weights @ (y - design @ np.array([level, a])) ** 2)
    scale, dof, notes = _scale(misses, len(known) - 2, noise, dof)
    half = t_quantile(dof) * math.sqrt(scale * inverse[1, 1]) if dof > 0 else math.nan
    ends = None if math.isnan(half) else (float(a - half), float(a + half))
    return (_exponents("approach 2, parabolas", float(a), ends), float(math.exp(level - a * x.mean()))), notes


def _variances(fits: Sequence[FitResult]) -> tuple[Floats, float, int]:
    """Return the variance of each ln N_opt in units of the noise, that noise (variance of a loss), and its dof."""
    squares, dof, found = 0.0, 0, []
    for fit in fits:
        values = [param.value or 0.0 for param in fit.params.values()]
        _, tilt, bend = values
        gradient = np.array([0.0, -1 / (2 * bend), tilt / (2 * bend**2)])
        own = (fit.residual_sd or 0.0) ** 2
        squares, dof = squares + own * fit.dof, dof + fit.dof
        found.append(
            float(gradient @ np.array(fit.covariance) @ gradient) / own if fit.covariance and own else math.nan
        )
    known = np.array(found)
    typical = np.nanmedian(known) if np.isfinite(known).any() else 1.0
    return np.where(np.isfinite(known), known, typical), squares / dof if dof else 0.0, dof


def _scale(misses: float, between: int, noise: float, within: int) -> tuple[float, int, list[str]]:
    """Return the variance of a loss for the interval of the line, its dof, and a note.

    It pools the scatter of the minima about the line with that of the runs about their parabolas, unless the former
    is larger by an F test: then only it counts.
    """
    if between <= 0:
        return noise, within, []
    if not within or not noise or f_tail(misses / between / noise, between, within) < TEST_LEVEL:
        text = "the minima scatter about the line by more than the noise of their runs says; its interval allows for it"
        return misses / between, between, [text] if within and noise else []
    return (misses + noise * within) / (between + within), between + within, []


def _exponents(approach: str, a: float, ends: tuple[float, float] | None) -> Exponents:
    other = None if ends is None else (1 - ends[1], 1 - ends[0])
    return Exponents(approach=approach, N=a, D=1 - a, N_ends=ends, D_ends=other)


def _law(table: RunTable, per_token: float, bootstrap: int, seed: int) -> Exponents | None:
    """Return the exponents of approach 3: beta / (alpha + beta) for N; None where the law is not determined."""
    law = LAWS[LAW]
    assert isinstance(law, Law)
    if not table.has("D"):
        D = table.numbers("C") / (per_token * table.numbers("N"))
        table = replace(table, frame=table.frame.assign(D=D))
    fit, draws = fit_surface(table, law, delta=law.delta, bootstrap=bootstrap, seed=seed)
    alpha, beta = fit.params["alpha"].value, fit.params["beta"].value
    if alpha is None or beta is None or alpha + beta <= 0:
        return None
    ends = None
    if draws is not None:
        at = [draws.parameters.index(name) for name in ("alpha", "beta")]
        drawn = draws.values[:, at]
        ends = percentile(drawn[:, 1] / drawn.sum(axis=1), draws.level)
    return _exponents("approach 3, law of N and D", beta / (alpha + beta), ends)


def _warnings(budgets: Sequence[Budget]) -> list[str]:
    """Return a note on budgets whose minimum is at an end of the sampled N, and on those that are off-centre."""
    edges = [f"{format_flops(each.C)} ({each.edge} end)" for each in budgets if each.edge]
    biased = [f"{format_flops(each.C)} ({each.off_centre:+.2f})" for each in budgets if _is_off_centre(each)]
    missed = [format_flops(each.C) for each in budgets if each.misfit is not None and each.misfit < TEST_LEVEL]
    notes = []
    if missed:
        notes.append(
            f"the parabola misses the losses at C = {', '.join(missed)}; sample fewer sizes far from the minimum"
        )
    if edges:
        notes.append(
            f"lowest at an end of the sampled N, so not in the exponents: C = {', '.join(edges)}; add sizes there"
        )
    if biased:
        text = f"the minimum is far from the middle of the sampled N at C = {', '.join(biased)}"
        notes.append(
            f"{text}: a parabola is biased there (arXiv 2603.22339); compare the cubic, and add sizes beyond it"
        )
    return notes


def _is_off_centre(budget: Budget) -> bool:
    return budget.edge is None and budget.off_centre is not None and abs(budget.off_centre) > OFF_CENTRE
