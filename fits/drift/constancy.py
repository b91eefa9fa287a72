"""Is the optimal rate the same at every budget and size, and if not, how does it move?

Each cell (one N, one C) has its own curve with one minimum, of any shape, and its own noise. If the optimum is
constant, all curves have their minimum at one x0; on a surface, the minima lie at ln r_a* = a + b ln C + c ln N. All
models are fitted to the losses, and an F test compares nested models. The minima are not estimated first and then
regressed, so a cell whose minimum lies at an edge still counts.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fits.curve.lack_of_fit import no_shape_fits
from fits.curve.least_squares import CurveData, fit_basis
from fits.curve.optimum import BASIS
from fits.curve.shapes import SHAPE_DOF, ShapeFits, shape_fits
from fits.drift.joint_fit import JointFit
from fits.laws.curve_basis import Powers
from fits.runs.select_arms import one_budget, positions, seed_blocks
from fits.runs.table import Floats, RunTable
from planners.records.errors import UsageError

SPREAD = 0.05
"""Range of ln C (or ln N) over the cells below which it is left out of the surface."""
INDEPENDENT = 10.0
"""Condition number of the centred ln C and ln N of the cells above which the data cannot separate their effects."""


@dataclass(frozen=True, kw_only=True)
class DriftCell:
    """One budget at one size."""

    label: str
    """Its name."""
    n: int
    """MoE runs."""
    C: float | None
    """Median budget in FLOPs; null where the table has none."""
    N: float | None
    """Median size; null where the table has none."""
    value: float | None
    """Minimum of its own cubic within the sampled rates; null if the cubic is lowest at an end."""
    sd: float | None
    """Residual SD; null without degrees of freedom."""


@dataclass(frozen=True, kw_only=True)
class DriftSlope:
    """Change of the optimum with C or N."""

    by: str
    """C or N."""
    value: float
    """Change of ln r_a* for one unit of ln C (or ln N)."""
    lo: float | None
    """Lower end of the 95 % interval (profile, F); null if open."""
    hi: float | None
    """Upper end of it."""
    p: float
    """p of the test that it does not change: the trend test, with one degree of freedom."""


@dataclass(frozen=True, kw_only=True)
class Constancy:
    """Test that all cells share one optimum, and how the optimum moves with C and N."""

    of: str
    """The column that is optimised."""
    basis: str
    """What is assumed of the curve of each cell."""
    cells: tuple[DriftCell, ...]
    """The cells."""
    withheld: str | None = None
    """Why the test is withheld; null if it is given. All of its numbers are then null."""
    F: float | None = None
    """F statistic of the test that all cells have their minimum at one x."""
    shape_dof: int
    """Number of cells less one."""
    error_dof: int
    """Degrees of freedom of the noise."""
    p: float | None = None
    """p of the test; small if the optimum moves."""
    value: float | None = None
    """Common optimum of all cells."""
    lo: float | None = None
    """Lower end of its 95 % interval, valid if the optimum is constant; null if open."""
    hi: float | None = None
    """Upper end of it."""
    slopes: tuple[DriftSlope, ...] = ()
    """Coefficients b and c of ln r_a* = a + b ln C + c ln N; terms that the cells cannot separate are left out."""
    detectable: float | None = None
    """Smallest movement of ln r_a* from the first to the last cell that this test detects with 80 % power."""
    notes: tuple[str, ...] = ()
    """Further remarks, one sentence each."""


def constancy(cells: Mapping[Any, RunTable], *, of: str = "r_a") -> Constancy:
    """Test whether the MoE arms of `cells` by name, two or more, have their minimum at one value of the column `of`.

    `fits.series` splits a table into cells. The test is withheld if no curve with one minimum fits a cell. Raises
    UsageError for fewer than two cells, and for too few values or runs.

    >>> from fits import series
    >>> found = constancy(series(read_runs("results/laptop-grid")))
    >>> found.p > 0.05
    True
    """
    if len(cells) < 2:
        raise UsageError(f"the test of constancy needs two budgets or sizes, and there is {len(cells)}; plan more")
    arms = {str(label): table.only(table.routed()) for label, table in cells.items()}
    for table in arms.values():
        one_budget(table, positions(table, of), of)
    data = {label: _data(table, of) for label, table in arms.items()}
    fits = {label: shape_fits(one) for label, one in data.items()}
    known = {label: fit for label, fit in fits.items() if fit is not None}
    for label in fits.keys() - known.keys():
        rates = data[label].rates
        if rates <= SHAPE_DOF:
            raise UsageError(f"a cell has {rates} values of {of}, and its curve needs {SHAPE_DOF + 1}; add values")
        raise UsageError(f"{len(arms[label])} runs leave no estimate of the noise of a cell; add seeds or rates")
    described = [_cell(label, arms[label], data[label], known[label]) for label in arms]
    bare = Constancy(
        of=of,
        basis=BASIS,
        cells=tuple(described),
        shape_dof=len(cells) - 1,
        error_dof=sum(f.dof for f in known.values()),
    )
    for label, fit in known.items():
        p = no_shape_fits(data[label], fit)
        if p is not None:
            why = f"no curve with one minimum fits the means of {label} (lack of fit, p = {p:.2g})"
            return replace(bare, withheld=why)
    joint = JointFit(cells=tuple(known.values()))
    notes: list[str] = []
    slopes = _slopes(described, joint, notes)
    lo, hi = joint.interval()
    return replace(
        bare,
        F=joint.F,
        p=joint.p,
        value=math.exp(joint.common[0]),
        lo=None if lo is None else math.exp(lo),
        hi=None if hi is None else math.exp(hi),
        slopes=slopes,
        detectable=joint.detectable(),
        notes=tuple(notes),
    )


def _data(arms: RunTable, of: str) -> CurveData:
    """Return the runs of a cell, with seeds as blocks if the runs can separate them from a curve."""
    x, loss, blocks = positions(arms, of), arms.numbers("loss"), seed_blocks(arms)
    if fit_basis(Powers(SHAPE_DOF + 1), x, loss, blocks) is None:
        blocks = blocks[:, :0]
    return CurveData(x=x, loss=loss, blocks=blocks)


def _cell(label: str, arms: RunTable, data: CurveData, fit: ShapeFits) -> DriftCell:
    curve = data.fit(Powers(SHAPE_DOF + 1))
    inside = curve is not None and curve.low < curve.lowest < curve.high
    return DriftCell(
        label=label,
        n=len(arms),
        C=float(np.median(arms.numbers("C"))) if arms.has("C") else None,
        N=float(np.median(arms.numbers("N"))) if arms.has("N") else None,
        value=math.exp(curve.lowest) if curve is not None and inside else None,
        sd=math.sqrt(fit.residual / fit.dof),
    )


def _slopes(cells: Sequence[DriftCell], joint: JointFit, notes: list[str]) -> tuple[DriftSlope, ...]:
    """Return the coefficients of ln C and ln N that the cells can separate; a note names the others."""
    columns = {name: [getattr(cell, name) for cell in cells] for name in ("C", "N")}
    logs = {name: np.log(np.array(values, float)) for name, values in columns.items() if None not in values}
    kept: dict[str, Floats] = {}
    for name, values in logs.items():
        centred = values - values.mean()
        if np.ptp(values) <= SPREAD:
            continue
        tried = np.column_stack([*kept.values(), centred])
        if len(cells) <= tried.shape[1] or np.linalg.cond(tried / np.linalg.norm(tried, axis=0)) > INDEPENDENT:
            notes.append(f"the cells cannot separate a movement with {name} from the other terms, so it is left out")
        else:
            kept[name] = centred
    found = []
    for name, values in kept.items():
        others = [column for other, column in kept.items() if other != name]
        terms = np.column_stack([np.ones(len(cells)), *others, values])
        value, lo, hi = joint.coefficient(terms)
        found.append(DriftSlope(by=name, value=value, lo=lo, hi=hi, p=joint.without_last(terms)))
    return tuple(found)
