"""Losses drawn from a known truth, and how often an answer fitted to them holds it.

truth = curve_truth("cubic", {"best": 0.15}, table)
noise = Noise(sd=0.015, seed_sd=0.015)
simulated = with_losses(table, truth.losses(table) + noise.draw(table, random))
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from fits.arms import seed_codes
from fits.result import Optimum
from fits.table import Floats, RunTable
from planners.errors import UsageError

FAMILIES = ("gaussian", "t3")
"""Shapes of the noise: normal, or Student's t with 3 degrees of freedom, scaled to the same SD."""


@dataclass(frozen=True, kw_only=True)
class CurveTruth:
    """A loss with one minimum in ln r_a, which may move with C: floor + slope ln(C/C0) + bend u^2 + skew u^3, where
    u = ln(r_a / best) - move ln(C/C0) and C0 is the middle of the budgets."""

    best: float
    """Rate at which the loss is lowest, at C0."""
    floor: float = 2.5
    """Loss there, nats per token."""
    bend: float = 0.1
    """Half its second derivative in ln r_a; laptop-sized studies showed about .1."""
    skew: float = 0.0
    """A sixth of its third derivative; negative: steeper below the minimum than above."""
    slope: float = -0.1
    """Change of the loss for one unit of ln C."""
    move: float = 0.0
    """Change of ln of the best rate for one unit of ln C."""
    dense: float = 0.1
    """How much higher the dense arms end than the MoE arm of the best rate."""
    C0: float = 1.0
    """Budget that the numbers above are for."""

    def losses(self, table: RunTable) -> Floats:
        """Return the loss of each run without noise, shape (n,)."""
        z = np.log(table.numbers("C") / self.C0)
        u = np.log(table.rates() / self.best) - self.move * z
        moe = self.bend * u**2 + self.skew * u**3
        return self.floor + self.slope * z + np.where(table.routed(), moe, self.dense)

    def optimum(self, table: RunTable) -> tuple[float, float]:
        """Return the best rate and the loss there for the budget of `table`."""
        z = math.log(float(np.median(table.numbers("C"))) / self.C0)
        return self.best * math.exp(self.move * z), self.floor + self.slope * z


def curve_truth(law: str, params: Mapping[str, float], table: RunTable) -> CurveTruth:
    """Return the truth that `params` describe; those not given are typical, and `best` lies mid-way between the rates.

    A `cubic` is skewed as losses of laptop-sized studies were, unless `skew` is given. Raises UsageError for an unknown
    name, and for a value that gives the runs no minimum or no positive loss.
    """
    known = [field.name for field in fields(CurveTruth) if field.name != "C0"]
    unknown = next((name for name in params if name not in known), None)
    if unknown is not None:
        raise UsageError(f"the {law} has no parameter {unknown!r} to simulate; it has {', '.join(known)}")
    rates = table.rates()[table.routed()]
    if not len(rates):
        raise UsageError(f"{table.source} plans no MoE run, so there is no curve of r_a to simulate")
    middle = math.exp(float(np.log(rates).min() + np.log(rates).max()) / 2)
    C0 = math.exp(float(np.mean(np.log(np.unique(table.numbers("C"))))))
    typical = {"best": middle, "skew": -0.03 if law == "cubic" else 0.0}
    truth = CurveTruth(**{**typical, **params, "C0": C0})
    if law == "quadratic" and truth.skew:
        raise UsageError(f"skew {truth.skew:g} is for the cubic; a quadratic has none")
    if truth.best <= 0 or truth.bend <= 0:
        raise UsageError(f"best {truth.best:g} and bend {truth.bend:g} must be positive, or there is no minimum")
    if not (truth.losses(table) > 0).all():
        raise UsageError(f"the {law} gives a loss of {truth.losses(table).min():.3g} nats; raise floor, or bend less")
    return truth


@dataclass(frozen=True, kw_only=True)
class Noise:
    """How losses scatter about the truth."""

    sd: float
    """SD of a run, nats per token."""
    seed_sd: float
    """SD of what a seed adds to all runs that share it."""
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
    """Return the table with these losses, shape (n,). Raises UsageError where one is not positive."""
    if not (losses > 0).all():
        raise UsageError(f"the noise gives a loss of {losses.min():.3g} nats; give less noise or a higher floor")
    return replace(table, frame=table.frame.assign(loss=losses), data_hash=None)


@dataclass(frozen=True, kw_only=True)
class Score:
    """What became of the optimum in simulated studies of one design."""

    studies: int
    """Studies that were simulated."""
    statuses: dict[str, float]
    """Share of each status."""
    held: float | None
    """Share of the stated intervals (converged, or edge: one-sided) that hold the best rate; null if there is none."""
    loss_held: float | None
    """Share of the intervals of L* that hold the lowest loss; null where there is none."""
    width: float | None
    """Median width of the stated intervals in ln r_a, open ends at the ends of the rates; null where there is none."""


def score(optima: Sequence[Optimum], rates: Iterable[float], best: float, lowest: float) -> Score:
    """Hold the optima of studies with these MoE rates against the best rate and the lowest loss."""
    sampled = list(rates)
    stated = [one for one in optima if one.status in ("converged", "edge")]
    held = [(one.lo or 0.0) <= best <= (one.hi or math.inf) for one in stated]
    levels = [
        one.loss_lo <= lowest <= one.loss_hi for one in stated if one.loss_lo is not None and one.loss_hi is not None
    ]
    widths = [math.log((one.hi or max(sampled)) / (one.lo or min(sampled))) for one in stated]
    names = ("converged", "edge", "not_identified", "no_minimum")
    return Score(
        studies=len(optima),
        statuses={name: sum(one.status == name for one in optima) / len(optima) for name in names},
        held=float(np.mean(held)) if held else None,
        loss_held=float(np.mean(levels)) if levels else None,
        width=float(np.median(widths)) if widths else None,
    )
