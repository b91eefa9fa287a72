"""Is the optimal rate the same at every budget and size, and if not, how does it move?

Each cell (one N, one C) has a curve of its own; under "constant" all have their minimum at one x0, under a surface at
ln r_a* = a + b ln C + c ln N. All are least squares on the losses, so nested models are compared by F: the minimum of
each cell is not estimated first and then regressed, and a cell whose minimum is at an edge still counts.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fits.adequacy import tail
from fits.arms import one_budget, positions, routed, seed_blocks
from fits.intervals import t_quantile
from fits.pinned import Pinned, pin
from fits.table import Floats, RunTable
from planners.errors import UsageError

POWER = 0.8
"""Power at which the smallest movement is stated."""
LEVEL = 0.05
"""Level of the test."""
SPREAD = 0.05
"""Range of ln C or ln N over the cells below which it is no term of the surface."""
STEPS = 81
"""Points of a scan along each coefficient."""


@dataclass(frozen=True, kw_only=True)
class Cell:
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
    """Where its own curve is lowest within its sampled rates; null where that is at an end."""
    sd: float | None
    """SD of its residuals; null where it has no dof of its own."""


@dataclass(frozen=True, kw_only=True)
class Slope:
    """How the optimum moves with one quantity."""

    by: str
    """C or N."""
    value: float
    """Change of ln r_a* for one unit of ln C (or ln N)."""
    lo: float | None
    """Lower end of the 95 % interval (profile, F); null where it is open."""
    hi: float | None
    """Upper end of it."""


@dataclass(frozen=True, kw_only=True)
class Constancy:
    """Whether the optimum is one number."""

    of: str
    """The column that is optimised."""
    basis: str
    """The curve of each cell."""
    cells: tuple[Cell, ...]
    """The cells."""
    F: float
    """Statistic of the test that all cells have their minimum at one place."""
    shape_dof: int
    """Cells less one."""
    error_dof: int
    """Degrees of freedom of the noise."""
    p: float
    """Probability of an F as large where the optimum is constant."""
    value: float
    """The optimum, were it constant."""
    lo: float | None
    """Lower end of its 95 % interval, were it constant; null where it is open."""
    hi: float | None
    """Upper end of it."""
    slopes: tuple[Slope, ...]
    """The surface ln r_a* = a + b ln C + c ln N; terms that the cells do not tell apart are left out."""
    detectable: float | None
    """Smallest movement of ln r_a* between the first and the last cell that this test would show with 80 % power."""
    notes: tuple[str, ...]
    """What else to know."""


def cells_of(table: RunTable) -> dict[str, RunTable]:
    """Split a table into its cells: one for each N and C, named by them."""
    found = {}
    sizes = _groups(table.numbers("N")) if table.has("N") else [np.arange(len(table))]
    for size in sizes:
        rows = np.isin(np.arange(len(table)), size)
        part = table.only(rows)
        for C, cell in part.by_budget().items() if part.has("C") else {0.0: part}.items():
            name = f"N {np.median(cell.numbers('N')):.3g}, " if len(sizes) > 1 else ""
            found[f"{name}C {C:.3g}"] = cell
    return found


def constancy(cells: Mapping[str, RunTable], *, of: str = "r_a", degree: int | None = None) -> Constancy:
    """Test whether the MoE arms of `cells`, two or more, have their minimum at one value of the column `of`.

    `degree` is that of each cell's polynomial: 3 where every cell has five values or more, else 2. Raises UsageError
    for fewer than two cells, and for cells with too few values or runs.
    """
    if len(cells) < 2:
        raise UsageError(f"constancy needs two budgets or sizes, and there is {len(cells)}; plan others")
    arms = {label: table.only(routed(table)) for label, table in cells.items()}
    places = {label: positions(table, of) for label, table in arms.items()}
    degree = degree or _degree(places)
    pins = [_pinned(arms[label], places[label], degree, of) for label in arms]
    error = sum(each.free for each in pins)
    dof = sum(each.dof for each in pins)
    if dof < 1:
        raise UsageError(f"{sum(map(len, arms.values()))} runs leave no noise to judge by; add seeds or rates")
    variance = error / dof
    at, residual = _best(pins, np.ones((len(pins), 1)))
    shape_dof = len(pins) - 1
    F = _ratio(max(0.0, residual - error) / shape_dof, variance)
    lo, hi = _inside(pins, residual, variance, dof)
    described = [_cell(label, arms[label], each) for label, each in zip(arms, pins, strict=True)]
    notes: list[str] = []
    slopes = _slopes(described, pins, variance, dof, notes)
    return Constancy(
        of=of,
        basis={2: "quadratic", 3: "cubic"}[degree],
        cells=tuple(described),
        F=F,
        shape_dof=shape_dof,
        error_dof=dof,
        p=tail(F, shape_dof, dof),
        value=math.exp(at[0]),
        lo=lo,
        hi=hi,
        slopes=slopes,
        detectable=_detectable(pins, at[0], variance, dof),
        notes=tuple(notes),
    )


def _groups(sizes: Floats) -> list[Floats]:
    order = np.argsort(sizes, kind="stable")
    starts = np.flatnonzero(np.diff(np.log(sizes[order])) > SPREAD) + 1
    return [np.sort(group) for group in np.split(order, starts)]


def _degree(places: Mapping[str, Floats]) -> int:
    return 3 if all(np.unique(np.round(x, 6)).size >= 5 for x in places.values()) else 2


def _pinned(arms: RunTable, x: Floats, degree: int, of: str) -> Pinned:
    rates = np.unique(np.round(x, 6)).size
    if rates <= degree:
        raise UsageError(
            f"{arms.source} has {rates} values of {of} in one cell, and its curve needs {degree + 1}; add some"
        )
    one_budget(arms, x, of)
    blocks = seed_blocks(arms)
    if np.linalg.matrix_rank(np.hstack([np.vander(x, degree + 1), blocks])) < degree + 1 + blocks.shape[1]:
        blocks = blocks[:, :0]
    return pin(x, arms.numbers("loss"), blocks, degree)


def _cell(label: str, arms: RunTable, each: Pinned) -> Cell:
    scan = np.linspace(each.low, each.high, 1001)
    residuals = each.residual(scan)
    at = int(np.argmin(residuals))
    inside = residuals[at] <= each.free * (1 + 1e-4) + 1e-12 * each.gram[3, 3]
    return Cell(
        label=label,
        n=len(arms),
        C=float(np.median(arms.numbers("C"))) if arms.has("C") else None,
        N=float(np.median(arms.numbers("N"))) if arms.has("N") else None,
        value=math.exp(scan[at]) if inside and 0 < at < len(scan) - 1 else None,
        sd=math.sqrt(each.free / each.dof) if each.dof > 0 else None,
    )


def _total(pins: Sequence[Pinned], terms: Floats, theta: Floats) -> Floats:
    """Return the summed residual with each cell's minimum at its row of `terms` (cells, p) times theta (..., p)."""
    return np.asarray(sum(each.residual(theta @ row) for each, row in zip(pins, terms, strict=True)))


