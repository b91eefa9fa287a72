"""The compute multiplier: how much more compute, or time, a dense model needs for the loss of an MoE arm.

ln(C2 / C1), where the dense arm reaches a loss with C2 and the MoE arm the same loss with C1. The loss of the MoE arm
is interpolated between its budgets, linearly in ln C (or in ln time) and never beyond them; each run was trained to the
end. The interval holds every C1 at which a 95 % interval of the difference of the two losses contains zero.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from fits.compare.samples import MeanEstimate, sample_mean
from fits.intervals import half_width
from fits.runs.same_budget import groups_of
from fits.runs.series import SeriesKey, series
from fits.runs.table import Floats, RunTable

SCAN = 129
"""Points at which the difference of the losses is tested between the lowest and the highest budget of an arm."""
ONE_BUDGET = (
    "a compute multiplier needs an MoE arm at two budgets or more, so that its loss at another C is known; plan with"
    " --budget C1,C2,C3"
)
NO_DENSE = "a compute multiplier needs a dense arm of equal N; plan with a dense arm (top-k 0)"


class Cost(StrEnum):
    """What is compared at equal loss."""

    FLOPS = "FLOPs"
    TIME = "time"


@dataclass(frozen=True, kw_only=True)
class ComputeMultiplier:
    """One MoE arm against the dense arm at one budget of the dense arm."""

    cost: Cost
    """FLOPs, or device-time as measured (tokens over tokens per second)."""
    moe: str
    """The MoE arm."""
    r_a: float
    """Its activation rate."""
    dense: str
    """The dense arm."""
    C: float
    """Budget of the dense arm, FLOPs."""
    loss: float
    """Its mean loss, at which the two are compared, nats per token."""
    N: float | None = None
    """Size of the series; null where the table has none."""
    value: float | None = None
    """ln(C2 / C1); null where the MoE arm does not pass that loss within its budgets."""
    lo: float | None = None
    """Lower end of the 95 % interval; null if open."""
    hi: float | None = None
    """Upper end of the 95 % interval; null if open."""
    best: bool = False
    """Whether this MoE arm has the lowest mean loss at this budget."""

    @property
    def factor(self) -> str:
        """The multiplier in words: `2.3-fold (95 %: 1.9 to 2.8)`."""
        ends = [None if end is None else f"{math.exp(end):.3g}" for end in (self.lo, self.hi)]
        if self.value is None:
            bound = f"above {ends[0]}" if ends[0] else f"below {ends[1]}" if ends[1] else "not bounded"
            return f"{bound}-fold, beyond the budgets of the MoE arm" if ends[0] or ends[1] else bound
        interval = f"{ends[0] or 'open'} to {ends[1] or 'open'}"
        return f"{math.exp(self.value):.3g}-fold (95 %: {interval})"


@dataclass(frozen=True, kw_only=True)
class _Cell:
    """An arm at one budget."""

    arm: str
    r_a: float
    C: float
    time: float | None
    sample: MeanEstimate

    def x(self, cost: Cost) -> float | None:
        """Return ln of its cost; None where it was not measured."""
        return math.log(self.C) if cost is Cost.FLOPS else None if self.time is None else math.log(self.time)


def compute_multipliers(table: RunTable) -> tuple[tuple[ComputeMultiplier, ...], str | None]:
    """Return the multipliers of every MoE arm at every dense budget, and why there are none (None if there are)."""
    if not (table.has("r_a") and table.has("loss")):
        return (), None
    groups: dict[SeriesKey, list[RunTable]] = {}
    for key, part in series(table).items():
        groups.setdefault(replace(key, C=None), []).append(part)
    found: list[ComputeMultiplier] = []
    reason: str | None = None
    for key, parts in groups.items():
        cells = [cell for part in parts if part.has("C") for cell in _cells(part)]
        dense, moe = ([cell for cell in cells if (cell.r_a == 1) == kind] for kind in (True, False))
        if not moe:
            continue
        if not dense:
            reason = NO_DENSE
            continue
        if len({round(math.log(cell.C), 1) for cell in moe}) < 2:
            reason = ONE_BUDGET
            continue
        found += [one for cost in Cost for one in _of_arms(dense, moe, cost, _size(parts, key))]
    return tuple(found), None if found else reason


def _size(parts: Sequence[RunTable], key: SeriesKey) -> float | None:
    return key.N or (float(np.median(parts[0].numbers("N"))) if parts[0].has("N") else None)


def _cells(part: RunTable) -> Iterator[_Cell]:
    """Yield the dense arm and each rate of one series."""
    rates, routed = np.where(part.routed(), part.rates(), 1.0), part.routed()
    names = part.frame["arm"].astype(str).to_numpy() if part.has("arm") else None
    for code in np.unique(groups_of(rates)):
        rows = groups_of(rates) == code
        one = part.only(rows)
        rate = 1.0 if not routed[rows].any() else float(np.median(rates[rows]))
        name = str(names[rows][0]) if names is not None else "dense" if rate == 1 else f"r_a {rate:.3g}"
        C = float(np.median(one.numbers("C")))
        yield _Cell(arm=name, r_a=rate, C=C, time=_seconds(one), sample=sample_mean(one.numbers("loss").tolist()))


def _seconds(one: RunTable) -> float | None:
    """Return the mean time of the runs: tokens over tokens per second; None where a run has none."""
    if not (one.has("tokens_per_s") and one.has("D")) or one.frame["tokens_per_s"].isna().any():
        return None
    return float(np.mean(one.numbers("D") / one.numbers("tokens_per_s")))


def _of_arms(dense: Sequence[_Cell], moe: Sequence[_Cell], cost: Cost, N: float | None) -> Iterator[ComputeMultiplier]:
    arms: dict[str, list[_Cell]] = {}
    for cell in moe:
        arms.setdefault(cell.arm, []).append(cell)
    for level in sorted(dense, key=lambda cell: cell.C):
        at = level.x(cost)
        here = [cell for cell in moe if abs(cell.C / level.C - 1) < 0.1]
        best = min(here, key=lambda cell: cell.sample.value).arm if here else None
        for name, cells in arms.items():
            line = sorted(((x, cell.sample) for cell in cells if (x := cell.x(cost)) is not None), key=lambda p: p[0])
            if at is None or len(line) < 2:
                continue
            value, lo, hi = _solved(line, level.sample, at)
            yield ComputeMultiplier(
                cost=cost,
                moe=name,
                r_a=cells[-1].r_a,
                dense=level.arm,
                C=level.C,
                loss=level.sample.value,
                N=N,
                value=value,
                lo=lo,
                hi=hi,
                best=name == best,
            )


def _solved(
    line: Sequence[tuple[float, MeanEstimate]], level: MeanEstimate, at: float
) -> tuple[float | None, float | None, float | None]:
    """Return the estimate and the ends of ln C2 - ln C1: `line` is the MoE arm over ln C1, `at` is ln C2."""
    knots = np.array([place for place, _ in line])
    x = np.linspace(knots[0], knots[-1], SCAN)
    over = np.interp(x, knots, [mean.value for _, mean in line]) - level.value
    crossing = _first_zero(x, over)
    value = None if crossing is None else at - crossing
    half = np.array([_half(line, knots, place, level) for place in x.tolist()])
    if np.isnan(half).any():
        return value, None, None
    if (over > half).all():
        return None, None, at - float(x[-1])
    if (over < -half).all():
        return None, at - float(x[0]), None
    cheapest, dearest = _first_zero(x, over - half), _first_zero(x, over + half)
    return value, None if dearest is None else at - dearest, None if cheapest is None else at - cheapest


def _first_zero(x: Floats, y: Floats) -> float | None:
    """Return the x at which y, positive at first, becomes zero, interpolated; None where it is not so."""
    if y[0] <= 0 or (y > 0).all():
        return None
    i = int(np.argmax(y <= 0))
    return float(x[i - 1] + (x[i] - x[i - 1]) * y[i - 1] / (y[i - 1] - y[i]))


def _half(line: Sequence[tuple[float, MeanEstimate]], knots: Floats, place: float, level: MeanEstimate) -> float:
    """Return half the 95 % interval of the difference at one place; NaN where a mean has no variance."""
    i = min(max(int(np.searchsorted(knots, place)) - 1, 0), len(knots) - 2)
    share = (place - knots[i]) / (knots[i + 1] - knots[i])
    terms = ((1 - share, line[i][1]), (share, line[i + 1][1]), (1.0, level))
    if any(sample.variance is None for _, sample in terms):
        return math.nan
    return half_width(*((weight**2 * (sample.variance or 0.0), sample.dof) for weight, sample in terms if weight))


def multipliers_text(found: Sequence[ComputeMultiplier], why_not: str | None) -> list[str]:
    """Return the multiplier of the best MoE arm at each dense budget as lines of text, or why there is none."""
    if why_not is not None:
        return [f"[[Compute multiplier]] withheld: {why_not}"]
    shown = [one for one in found if one.best]
    lines = [
        f"    {one.cost} of {one.dense} at C = {one.C:.3g} (loss {one.loss:.4g}) over those of {one.moe}: {one.factor}"
        for one in shown
    ]
    return ["[[Compute multiplier]] of the MoE arm with the lowest loss at each budget", *lines] if lines else []
