"""Noise for simulated losses, and how often the fitted intervals cover the truth.

truth = truth_of("cubic", {"best": 0.15}, table)
noise = Noise(sd=0.015, seed_sd=0.015)
simulated = with_losses(table, truth.losses(table) + noise.draw(table, random))
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fits.result import Optimum
from fits.runs.select_arms import seed_codes
from fits.runs.table import Floats, RunTable
from planners.records.errors import UsageError

FAMILIES = ("gaussian", "t3")
"""Distributions of the noise: normal, or Student's t with 3 degrees of freedom scaled to the same SD."""


@dataclass(frozen=True, kw_only=True)
class Noise:
    """The distribution of losses around the truth."""

    sd: float
    """SD of a run, nats per token."""
    seed_sd: float
    """SD of the shift that a seed adds to all its runs, nats per token."""
    family: str = "gaussian"
    """One of FAMILIES."""

    def __post_init__(self) -> None:
        if self.family not in FAMILIES:
            raise UsageError(f"noise family {self.family!r} is not one of {', '.join(FAMILIES)}")
        for name in ("sd", "seed_sd"):
            if not 0 <= getattr(self, name) < math.inf:
                raise UsageError(f"{name} {getattr(self, name)!r} must be a number of nats, 0 or more")

    def draw(self, table: RunTable, random: np.random.Generator) -> Floats:
        """Return the noise of each run, shape (n,)."""
        n, seeds = len(table), seed_codes(table)
        runs = random.standard_normal(n) if self.family == "gaussian" else random.standard_t(3, n) / math.sqrt(3)
        return self.sd * runs + self.seed_sd * random.standard_normal(int(seeds.max()) + 1)[seeds]


def with_losses(table: RunTable, losses: Floats) -> RunTable:
    """Return the table with these losses, shape (n,). Raises UsageError for a loss that is not positive."""
    if not (losses > 0).all():
        raise UsageError(f"the noise gives a loss of {losses.min():.3g} nats; give less noise or a higher floor")
    return replace(table, frame=table.frame.assign(loss=losses), data_hash=None)


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """Outcomes of the optimum in simulated studies of one design."""

    studies: int
    """Number of simulated studies."""
    statuses: dict[str, float]
    """Share of the studies with each status."""
    held: float | None
    """Share of the reported intervals (converged, or one-sided at an edge) that hold the best rate; null if none is."""
    loss_held: float | None
    """Share of the intervals of L* that hold the lowest loss; null without any."""
    width: float | None
    """Median width of the reported intervals in ln r_a, open ends cut at the sampled range; null without any."""


def measure_coverage(optima: Sequence[Optimum], rates: Iterable[float], best: float, lowest: float) -> Coverage:
    """Compare the optima of studies with these MoE rates with the true best rate and the true lowest loss."""
    sampled = list(rates)
    stated = [one for one in optima if one.status in ("converged", "edge")]
    held = [(one.lo or 0.0) <= best <= (one.hi or math.inf) for one in stated]
    levels = [
        one.loss_lo <= lowest <= one.loss_hi for one in stated if one.loss_lo is not None and one.loss_hi is not None
    ]
    widths = [math.log((one.hi or max(sampled)) / (one.lo or min(sampled))) for one in stated]
    names = ("converged", "edge", "not_identified", "no_minimum")
    return Coverage(
        studies=len(optima),
        statuses={name: sum(one.status == name for one in optima) / len(optima) for name in names},
        held=float(np.mean(held)) if held else None,
        loss_held=float(np.mean(levels)) if levels else None,
        width=float(np.median(widths)) if widths else None,
    )
