"""The rates at which the MoE curve crosses the loss of a dense arm: between them MoE has the lower loss.

The dense runs are fitted together with the curve. Each dense arm has its own level, and shares the blocks and the noise
of the curve, so the interval of a crossing includes the noise of the dense runs.
"""

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fits.curve.lack_of_fit import DOUBTED, REJECTED, misfit
from fits.curve.least_squares import CurveData, FittedCurve, fit_basis
from fits.curve.optimum import ThresholdCrossing, threshold_crossing
from fits.laws.curve_basis import Basis, Curve, Powers
from fits.result import Crossing
from fits.runs.select_arms import positions, seed_blocks
from fits.runs.table import Floats, RunTable
from fits.status import Status, Why

SIDES = ("low", "high")


def crossings(table: RunTable, law: Curve, data: CurveData, of: str) -> tuple[Crossing, ...]:
    """Return, for each dense arm of `table`, where the curve crosses its loss below and above the minimum.

    `data` are the MoE runs. Wider polynomials give the intervals, so they do not assume the curve of `law`.
    """
    on = table.routed()
    if on.all() or not on.any():
        return ()
    x = np.zeros(len(table))
    x[on] = positions(table.only(on), of)
    loss, labels, seeds = table.numbers("loss"), _labels(table, on), seed_blocks(table)
    references, found = _wider(data), list[Crossing]()
    for dense in dict.fromkeys(labels[~on].tolist()):
        basis, blocks = law.basis(x[on]), np.hstack([_levels(labels, on, dense), seeds])
        if _excess(basis, x, loss, blocks, on) is None:  # the runs cannot separate the seeds from the curve
            blocks = blocks[:, : blocks.shape[1] - seeds.shape[1]]
        own = _excess(basis, x, loss, blocks, on)
        wider = [_excess(each, x, loss, blocks, on) for each in references]
        if own is not None:
            found += [_crossing(own, [each for each in wider if each is not None], dense, side) for side in SIDES]
    return tuple(found)


def _wider(data: CurveData) -> list[Basis]:
    """Return the cubic, and wider polynomials for as long as the last one is doubted, without the rejected ones."""
    kept: list[Basis] = []
    for size in (4, 5, 6):
        curve = data.fit(Powers(size))
        if curve is None or curve.dof < 1:
            break
        p = misfit(data, curve)
        if p is None or p >= REJECTED:
            kept.append(curve.basis)
        if p is None or p >= DOUBTED:
            break
    return kept


def _labels(table: RunTable, on: NDArray[np.bool_]) -> NDArray[np.str_]:
    """Return the name of each run's arm, shape (n,); dense runs without a name are told apart by N and C."""
    if table.has("arm"):
        return np.array(table.frame["arm"].astype(str).to_list(), dtype=str)
    parts = [[f"{name} {value:.3g}" for value in table.numbers(name)] for name in ("N", "C") if table.has(name)]
    names = np.array([" ".join(("dense", *words)) for words in zip(*parts, strict=True)] or ["dense"] * len(table))
    return names if len(set(names[~on].tolist())) > 1 else np.full(len(table), "dense")


def _levels(labels: NDArray[np.str_], on: NDArray[np.bool_], dense: str) -> Floats:
    """Return the level of `dense` (a constant) and the difference of each other dense arm to it, shape (n, arms)."""
    others = [name for name in dict.fromkeys(labels[~on].tolist()) if name != dense]
    columns = [np.ones(len(labels)), *((labels == name) & ~on for name in others)]
    return np.column_stack(columns).astype(float)


def _excess(basis: Basis, x: Floats, loss: Floats, blocks: Floats, on: NDArray[np.bool_]) -> FittedCurve | None:
    """Return the MoE loss less the loss of the dense arm as a curve; None without degrees of freedom for an error."""
    curve = fit_basis(basis, x, loss, blocks, on)
    return curve if curve is not None and curve.dof >= 1 else None


def _crossing(own: FittedCurve, wider: list[FittedCurve], dense: str, side: str) -> Crossing:
    end = own.low if side == "low" else own.high
    facts = {"dense": dense, "side": side}
    unknown = Crossing(dense=dense, side=side, status=Status.NOT_IDENTIFIED, **Why.UNDECIDED.because(**facts))
    if own.height(np.array([own.lowest]))[0] >= 0:
        return replace(unknown, **Why.ALWAYS_HIGHER.because(**facts))
    if not wider or any(_undecided(each) for each in wider):
        return unknown
    way = _widened(_crosses(own, end).point, [_crosses(each, end) for each in wider], end)
    bounds = [None if place == end else math.exp(place) for place in (way.surely, way.first)]
    lo, hi = bounds if side == "low" else bounds[::-1]
    if way.point == end:
        return replace(unknown, lo=lo, hi=hi, status=Status.EDGE, **Why.STILL_LOWER.because(**facts))
    why = Why.LOWER_ABOVE if side == "low" else Why.LOWER_BELOW
    found = replace(unknown, lo=lo, hi=hi, status=Status.CONVERGED, **why.because(**facts))
    return replace(found, value=math.exp(way.point))


def _crosses(curve: FittedCurve, end: float) -> ThresholdCrossing:
    return threshold_crossing(curve.at, 0.0, curve.lowest, end, curve.t)


def _widened(point: float, references: list[ThresholdCrossing], end: float) -> ThresholdCrossing:
    """Return the hull of the references' intervals and of the curve's own `point`."""
    inner = [point, *(each.first for each in references)]
    outer = [point, *(each.surely for each in references)]

    def distance(x: float) -> float:
        return abs(x - end)

    return ThresholdCrossing(first=max(inner, key=distance), point=point, surely=min(outer, key=distance))


def _undecided(curve: FittedCurve) -> bool:
    """Whether the lowest point of the curve is not significantly below the dense loss."""
    depth, error = (float(each[0]) for each in curve.at(np.array([curve.lowest])))
    return depth + curve.t * error >= 0
