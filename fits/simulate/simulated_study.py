"""Simulate the study that a plan describes: its losses once, and how often many such studies would find the truth."""

from dataclasses import dataclass

import numpy as np

from fits.fit import fit_law
from fits.result import FitResult
from fits.runs.series import series
from fits.runs.table import RunTable
from fits.simulate.coverage import Coverage, Noise, measure_coverage, with_losses
from fits.simulate.truth import Truth


@dataclass(frozen=True, kw_only=True)
class SimulatedSeries:
    """What simulated studies find in one series of the plan."""

    series: str
    """Slug of its key; empty if the plan is one series."""
    best: float
    """The true rate of the lowest loss."""
    lowest: float
    """The true lowest loss, nats per token."""
    rates: tuple[float, float]
    """Lowest and highest planned MoE rate."""
    written: FitResult
    """The fit to the losses of the first simulated study."""
    score: Coverage | None
    """How often the further studies find the truth; null without further studies."""


def simulate_study(
    table: RunTable,
    truth: Truth,
    noise: Noise,
    law: str,
    *,
    studies: int = 200,
    seed: int = 0,
    margin: float | None = None,
) -> tuple[RunTable, tuple[SimulatedSeries, ...]]:
    """Return `table` with simulated losses, and what the curve `law` finds in each of its series.

    `studies` is the number of further studies of the same plan (0: none), each fitted with `law` to see whether its
    intervals contain the truth. `margin`: nats per token that count as no difference. Raises UsageError for a noise
    that makes a loss negative.
    """
    random = np.random.default_rng(seed)
    written = with_losses(table, truth.losses(table) + noise.draw(table, random))
    found = []
    for key, part in series(written).items():
        best, lowest = truth.optimum(part)
        rates = part.rates()[part.routed()]
        one = SimulatedSeries(
            series=key.slug,
            best=best,
            lowest=lowest,
            rates=(float(rates.min()), float(rates.max())),
            written=fit_law(part, law, margin=margin),
            score=_repeated(part, truth, noise, law, studies, random) if studies else None,
        )
        found.append(one)
    return written, tuple(found)


def _repeated(
    part: RunTable, truth: Truth, noise: Noise, law: str, studies: int, random: np.random.Generator
) -> Coverage:
    from tqdm import tqdm

    losses, rates = truth.losses(part), part.rates()[part.routed()]
    optima = []
    for _ in tqdm(range(studies), desc="simulated studies", delay=2, leave=False):
        fit = fit_law(with_losses(part, losses + noise.draw(part, random)), law)
        if fit.optimum is not None:
            optima.append(fit.optimum)
    return measure_coverage(optima, rates.tolist(), *truth.optimum(part))
