"""Truths that losses can be simulated from: a curve with one minimum, or any law of the loss with its parameters."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np

from fits.laws import LAWS
from fits.laws.law import Law
from fits.runs.table import Floats, RunTable
from planners.records.errors import UsageError

CURVES = ("quadratic", "cubic")


class Truth(Protocol):
    """What the losses of a plan are without noise."""

    @property
    def params(self) -> dict[str, float]:
        """Its numbers by name."""

    def losses(self, table: RunTable) -> Floats:
        """Return the loss of each run without noise, shape (n,)."""

    def optimum(self, table: RunTable) -> tuple[float, float]:
        """Return the rate at which the loss of the runs of one series is lowest, and that loss."""


def truths() -> list[str]:
    """Return the names of the laws that can be a truth."""
    return [*CURVES, *(name for name, law in LAWS.items() if isinstance(law, Law) and law.response == "loss")]


def truth_of(law: str, params: Mapping[str, float], table: RunTable) -> Truth:
    """Return the law `law` with `params` for the runs of `table`; those not given are typical, or as published.

    Raises UsageError for a law that is no truth, an unknown or missing parameter, and a value that cannot be.
    """
    if law in CURVES:
        return _curve_truth(law, params, table)
    form = LAWS.get(law)
    if not isinstance(form, Law) or form.response != "loss":
        raise UsageError(f"{law!r} cannot be simulated; choose one of {', '.join(truths())}")
    published = dict(form.examples[0].params) if form.examples else {}
    missing = [name for name in form.parameters if name not in {**published, **params}]
    if missing:
        raise UsageError(f"the law {law} has no published numbers here: give --params with {', '.join(missing)}")
    truth = LawTruth(law=form, params={**published, **params})
    truth.losses(table)
    return truth


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

    @property
    def params(self) -> dict[str, float]:
        """The numbers above by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

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


def _curve_truth(law: str, params: Mapping[str, float], table: RunTable) -> CurveTruth:
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
class LawTruth:
    """A law of the loss with its parameters."""

    law: Law
    """The law."""
    params: dict[str, float]
    """Its parameters, as papers print them."""

    def losses(self, table: RunTable) -> Floats:
        """Return the loss of each run without noise, shape (n,). Raises UsageError for a column that is missing."""
        return self.law.loss(self.params, {name: table.law_column(name) for name in self.law.columns})

    def optimum(self, table: RunTable) -> tuple[float, float]:
        """Return the best rate between the planned ones, and the loss there: columns are interpolated along ln r_a."""
        from scipy.interpolate import CubicSpline

        moe = table.only(table.routed())
        x, first = np.unique(np.round(np.log(moe.rates()), 9), return_index=True)
        if len(x) < 2:
            return math.exp(x[0]), float(self.losses(moe)[0])
        scan = np.linspace(x[0], x[-1], 4001)
        columns = {name: np.exp(CubicSpline(x, np.log(moe.law_column(name)[first]))(scan)) for name in self.law.columns}
        losses = self.law.loss(self.params, columns)
        at = int(np.argmin(losses))
        return math.exp(scan[at]), float(losses[at])
