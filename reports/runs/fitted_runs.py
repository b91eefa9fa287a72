"""The runs of a table with the fits to them: the groups that a figure draws, each with its fitted line."""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from fits import FitResult, RunTable, StudyFits
from fits.curve.curve_of_fit import curve
from fits.laws import LAWS
from fits.laws.law import Law
from fits.runs.select_arms import positions, with_compute
from fits.runs.series import series
from fits.runs.table import UNITS, Floats
from planners.records.quantity import format_flops

MOST_LINES = 9
"""Groups that are told apart; runs at more budgets are put together by their C."""
POINTS = 80
"""Points of a fitted line."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Group:
    """Runs that share a budget, or another series, with the fitted line through them."""

    heading: str
    """What they share; empty for the only group."""
    runs: RunTable
    """The runs."""
    x: Floats
    """Their place on the axis, shape (n,)."""
    y: Floats
    """What the law describes, the loss or N_opt, shape (n,)."""
    fitted: Floats
    """The same by the fit, shape (n,); NaN where it gives none."""
    line: tuple[Floats, Floats] | None = None
    """x and y of the fitted line."""
    minimum: tuple[float, float] | None = None
    """x and y of its minimum, where the runs enclose it."""


@dataclass(frozen=True, kw_only=True)
class FittedRuns:
    """A table of runs with its fits."""

    table: RunTable
    """The runs."""
    found: StudyFits
    """The fits and findings."""
    command: str = ""
    """The command that writes the page."""

    @property
    def source(self) -> str:
        """What the runs were read from."""
        return f"runs of {Path(self.table.source).name}"

    @property
    def fits(self) -> tuple[FitResult, ...]:
        """Every fit."""
        return self.found.fits

    @property
    def lead(self) -> FitResult:
        """The fit that the figures show: the first; of a curve, that of the first series."""
        return self.found.fits[0]

    @property
    def response(self) -> str:
        """What the shown law describes: the loss, or N_opt."""
        law = LAWS[self.lead.law]
        return law.response if isinstance(law, Law) else "loss"

    @property
    def axis(self) -> str:
        """The column on the axis of the figures."""
        law = LAWS[self.lead.law]
        if not isinstance(law, Law):
            return next(iter(self.lead.domain))
        return next((name for name in ("r_a", "N") if name in law.columns), law.columns[0])

    @property
    def unit(self) -> str:
        """The unit of the loss in words."""
        return UNITS[self.table.unit]

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """The groups of runs, the smallest budget first."""
        law = LAWS[self.lead.law]
        found = _of_law(self.table, self.lead, law, self.axis) if isinstance(law, Law) else self._of_curves()
        return tuple(found)

    def _of_curves(self) -> Iterator[Group]:
        of = self.axis
        parts = series(replace(self.table, over="N" if of == "N" else self.table.over))
        for fit in (fit for fit in self.fits if fit.law == self.lead.law):
            part = next((part for key, part in parts.items() if key == fit.series), None)
            if part is None:
                continue
            runs = part.only(part.routed())
            x = np.exp(positions(runs, of))
            heading = fit.series.heading if fit.series else ""
            group = Group(heading=heading, runs=runs, x=x, y=runs.numbers("loss"), fitted=x * np.nan)
            yield _with_curve(group, fit, self._best_size(fit))

    def _best_size(self, fit: FitResult) -> float | None:
        """Return where a curve is lowest: for a parabola over N, the best size of its budget."""
        C = fit.series.C if fit.series else None
        sizes = {each.C: each.N for each in self.found.isoflop.budgets} if self.found.isoflop else {}
        if C and sizes:
            return sizes[min(sizes, key=lambda budget: abs(math.log(budget / C)))]
        return fit.optimum.value if fit.optimum else None


def _with_curve(group: Group, fit: FitResult, best: float | None) -> Group:
    if any(param.value is None for param in fit.params.values()) or fit.optimum is None:
        return group
    along = np.geomspace(group.x.min(), group.x.max(), POINTS)
    minimum = None if best is None else (best, float(curve(fit, best)[0][0]))
    return replace(group, fitted=curve(fit, group.x)[0], line=(along, curve(fit, along)[0]), minimum=minimum)


def _of_law(table: RunTable, fit: FitResult, law: Law, axis: str) -> Iterator[Group]:
    """Yield the runs by budget, with the law along the axis at the C of each group."""
    values = {name: param.value for name, param in fit.params.items() if param.value is not None}
    known = len(values) == len(law.parameters)
    for heading, C, part in _budgets(table, axis):
        columns = law.read(part)
        x = columns[axis]
        fitted = law.loss(values, columns) if known else x * np.nan
        group = Group(heading=heading, runs=part, x=x, y=part.numbers(law.response), fitted=fitted)
        line = _line(law, values, part, C, axis) if known else None
        yield replace(group, line=line)


def _budgets(table: RunTable, axis: str) -> Iterator[tuple[str, float | None, RunTable]]:
    """Yield (heading, its C, runs) for each budget, or for each range of C where there are too many budgets."""
    table = with_compute(replace(table, over="N") if not table.has("r_a") else table)
    if axis == "C" or not table.has("C"):
        yield "", None, table
        return
    parts = table.by_budget()
    if len(parts) <= MOST_LINES:
        yield from ((f"C = {format_flops(C)}" if len(parts) > 1 else "", C, part) for C, part in parts.items())
        return
    C = table.numbers("C")
    ends = np.geomspace(C.min(), C.max() * (1 + 1e-9), 7)
    for low, high in itertools.pairwise(ends):
        inside = (low <= C) & (high > C)
        if inside.any():
            middle = float(np.median(C[inside]))
            yield f"C near {format_flops(float(f'{middle:.1g}'))}", middle, table.only(inside)


def _line(
    law: Law, values: dict[str, float], part: RunTable, C: float | None, axis: str
) -> tuple[Floats, Floats] | None:
    """Return the law along the axis; D follows from C, and other columns are at their medians."""
    columns = law.read(part)
    if len(columns[axis]) < 2 and axis != "C":
        return None
    x = np.geomspace(columns[axis].min(), columns[axis].max() * (1 + 1e-12), POINTS)
    at = {name: np.full(POINTS, np.median(cells)) for name, cells in columns.items()} | {axis: x}
    if C is not None and "D" in at and "N" in at:
        active = columns["N"] * columns.get("r_a", np.ones_like(columns["N"]))
        per_token = float(np.median(part.numbers("C") / active / columns["D"]))
        at["D"] = C / (per_token * at["N"] * at.get("r_a", np.ones(POINTS)))
    return x, law.loss(values, at)


def residuals(groups: Sequence[Group]) -> Floats:
    """Return ln of what was measured over what was fitted, for every run that has both."""
    found = [np.log(group.y / group.fitted) for group in groups]
    every = np.concatenate(found) if found else np.empty(0)
    return np.asarray(every[np.isfinite(every)])