def _best(pins: Sequence[Pinned], terms: Floats) -> tuple[Floats, float]:
    """Return the coefficients of `terms`, a constant first, with the least residual, and that residual."""
    theta, residual = _descend(pins, terms, np.empty((1, 0)))
    return theta[0], float(residual[0])


def _descend(pins: Sequence[Pinned], terms: Floats, held: Floats) -> tuple[Floats, Floats]:
    """Minimise over all but the last coefficients, which are `held`, shape (m, h); return theta (m, p) and residuals.

    A lattice over all that the sampled range allows is narrowed again and again, for every row of `held` together: no
    gradient, because the residual is smooth only piecewise.
    """
    low, high = min(each.low for each in pins), max(each.high for each in pins)
    free = terms.shape[1] - held.shape[1]
    width = np.array([(high - low) / 2, *((high - low) / np.ptp(terms[:, 1:free], axis=0))])
    steps = {1: 81, 2: 31}.get(free, 17)
    lattice = np.array(list(itertools.product(np.linspace(-1, 1, steps), repeat=free)))
    centre = np.tile(np.array([(low + high) / 2, *[0.0] * (free - 1)]), (len(held), 1))
    for _ in range(14):
        points = centre[:, None, :] + lattice * width  # (m, lattice, free)
        fixed = np.broadcast_to(held[:, None, :], (*points.shape[:2], held.shape[1]))
        residuals = _total(pins, terms, np.concatenate([points, fixed], axis=2))
        best = np.argmin(residuals, axis=1)
        centre = points[np.arange(len(held)), best]
        width = width * min(0.4, 6 / steps)
    return np.hstack([centre, held]), residuals[np.arange(len(held)), best]


