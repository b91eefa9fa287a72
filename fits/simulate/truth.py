"""The true model behind simulated losses: a curve with one minimum, or a law of the loss with its parameters."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Protocol

import numpy as np

from fits.laws import curves, loss_laws
from fits.laws.curve_basis import Basis, Curve
from fits.laws.law import Law
from fits.runs.table import Floats, RunTable
from planners.records.errors import UsageError
from planners.records.registry import look_up

DERIVATIVES = 4
"""Most coefficients of a simulated curve: loss, gradient, bend and skew at the best rate determine four."""


class Truth(Protocol):
    """The losses of a plan without noise."""

    @property
    def params(self) -> dict[str, float]:
        """Its parameters by name."""

    def losses(self, table: RunTable) -> Floats:
        """Return the loss of each run without noise, shape (n,)."""

    def optimum(self, table: RunTable) -> tuple[float, float]:
        """Return the best rate for the runs of one series, and the loss there."""


def truths() -> dict[str, Curve | Law]:
    """Return the laws that can be simulated, by name: curves that do not smooth, and laws of the loss."""
    simple = {
        name: law for name, law in curves().items() if not law.smooths and 3 <= len(law.parameters) <= DERIVATIVES
    }
    return {**simple, **loss_laws()}


def truth_of(law: str, params: Mapping[str, float], table: RunTable) -> Truth:
    """Return the law `law` with `params` for the runs of `table`; missing parameters are typical or published ones.

    Raises UsageError for a law that cannot be simulated, for an unknown or missing parameter, and for an impossible
    value.
    """
    form = look_up(truths(), law, "law to simulate")
    if isinstance(form, Curve):
        return _curve_truth(form, params, table)
    published = dict(form.examples[0].params) if form.examples else {}
    missing = [name for name in form.parameters if name not in {**published, **params}]
    if missing:
        raise UsageError(f"the law {law} has no published parameters here: give --params with {', '.join(missing)}")
    truth = LawTruth(law=form, params={**published, **params})
    truth.losses(table)
    return truth


@dataclass(frozen=True, kw_only=True)
class CurveTruth:
    """A loss with one minimum in ln r_a, which may move with C.

    The loss is floor + slope ln(C/C0) + f(u), where u = ln(r_a / best) - move ln(C/C0) and C0 is the middle of the
    budgets. f belongs to the basis of the curve, with f(0) = f'(0) = 0, f''(0) = 2 bend and f'''(0) = 6 skew; for a
    polynomial it is bend u^2 + skew u^3.
    """

    best: float
    """Rate of the lowest loss at C0."""
    floor: float = 2.5
    """Loss there, nats per token."""
    bend: float = 0.1
    """Half the second derivative in ln r_a; laptop-sized studies show about 0.1."""
    skew: float = 0.0
    """A sixth of the third derivative; negative if the loss is steeper below the minimum than above."""
    slope: float = -0.1
    """Change of the loss for one unit of ln C."""
    move: float = 0.0
    """Change of ln of the best rate for one unit of ln C."""
    dense: float = 0.1
    """Loss of the dense arms above the MoE arm of the best rate, nats per token."""
    C0: float = 1.0
    """Budget of the values above, FLOPs."""
    basis: Basis
    """Functions of the curve."""

    @property
    def params(self) -> dict[str, float]:
        """The values above by name."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name != "basis"}

    @cached_property
    def _coefficients(self) -> Floats:
        """Coefficients of f(ln r_a - ln best), which its derivatives at the minimum determine."""
        orders, at = range(self.basis.size), np.array([math.log(self.best)])
        wanted = np.array([0.0, 0.0, 2 * self.bend, 6 * self.skew])[: self.basis.size]
        return np.linalg.solve(np.vstack([self.basis.columns(at, order) for order in orders]), wanted)

    def losses(self, table: RunTable) -> Floats:
        """Return the loss of each run without noise, shape (n,)."""
        z = np.log(table.numbers("C") / self.C0)
        moe = self.basis.columns(np.log(table.rates()) - self.move * z) @ self._coefficients
        return self.floor + self.slope * z + np.where(table.routed(), moe, self.dense)

    def optimum(self, table: RunTable) -> tuple[float, float]:
        """Return the best rate and the loss there for the budget of `table`."""
        z = math.log(float(np.median(table.numbers("C"))) / self.C0)
        return self.best * math.exp(self.move * z), self.floor + self.slope * z


def _curve_truth(law: Curve, params: Mapping[str, float], table: RunTable) -> CurveTruth:
    """Return the true curve with `params`; missing ones are typical, and `best` is the middle of the rates.

    A curve of four coefficients is skewed like the losses of laptop-sized studies unless `skew` is given. Raises
    UsageError for an unknown name, and for a value that leaves no minimum or a loss that is not positive.
    """
    known = [field.name for field in fields(CurveTruth) if field.name not in ("C0", "basis")]
    unknown = next((name for name in params if name not in known), None)
    if unknown is not None:
        raise UsageError(f"the {law.name} has no parameter {unknown!r} to simulate; it has {', '.join(known)}")
    rates = table.rates()[table.routed()]
    if not len(rates):
        raise UsageError(f"{table.source} plans no MoE run, so a curve of r_a cannot be simulated")
    middle = math.exp(float(np.log(rates).min() + np.log(rates).max()) / 2)
    C0 = math.exp(float(np.mean(np.log(np.unique(table.numbers("C"))))))
    skewed = len(law.parameters) == DERIVATIVES
    given = {"best": middle, "skew": -0.03 if skewed else 0.0, **params, "C0": C0}
    if given["skew"] and not skewed:
        raise UsageError(f"skew {given['skew']:g} is for the cubic; the {law.name} has no skew")
    if given["best"] <= 0 or given.get("bend", 1.0) <= 0:
        raise UsageError(f"best {given['best']:g} and bend {given.get('bend', 1.0):g} must be positive for a minimum")
    truth = CurveTruth(**given, basis=law.basis(np.log(rates)))
    if not (truth.losses(table) > 0).all():
        lowest = truth.losses(table).min()
        raise UsageError(f"the {law.name} gives a loss of {lowest:.3g} nats; raise floor, or lower bend")
    return truth


@dataclass(frozen=True, kw_only=True)
class LawTruth:
    """A law of the loss with its parameters."""

    law: Law
    """The law."""
    params: dict[str, float]
    """Its parameters, as printed."""

    def losses(self, table: RunTable) -> Floats:
        """Return the loss of each run without noise, shape (n,). Raises UsageError for a missing column."""
        return self.law.loss(self.params, self.law.read(table))

    def optimum(self, table: RunTable) -> tuple[float, float]:
        """Return the best rate between the planned ones, and the loss there; columns are interpolated along ln r_a."""
        from scipy.interpolate import CubicSpline

        moe = table.only(table.routed())
        x, first = np.unique(np.round(np.log(moe.rates()), 9), return_index=True)
        if len(x) < 2:
            return math.exp(x[0]), float(self.losses(moe)[0])
        scan = np.linspace(x[0], x[-1], 4001)
        planned = self.law.read(moe)
        columns = {name: np.exp(CubicSpline(x, np.log(values[first]))(scan)) for name, values in planned.items()}
        losses = self.law.loss(self.params, columns)
        at = int(np.argmin(losses))
        return math.exp(scan[at]), float(losses[at])
