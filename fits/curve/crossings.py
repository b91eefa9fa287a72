"""The rates at which the MoE curve crosses the loss of a dense arm: between them MoE has the lower loss.

The dense runs are fitted together with the curve. Each dense arm has its own level, and shares the blocks and the noise
of the curve, so the interval of a crossing includes the noise of the dense runs.
"""

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fits.curve.least_squares import CurveData, FittedCurve, fit_basis
from fits.curve.optimum import threshold_crossing
from fits.curve.shapes import ShapeFits, shape_fits
from fits.laws.curve_basis import Basis, Curve
from fits.result import Crossing
from fits.runs.select_arms import positions, seed_blocks
from fits.runs.table import Floats, RunTable
from fits.status import Status, Why

SIDES = ("low", "high")


def crossings(table: RunTable, law: Curve, of: str) -> tuple[Crossing, ...]:
    """Return, for each dense arm of `table`, where the curve crosses its loss below and above the minimum.

    The curve of `law` gives the estimates, and random curves with one minimum (`fits.curve.shapes`) the intervals.
    """
    on = table.routed()
    if on.all() or not on.any():
        return ()
    x = np.zeros(len(table))
    x[on] = positions(table.only(on), of)
    loss, labels, seeds = table.numbers("loss"), _labels(table, on), seed_blocks(table)
    found = list[Crossing]()
    for dense in dict.fromkeys(labels[~on].tolist()):
        basis, blocks = law.basis(x[on]), np.hstack([_levels(labels, on, dense), seeds])
        if _excess(basis, x, loss, blocks, on) is None:  # the runs cannot separate the seeds from the curve
            blocks = blocks[:, : blocks.shape[1] - seeds.shape[1]]
        own = _excess(basis, x, loss, blocks, on)
        if own is not None:
            shapes = shape_fits(CurveData(x=x, loss=loss, blocks=blocks), on)
            found += [_crossing(own, shapes, dense, side) for side in SIDES]
    return tuple(found)


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


def _crossing(own: FittedCurve, shapes: ShapeFits | None, dense: str, side: str) -> Crossing:
    end, at = (own.low, 0) if side == "low" else (own.high, 1)
    facts = {"dense": dense, "side": side}
    unknown = Crossing(dense=dense, side=side, status=Status.NOT_IDENTIFIED, **Why.UNDECIDED.because(**facts))
    if own.height(np.array([own.lowest]))[0] >= 0:
        return replace(unknown, **Why.ALWAYS_HIGHER.because(**facts))
    if shapes is None or shapes.levels[1] >= 0:  # the lowest point is not significantly below the dense loss
        return unknown
    point = threshold_crossing(own.height, 0.0, own.lowest, end)
    ends = shapes.ends(np.maximum(-shapes.draws.level, 0.0))[at]
    lo, hi = (None if place == end else math.exp(place) for place in (min(*ends, point), max(*ends, point)))
    if point == end:
        return replace(unknown, lo=lo, hi=hi, status=Status.EDGE, **Why.STILL_LOWER.because(**facts))
    why = Why.LOWER_ABOVE if side == "low" else Why.LOWER_BELOW
    found = replace(unknown, lo=lo, hi=hi, status=Status.CONVERGED, **why.because(**facts))
    return replace(found, value=math.exp(point))