def _inside(pins: Sequence[Pinned], residual: float, variance: float, dof: int) -> tuple[float | None, float | None]:
    """Return the ends of the 95 % interval of a constant optimum, within the range that any cell samples."""
    low, high = min(each.low for each in pins), max(each.high for each in pins)
    scan = np.linspace(low, high, 4001)
    kept = scan[_total(pins, np.ones((len(pins), 1)), scan[:, None]) <= residual + t_quantile(dof) ** 2 * variance]
    if not len(kept):
        return None, None
    return (
        None if kept[0] == low else math.exp(kept[0]),
        None if kept[-1] == high else math.exp(kept[-1]),
    )


def _slopes(
    cells: Sequence[Cell], pins: Sequence[Pinned], variance: float, dof: int, notes: list[str]
) -> tuple[Slope, ...]:
    columns = {name: [getattr(cell, name) for cell in cells] for name in ("C", "N")}
    logs = {name: np.log(np.array(values, float)) for name, values in columns.items() if None not in values}
    moving = {name: values - values.mean() for name, values in logs.items() if np.ptp(values) > SPREAD}
    kept: dict[str, Floats] = {}
    for name, values in moving.items():
        tried = np.column_stack([np.ones(len(cells)), *kept.values(), values])
        if len(cells) < tried.shape[1] or np.linalg.cond(tried / np.linalg.norm(tried, axis=0)) > 1e3:
            notes.append(f"the cells do not tell a movement with {name} from the rest, so it is no term of the surface")
        else:
            kept[name] = values
    return tuple(_slope(name, kept, pins, variance, dof) for name in kept)


def _slope(name: str, logs: Mapping[str, Floats], pins: Sequence[Pinned], variance: float, dof: int) -> Slope:
    """Return one coefficient of the surface with its profile interval."""
    others = [values for other, values in logs.items() if other != name]
    terms = np.column_stack([np.ones(len(pins)), *others, logs[name]])
    theta, residual = _best(pins, terms)
    widest = max(each.high for each in pins) - min(each.low for each in pins)
    scan = theta[-1] + np.linspace(-1, 1, 201) * 2 * widest / np.ptp(logs[name])
    inside = _descend(pins, terms, scan[:, None])[1] <= residual + t_quantile(dof) ** 2 * variance
    for _ in range(2):  # refine the scan around the interval
        lo, hi = scan[inside][0] if inside.any() else theta[-1], scan[inside][-1] if inside.any() else theta[-1]
        if inside[0] or inside[-1]:
            break
        step = scan[1] - scan[0]
        scan = np.linspace(lo - step, hi + step, 201)
        inside = _descend(pins, terms, scan[:, None])[1] <= residual + t_quantile(dof) ** 2 * variance
    kept = scan[inside] if inside.any() else np.array([theta[-1]])
    return Slope(
        by=name,
        value=float(theta[-1]),
        lo=None if inside[0] else float(min(kept[0], theta[-1])),
        hi=None if inside[-1] else float(max(kept[-1], theta[-1])),
    )


def _detectable(pins: Sequence[Pinned], x0: float, variance: float, dof: int) -> float | None:
    """Return the movement from the first to the last cell at which the test reaches its power; null above 3."""
    from scipy.special import fdtri, ncfdtr

    shapes = [each.shape(x0) for each in pins]
    steps = np.linspace(-0.5, 0.5, len(pins))
    shape_dof = len(pins) - 1
    critical = float(fdtri(shape_dof, dof, 1 - LEVEL))

    def power(movement: float) -> float:
        moved = [each.moved(x0 + movement * step, shape) for each, step, shape in zip(pins, steps, shapes, strict=True)]
        excess = _best(moved, np.ones((len(moved), 1)))[1]
        return float(1 - ncfdtr(shape_dof, dof, max(excess, 0.0) / variance, critical))

    low, high = 0.0, 3.0
    if variance <= 0 or power(high) < POWER:
        return None
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (low, middle) if power(middle) >= POWER else (middle, high)
    return high


def _ratio(explained: float, variance: float) -> float:
    return explained / variance if variance > 0 else (0.0 if explained == 0 else math.inf)
