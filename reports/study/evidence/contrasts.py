"""Arms against arms: each side of the lowest MoE arm, and its lead over the dense arms, measured without a curve.

These are differences of mean losses within one series (`fits.compare.means`): seeds are blocks among MoE arms of one
shape, and dense and MoE are independent. Each also carries the standard error of one pooled variance without blocks.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from fits.compare.means import ArmDifference, ArmMeans
from fits.intervals import TEST_LEVEL
from fits.repeats.tost import tost
from reports.study.evidence import Evidence
from reports.study.evidence.arms import Arm, Series, mean_of

CLEAR, SUGGESTIVE, OPEN, UNSAMPLED, UNJUDGED = "clear", "suggestive", "not resolved", "not sampled", "not judged"
"""Verdicts on a side, see `Side.verdict`."""


@dataclass(frozen=True, kw_only=True)
class Lowest:
    """The MoE arm of a series with the lowest mean loss."""

    arm: Arm
    """That arm."""
    rates: tuple[float, ...]
    """The r_a of all MoE arms with a finished run, ascending."""

    @property
    def end(self) -> str | None:
        """low or high where it is the arm at that end of the rates; null where it is between them."""
        rate = self.arm.spec.r_a
        return "low" if rate == self.rates[0] else "high" if rate == self.rates[-1] else None


@dataclass(frozen=True, kw_only=True)
class Side:
    """The rise of the loss from the lowest MoE arm to the end of the rates on one side."""

    side: str
    """left (fewer active parameters) or right."""
    end: Arm
    """The arm at that end."""
    lowest: Arm
    """The MoE arm with the lowest mean loss."""
    tried: int
    """Number of arms among which the lowest was chosen: all except that end."""
    difference: ArmDifference | None
    """Mean loss of the end less that of the lowest arm; null where the lowest arm is that end."""

    @property
    def errors(self) -> float | None:
        """The rise in standard errors; null without a standard error."""
        if self.difference is None or not self.difference.se:
            return None
        return self.difference.value / self.difference.se

    @property
    def verdict(self) -> str:
        """What the rise shows.

        clear: its 95 % interval, widened for the choice of the lowest arm, is above zero. suggestive: only the interval
        without the widening is. not resolved: neither is. not sampled: no arm on that side. not judged: one seed.
        """
        if self.difference is None:
            return UNSAMPLED
        single, chosen = self.difference.half(), self.difference.half(self.tried)
        if single is None or chosen is None:
            return UNJUDGED
        return CLEAR if self.difference.value > chosen else SUGGESTIVE if self.difference.value > single else OPEN


@dataclass(frozen=True, kw_only=True)
class Lead:
    """By how much the loss of the best MoE arm of a series is lower than that of a dense arm of the same budget."""

    series: Series
    """The series."""
    over: str
    """matched: the dense arm of the same N. best: the dense arm with the lowest mean loss, of any N."""
    moe: Arm
    """The MoE arm with the lowest mean loss."""
    dense: Arm
    """The dense arm."""
    tried: int
    """Number of pairs of arms among which this one was chosen."""
    n: int
    """Number of seeds that both arms have finished."""
    difference: ArmDifference
    """Mean loss of the dense arm less that of the MoE arm; positive where MoE is lower."""
    bpb: float | None
    """The difference of their mean bits per byte."""
    is_best: bool
    """Whether this dense arm has the lowest mean loss of all dense arms of the series, including controls."""

    @property
    def n_dense(self) -> int:
        """Number of dense arms of the series with finished runs, including controls."""
        return sum(bool(arm.done) for arm in (*self.series.dense, *self.series.controls))

    @property
    def margin(self) -> float | None:
        """Loss difference that does not matter, as fixed for the optimum of the series."""
        optimum = self.series.fit.optimum if self.series.fit else None
        return None if optimum is None else optimum.margin

    @property
    def equivalence(self) -> float | None:
        """p of the two one-sided tests (TOST) that dense and MoE are within the margin of each other.

        Adjusted for the choice among `tried`; null without a margin or a standard error.
        """
        found = self.difference
        if self.margin is None or found.se is None:
            return None
        return min(1.0, self.tried * tost(found.value, found.se, found.dof, self.margin))

    @property
    def verdict(self) -> str:
        """equivalent (TOST p < 0.05), MoE lower, dense lower (the interval excludes zero), or not resolved."""
        if self.equivalence is not None and self.equivalence < TEST_LEVEL:
            return "equivalent"
        low, high = self.ends or (-math.inf, math.inf)
        return "MoE lower" if low > 0 else "dense lower" if high < 0 else OPEN

    @property
    def ends(self) -> tuple[float, float] | None:
        """Ends of the 95 % interval in nats, widened for the choice among `tried`; null for one seed."""
        half = self.difference.half(self.tried)
        return None if half is None else (self.difference.value - half, self.difference.value + half)


def lowest_of(series: Series) -> Lowest | None:
    """Return the MoE arm with the lowest mean loss; None where none has a finished run."""
    arms = [arm for arm in series.moe if arm.done]
    if not arms:
        return None
    return Lowest(arm=min(arms, key=_mean), rates=tuple(sorted({arm.spec.r_a for arm in arms})))


def sides(series: Series) -> tuple[Side, ...]:
    """Return the left and the right side of the lowest MoE arm; no sides below three rates."""
    lowest = lowest_of(series)
    if lowest is None or len(lowest.rates) < 3:
        return ()
    arms = [arm for arm in series.moe if arm.done]
    found, best = means(arms), lowest.arm

    def side(name: str, end: Arm) -> Side:
        rise = None if end.spec.r_a == best.spec.r_a else found.difference(end.label, best.label)
        return Side(side=name, end=end, lowest=best, tried=len(arms) - 1, difference=rise)

    return side("left", arms[0]), side("right", arms[-1])


def leads(series: Series) -> tuple[Lead, ...]:
    """Return the lead over the matched dense arm, and over the best dense arm where that is a different one."""
    moe, dense = ([arm for arm in arms if arm.done] for arms in (series.moe, (*series.dense, *series.controls)))
    matched = [arm for arm in dense if arm in series.dense]
    if not moe or not dense:
        return ()
    found, best = means([*moe, *dense]), min(moe, key=_mean)
    rivals = [("matched", min(matched, key=_mean), len(moe))] if matched else []
    strongest = min(dense, key=_mean)
    if strongest not in matched:
        rivals.append(("best", strongest, len(moe) * len(dense)))
    return tuple(
        Lead(
            series=series,
            over=over,
            moe=best,
            dense=rival,
            tried=tried,
            n=len(_seeds(best) & _seeds(rival)),
            difference=found.difference(rival.label, best.label),
            bpb=_bpb(rival, best),
            is_best=rival is strongest,
        )
        for over, rival, tried in rivals
    )


def all_leads(evidence: Evidence) -> tuple[Lead, ...]:
    """Return the leads of every series."""
    return tuple(lead for series in evidence.series for lead in leads(series))


def means(arms: Iterable[Arm]) -> ArmMeans:
    """Return the mean losses of the finished runs of `arms`, by label."""
    runs = [(arm, r.spec.training.seed, r.loss) for arm in arms for r in arm.done if r.loss is not None]
    families = [_family(arm) for arm, _, _ in runs]
    return ArmMeans([arm.label for arm, _, _ in runs], [run[1] for run in runs], [run[2] for run in runs], families)


def _family(arm: Arm) -> tuple[object, ...]:
    """Return what arms share that can start from one initial state: dense or MoE, width and depth."""
    return arm.is_dense, arm.spec.shape.d_model, arm.spec.shape.n_layers


def _mean(arm: Arm) -> float:
    loss = arm.mean("loss")
    return math.inf if loss is None else loss


def _seeds(arm: Arm) -> set[int]:
    return {record.spec.training.seed for record in arm.done}


def _bpb(dense: Arm, moe: Arm) -> float | None:
    ends = mean_of(r.bpb for r in dense.done), mean_of(r.bpb for r in moe.done)
    return None if ends[0] is None or ends[1] is None else ends[0] - ends[1]
