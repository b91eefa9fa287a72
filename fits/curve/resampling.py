"""Bootstrap of a curve at few runs: new losses from its own residuals, with the leverage of each run put right.

At a dozen runs these intervals cover 92 to 93 % where the inverted test covers 95 %; they stand beside it as a check
against noise that differs between runs (wild) or is not normal (residual). A. C. Davison and D. V. Hinkley, Bootstrap
Methods and their Application, 1997, 6.2; C. F. J. Wu, Ann. Stat. 14 (1986) 1261.
"""

import math
from dataclasses import dataclass

import numpy as np

from fits.curve.least_squares import CurveData, FittedCurve
from fits.intervals import LEVEL
from fits.laws.curve_basis import Powers
from fits.runs.table import Floats
from fits.surface.bootstrap import Draws
from planners.records.errors import UsageError

KINDS = ("residual", "wild")


@dataclass(frozen=True, kw_only=True)
class Resampling:
    """How new losses are drawn."""

    kind: str
    """residual or wild."""
    count: int
    """Draws."""
    seed: int
    """Their seed."""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UsageError(f"resampling {self.kind!r} is not one of {', '.join(KINDS)}")


def resample_curve(line: FittedCurve, sample: CurveData, names: tuple[str, ...], how: Resampling) -> Draws:
    """Return draws of the coefficients `names` of a polynomial; the same seed gives the same draws.

    residual: the residuals, each over sqrt(1 - leverage), are drawn anew; wild: each residual over (1 - leverage) keeps
    its run and changes its sign at random. Raises UsageError for a curve that is smoothed.
    """
    if not isinstance(line.basis, Powers):
        raise UsageError("a smoothing spline is not resampled; resample the cubic instead")
    design = np.hstack([line.basis.columns(sample.x), sample.blocks])
    q, r = np.linalg.qr(design)
    fitted = q @ (q.T @ sample.loss)
    slack = np.maximum(1 - np.sum(q**2, axis=1), 1e-12)  # a run that alone decides a coefficient has no residual
    random = np.random.default_rng(how.seed)
    if how.kind == "wild":
        signs = random.choice([-1.0, 1.0], size=(how.count, len(slack)))
        errors = signs * (sample.loss - fitted) / slack
    else:
        pool = (sample.loss - fitted) / np.sqrt(slack)
        errors = random.choice(pool - pool.mean(), size=(how.count, len(slack)))
    values = line.coefficients + np.linalg.solve(r, q.T @ errors.T).T[:, : line.basis.size]
    return Draws(parameters=names, values=values, seed=how.seed)


def interval_of(draws: Draws, line: FittedCurve) -> tuple[float | None, float | None]:
    """Return the central 95 % interval of where the drawn curves are lowest; an end at an end of the range is null."""
    scan = np.linspace(line.low, line.high, 1025)
    places: Floats = scan[np.argmin(draws.values @ line.basis.columns(scan).T, axis=1)]
    lo, hi = np.quantile(places, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return None if lo <= line.low else math.exp(lo), None if hi >= line.high else math.exp(hi)
