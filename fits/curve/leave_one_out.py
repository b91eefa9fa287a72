"""What the interval of the optimum is without each rate: whether a side of the minimum rests on one arm."""

import math

import numpy as np

from fits.curve.least_squares import CurveData
from fits.curve.shapes import shape_fits
from fits.result import Optimum, WithoutRate
from fits.runs.select_arms import positions, seed_blocks
from fits.runs.table import RunTable


def without_each_rate(arms: RunTable, of: str) -> tuple[WithoutRate, ...]:
    """Return the interval of the optimum of the MoE runs `arms` without each value of the column `of` in turn."""
    codes = np.round(positions(arms, of), 6)
    return tuple(_without(arms, of, codes == code) for code in np.unique(codes))


def _without(arms: RunTable, of: str, left_out: "np.ndarray[tuple[int], np.dtype[np.bool_]]") -> WithoutRate:
    kept = arms.only(~left_out)
    x, loss, blocks = positions(kept, of), kept.numbers("loss"), seed_blocks(kept)
    shapes = shape_fits(CurveData(x=x, loss=loss, blocks=blocks))
    if shapes is None:
        shapes = shape_fits(CurveData(x=x, loss=loss, blocks=blocks[:, :0]))
    rate = float(np.exp(positions(arms, of)[left_out][0]))
    names = arms.frame["arm"][left_out].astype(str).unique().tolist() if arms.has("arm") else []
    arm = names[0] if len(names) == 1 else None
    if shapes is None:
        return WithoutRate(rate=rate, arm=arm, tested=False)
    lo, hi = shapes.interval
    return WithoutRate(
        rate=rate,
        arm=arm,
        lo=math.exp(lo) if lo > shapes.means.x[0] else None,
        hi=math.exp(hi) if hi < shapes.means.x[-1] else None,
    )


def one_sided_notes(optimum: Optimum, without: tuple[WithoutRate, ...]) -> list[str]:
    """Return a sentence for each side of the minimum that a single rate samples."""
    if optimum.value is None:
        return []
    sides = {
        "below": [one for one in without if one.rate < optimum.value],
        "above": [one for one in without if one.rate > optimum.value],
    }
    return [
        f"only {arms[0].name} lies {side} the minimum, so the curve on that side rests on this arm alone"
        for side, arms in sides.items()
        if len(arms) == 1
    ]
