"""Is the optimal rate the same at every budget and size, and if not, how does it move?

Each cell (one N, one C) has its own curve. If the optimum is constant, all curves have their minimum at one x0; on a
surface, the minima lie at ln r_a* = a + b ln C + c ln N. All models are fitted to the losses by least squares, and an F
test compares nested models. The minima are not estimated first and then regressed, so a cell whose minimum lies at an
edge still counts.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fits.curve.least_squares import fit_basis
from fits.drift.joint_fit import JointFit
from fits.drift.minimum_profile import MinimumProfile, minimum_profile
from fits.laws.curve_basis import Powers
from fits.runs.select_arms import one_budget, positions, seed_blocks
from fits.runs.series import ENOUGH_RATES
from fits.runs.table import Floats, RunTable
from planners.records.errors import UsageError

SPREAD = 0.05
"""Range of ln C (or ln N) over the cells below which it is left out of the surface."""
INDEPENDENT = 10.0
"""Condition number of the centred ln C and ln N of the cells above which the data cannot separate their effects."""

NAMES = {2: "quadratic", 3: "cubic"}


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
    """Minimum of its own curve within the sampled rates; null if the curve is lowest at an end."""
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


@dataclass(frozen=True, kw_only=True)
class Constancy:
    """Test that all cells share one optimum, and how the optimum moves with C and N."""

    of: str
    """The column that is optimised."""
    basis: str
    """Curve of each cell: quadratic or cubic."""
    cells: tuple[DriftCell, ...]
    """The cells."""
    F: float
    """F statistic of the test that all cells have their minimum at one x."""
    shape_dof: int
    """Number of cells less one."""
    error_dof: int
    """Degrees of freedom of the noise."""
    p: float
    """p of the test; small if the optimum moves."""
    value: float
    """Common optimum of all cells."""
    lo: float | None
    """Lower end of its 95 % interval, valid if the optimum is constant; null if open."""
    hi: float | None
    """Upper end of it."""
    slopes: tuple[DriftSlope, ...]
    """Coefficients b and c of ln r_a* = a + b ln C + c ln N; terms that the cells cannot separate are left out."""
    detectable: float | None
    """Smallest movement of ln r_a* from the first to the last cell that this test detects with 80 % power."""
    sensitivity: dict[str, float]
    """p of the same test with quadratic, and with cubic cells."""
    notes: tuple[str, ...]
    """Further remarks, one sentence each."""


def constancy(cells: Mapping[Any, RunTable], *, of: str = "r_a", degree: int | None = None) -> Constancy:
    """Test whether the MoE arms of `cells` by name, two or more, have their minimum at one value of the column `of`.

    `fits.series` splits a table into cells. `degree` is the degree of each cell's polynomial: by default 3 if every
    cell has at least five values of `of`, otherwise 2. Raises UsageError for fewer than two cells, and for too few
    values or runs.

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
    rates = min(np.unique(np.round(positions(table, of), 6)).size for table in arms.values())
    degree = degree or (3 if rates >= ENOUGH_RATES else 2)
    if rates <= degree:
        raise UsageError(f"a cell has {rates} values of {of}, and its curve needs {degree + 1}; add values")
    joint = _joint(arms, degree, of)
    if joint.dof < 1:
        raise UsageError(f"{sum(map(len, arms.values()))} runs leave no estimate of the noise; add seeds or rates")
    described = [_cell(label, table, degree, of) for label, table in arms.items()]
    notes: list[str] = []
    others = {other: _joint(arms, other, of) for other in NAMES if other != degree and rates > other}
    tests = {degree: joint} | {other: found for other, found in others.items() if found.dof > 0}
    lo, hi = joint.interval()
    return Constancy(
        of=of,
        basis=NAMES[degree],
        cells=tuple(described),
        F=joint.F,
        shape_dof=len(cells) - 1,
        error_dof=joint.dof,
        p=joint.p,
        value=math.exp(joint.common[0]),
        lo=None if lo is None else math.exp(lo),
        hi=None if hi is None else math.exp(hi),
        slopes=_slopes(described, joint, notes),
        detectable=joint.detectable(),
        sensitivity={NAMES[other]: tests[other].p for other in sorted(tests)},
        notes=tuple(notes),
    )


def _joint(arms: Mapping[str, RunTable], degree: int, of: str) -> JointFit:
    return JointFit(cells=tuple(_profile(table, degree, of) for table in arms.values()))


def _profile(arms: RunTable, degree: int, of: str) -> MinimumProfile:
    x, blocks = positions(arms, of), seed_blocks(arms)
    if fit_basis(Powers(degree + 1), x, arms.numbers("loss"), blocks) is None:
        blocks = blocks[:, :0]  # the runs cannot separate the seeds from the curve
    return minimum_profile(x, arms.numbers("loss"), blocks, degree)


def _cell(label: str, arms: RunTable, degree: int, of: str) -> DriftCell:
    profile = _profile(arms, degree, of)
    curve = fit_basis(Powers(degree + 1), positions(arms, of), arms.numbers("loss"), profile.blocks)
    inside = curve is not None and curve.low < curve.lowest < curve.high
    return DriftCell(
        label=label,
        n=len(arms),
        C=float(np.median(arms.numbers("C"))) if arms.has("C") else None,
        N=float(np.median(arms.numbers("N"))) if arms.has("N") else None,
        value=math.exp(curve.lowest) if curve is not None and inside else None,
        sd=math.sqrt(profile.free / profile.dof) if profile.dof > 0 else None,
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
        value, lo, hi = joint.coefficient(np.column_stack([np.ones(len(cells)), *others, values]))
        found.append(DriftSlope(by=name, value=value, lo=lo, hi=hi))
    return tuple(found)
