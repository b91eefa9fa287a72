"""Does repeated data equal fresh data? Pairs of runs that differ in unique tokens alone, and what follows from them.

A run that repeats its data (epochs = D / U > 1) is paired with the fresh run of the same arm, D and seed. Its excess is
the loss that repetition added. Equal means equal within a margin fixed before the runs, which two one-sided tests
(TOST) show; a difference that is merely not significant shows nothing.

How the excess grows: with the effective tokens of arXiv 2305.16264 (eq. 5),

    D' = U + U R (1 - exp(-(epochs - 1) / R)),  to first order in 1 / R  ln(D / D') = (epochs - 1)^2 / (2 epochs R),

and the loss falling by `slope` per unit of ln D, the excess is cost * (epochs - 1)^2 / (2 epochs), cost = slope / R.
The cost is all that the pairs can tell; R itself needs the slope.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fits.intervals import TEST_LEVEL, t_quantile
from fits.repeats.pairs import TOLERANCE, Pair, knows_epochs, pairs_of
from fits.repeats.tost import equivalence_power, smallest_margin, tost
from fits.runs.series import schemes
from fits.runs.table import RunTable
from planners.records.errors import UsageError

FIRST_ORDER = 0.5
"""(epochs - 1) / R up to which the formula's first order is within 10 % of it."""
VERDICTS = ("equivalent", "worse", "better", "undecided")


@dataclass(frozen=True, kw_only=True)
class Equivalence:
    """Whether the repeated runs of a group lose no more than the margin against fresh ones."""

    of: str
    """The group: all arms, dense, MoE, or one activation rate."""
    epochs: tuple[float, float]
    """Fewest and most epochs in the group."""
    n: int
    """Independent differences: seeds where there are several, else pairs."""
    excess: float
    """Mean excess, nats per token."""
    lo: float | None
    """Lower end of its 95 % interval; null for one difference."""
    hi: float | None
    """Upper end."""
    sd: float | None
    """SD of the differences."""
    margin: float | None
    """Excess that counts as none; null where no margin was given, and then nothing is concluded."""
    p: float | None
    """p of the two one-sided tests (TOST): the chance of such a result if the excess were at the margin."""
    power: float | None
    """Chance that this test says `equivalent` where there is no excess at all, at this n and SD."""
    smallest: float | None
    """Smallest margin at which that chance is 80 %: what this design could have shown."""
    worth: float | None
    """Fresh tokens that one repeated token stands for, D' / D = exp(-excess / slope); null without a slope."""
    worth_lo: float | None
    """Lower end of its 95 % interval."""
    worth_hi: float | None
    """Upper end."""
    verdict: str
    """equivalent (p < .05), worse or better (the whole interval lies beyond the margin), else undecided."""

    @property
    def words(self) -> str:
        """The verdict with the margin; of what is undecided at it, on which side of zero the interval lies."""
        side = None if self.lo is None or self.hi is None else "worse" if self.lo > 0 else "better"
        if side is None or (side == "better" and (self.hi or 0) >= 0) or self.verdict != "undecided":
            return self.verdict if self.margin is None else f"{self.verdict} at the margin of {self.margin:.2g}"
        beyond = "" if self.margin is None else f"; whether by more than {self.margin:.2g} is undecided"
        return f"{side} than fresh{beyond}"


@dataclass(frozen=True, kw_only=True)
class Cost:
    """How the excess grows with epochs; see the module for the formula."""

    of: str
    """The group: all arms, dense or MoE."""
    n: int
    """Independent estimates: seeds where there are several, else pairs."""
    value: float
    """Nats per token for one unit of (epochs - 1)^2 / (2 epochs)."""
    lo: float | None
    """Lower end of its 95 % interval."""
    hi: float | None
    """Upper end."""
    free_epochs: float | None
    """Epochs at which the excess reaches the margin; null where that lies beyond the epochs that were run.

    Null too where the pairs have one number of epochs: they show nothing of how the excess grows.
    """
    free_lo: float | None
    """Lower end of its 95 % interval; the largest number of epochs run where it lies beyond them."""
    free_hi: float | None
    """Upper end; null where it lies beyond the epochs that were run."""
    half_life: float | None
    """R of arXiv 2305.16264 (its R_D*) = slope / cost; null without a slope or where the cost is not positive."""
    half_life_lo: float | None
    """Lower end of its 95 % interval."""
    half_life_hi: float | None
    """Upper end; null where the interval of the cost reaches zero."""


@dataclass(frozen=True, kw_only=True)
class Interaction:
    """Whether repetition costs MoE arms more than dense ones."""

    value: float
    """Cost of the MoE arms less cost of the dense ones."""
    lo: float
    """Lower end of its 95 % interval."""
    hi: float
    """Upper end."""
    p: float
    """Probability of such a difference where there is none (two-sided t)."""


@dataclass(frozen=True, kw_only=True)
class Reuse:
    """What a table says about data that was repeated by one scheme."""

    scheme: str
    """strict (one U for several D) or loose (one number of epochs), with the U or epochs where there are several.

    repeated where one arm repeats its data: then nothing tells these apart.
    """
    pairs: tuple[Pair, ...]
    """The pairs, in the order of the table."""
    equivalences: tuple[Equivalence, ...]
    """All arms, dense and MoE where there are both, then every activation rate."""
    costs: tuple[Cost, ...]
    """All arms, then dense and MoE where there are both."""
    interaction: Interaction | None
    """MoE against dense; null where there are too few pairs to compare."""
    notes: tuple[str, ...]
    """Whatever else the reader must know, one sentence each."""


@dataclass(frozen=True, kw_only=True)
class _Estimate:
    """An estimated mean or cost: its variance and degrees of freedom are null for a single value."""

    value: float
    n: int
    variance: float | None = None
    dof: float = 0.0

    @classmethod
    def of(cls, values: Sequence[float]) -> "_Estimate":
        n = len(values)
        if n < 2:
            return cls(value=float(values[0]), n=n)
        return cls(value=float(np.mean(values)), n=n, variance=float(np.var(values, ddof=1)) / n, dof=n - 1)

    def ends(self) -> tuple[float, float] | tuple[None, None]:
        """Return the 95 % t interval."""
        if self.variance is None:
            return None, None
        half = t_quantile(self.dof) * math.sqrt(self.variance)
        return self.value - half, self.value + half


def reuse(table: RunTable, *, margin: float | None = None, slope: float | None = None) -> tuple[Reuse, ...]:
    """Compare repeated with fresh data in `table` (columns loss, D, U or epochs, those of SAME, seed), by scheme.

    `margin`: excess in nats per token that counts as none. `slope`: -dL / d ln D of the arms, nats, positive; with
    it the half-life R is given. Raises UsageError where there is no pair or a value cannot be true.
    """
    for name, value in (("margin", margin), ("slope", slope)):
        if value is not None and not (math.isfinite(value) and value > 0):
            raise UsageError(f"{name} {value!r} must be a positive number of nats per token, such as 0.005")
    if not knows_epochs(table):
        raise UsageError(f"{table.source} has neither U nor epochs, so no run is known to repeat its data")
    pairs, alone = pairs_of(table)
    if not pairs:
        raise UsageError(
            f"{table.source} holds no run on repeated data with a fresh twin of the same arm, D and seed;"
            " plan both: --unique-tokens fresh,strict"
        )
    found: dict[str, list[Pair]] = {}
    for C in dict.fromkeys(pair.budget for pair in pairs):
        budget = [pair for pair in pairs if pair.budget == C]
        D, U = (np.array([getattr(pair, name) for pair in budget]) for name in "DU")
        for key, of in schemes(D, U, np.ones(len(D), bool)):
            found.setdefault(str(key), []).extend(budget[at] for at in np.flatnonzero(of))
    return tuple(_of_scheme(name, members, alone, margin, slope) for name, members in found.items())


def _of_scheme(scheme: str, pairs: list[Pair], alone: int, margin: float | None, slope: float | None) -> Reuse:
    notes = [f"{alone} repeated runs have no fresh twin and are not compared"] if alone else []
    if margin is None:
        notes.append("no margin was given, so nothing is called equal")
    if len({pair.seed for pair in pairs}) == 1:
        notes.append("one seed: the subset of the data that was repeated is one draw, and its luck is in every number")
    if not several_epochs(pairs):
        notes.append("all pairs have one number of epochs, so how the excess grows with epochs is not tested")
    groups = _groups(pairs)
    if len(groups) > 2:
        notes.append(f"{len(groups)} groups are tested, each at its own 5 %")
    costs = {of: _cost(of, members, margin, slope) for of, members in groups.items() if not of.startswith("r_a")}
    most = max(pair.epochs for pair in pairs)
    if any(cost.half_life is not None and (most - 1) / cost.half_life > FIRST_ORDER for cost in costs.values()):
        notes.append(f"R_D* is to first order in (epochs - 1) / R_D*, and with {most:.3g} epochs it is too large")
    return Reuse(
        scheme=scheme,
        pairs=tuple(pairs),
        equivalences=tuple(_equivalence(of, members, margin, slope) for of, members in groups.items()),
        costs=tuple(costs.values()),
        interaction=_interaction(groups),
        notes=tuple(notes),
    )


def _groups(pairs: Sequence[Pair]) -> dict[str, list[Pair]]:
    """Return the pairs by group: all, dense and MoE where there are both, then by activation rate."""
    groups = {"all arms": list(pairs)}
    dense, routed = [p for p in pairs if p.dense], [p for p in pairs if not p.dense]
    if dense and routed:
        groups |= {"dense": dense, "MoE": routed}
    rates = sorted({round(pair.r_a, 4) for pair in routed if pair.r_a is not None})
    if len(rates) > 1:
        groups |= {f"r_a {rate:.4g}": [p for p in routed if round(p.r_a or 0, 4) == rate] for rate in rates}
    return groups


def _by_seed(pairs: Sequence[Pair]) -> dict[str | None, list[Pair]]:
    found: dict[str | None, list[Pair]] = {}
    for pair in pairs:
        found.setdefault(pair.seed, []).append(pair)
    return found


def _differences(pairs: Sequence[Pair]) -> list[float]:
    """Return one mean excess a seed where there are several seeds, since a seed moves all arms; else one a pair."""
    seeds = _by_seed(pairs)
    if len(seeds) > 1:
        return [float(np.mean([pair.excess for pair in members])) for members in seeds.values()]
    return [pair.excess for pair in pairs]


def _equivalence(of: str, pairs: Sequence[Pair], margin: float | None, slope: float | None) -> Equivalence:
    values = _differences(pairs)
    mean, epochs = _Estimate.of(values), [pair.epochs for pair in pairs]
    sd = None if mean.variance is None else math.sqrt(mean.variance * mean.n)
    p = None if margin is None or sd is None else tost(values, margin)
    lo, hi = mean.ends()
    return Equivalence(
        of=of,
        epochs=(min(epochs), max(epochs)),
        n=mean.n,
        excess=mean.value,
        lo=lo,
        hi=hi,
        sd=sd,
        margin=margin,
        p=p,
        power=None if margin is None or sd is None else equivalence_power(margin, sd, mean.n),
        smallest=None if sd is None else smallest_margin(sd, mean.n),
        worth=_worth(mean.value, slope),
        worth_lo=_worth(hi, slope),
        worth_hi=_worth(lo, slope),
        verdict=_verdict(p, lo, hi, margin),
    )


def _worth(excess: float | None, slope: float | None) -> float | None:
    return None if excess is None or slope is None else math.exp(-excess / slope)


def _verdict(p: float | None, lo: float | None, hi: float | None, margin: float | None) -> str:
    if p is None or lo is None or hi is None or margin is None:
        return "undecided"
    if p < TEST_LEVEL:
        return "equivalent"
    return "worse" if lo > margin else "better" if hi < -margin else "undecided"


def _estimated_cost(pairs: Sequence[Pair]) -> _Estimate:
    """Return the cost: the mean over seeds of each seed's, or least squares over the pairs of one seed."""
    seeds = _by_seed(pairs)
    if len(seeds) > 1:
        return _Estimate.of([_least_squares(members).value for members in seeds.values()])
    return _least_squares(pairs)


def _least_squares(pairs: Sequence[Pair]) -> _Estimate:
    """Fit excess = cost * growth through the origin, since one epoch costs nothing."""
    growth = np.array([(pair.epochs - 1) ** 2 / (2 * pair.epochs) for pair in pairs])
    excess = np.array([pair.excess for pair in pairs])
    value, dof = float(growth @ excess / (growth @ growth)), len(pairs) - 1
    if dof == 0:
        return _Estimate(value=value, n=1)
    variance = float(np.sum((excess - value * growth) ** 2)) / dof / float(growth @ growth)
    return _Estimate(value=value, n=len(pairs), variance=variance, dof=dof)


def _cost(of: str, pairs: Sequence[Pair], margin: float | None, slope: float | None) -> Cost:
    cost, most, grows = _estimated_cost(pairs), max(pair.epochs for pair in pairs), several_epochs(pairs)
    lo, hi = cost.ends()

    def free(cost: float | None) -> float | None:
        epochs = None if margin is None or cost is None or cost <= 0 or not grows else _free_epochs(margin / cost)
        return epochs if epochs is not None and epochs <= most else None

    def half_life(cost: float | None) -> float | None:
        return None if slope is None or cost is None or cost <= 0 else slope / cost

    return Cost(
        of=of,
        n=cost.n,
        value=cost.value,
        lo=lo,
        hi=hi,
        free_epochs=free(cost.value),
        free_lo=None if margin is None or hi is None or not grows else free(hi) or most,
        free_hi=free(lo),
        half_life=half_life(cost.value),
        half_life_lo=half_life(hi),
        half_life_hi=half_life(lo),
    )


def several_epochs(pairs: Sequence[Pair]) -> bool:
    """Return whether the pairs have two numbers of epochs or more, which differ by more than a table's digits."""
    epochs = [pair.epochs for pair in pairs]
    return max(epochs) > min(epochs) * (1 + TOLERANCE)


def _free_epochs(ratio: float) -> float:
    """Return the epochs > 1 with (epochs - 1)^2 / (2 epochs) = ratio."""
    return 1 + ratio + math.sqrt((1 + ratio) ** 2 - 1)


def _interaction(groups: dict[str, list[Pair]]) -> Interaction | None:
    """Compare the two costs seed by seed where they share several seeds, else as two samples (Welch)."""
    if "MoE" not in groups:
        return None
    difference = _cost_difference(groups["MoE"], groups["dense"])
    if difference is None or difference.variance is None:
        return None
    from scipy.special import stdtr

    half = t_quantile(difference.dof) * math.sqrt(difference.variance)
    size = abs(difference.value) / math.sqrt(difference.variance) if difference.variance else math.inf
    return Interaction(
        value=difference.value,
        lo=difference.value - half,
        hi=difference.value + half,
        p=2 * float(stdtr(difference.dof, -size)),
    )


def _cost_difference(routed: Sequence[Pair], dense: Sequence[Pair]) -> _Estimate | None:
    ours, theirs = _by_seed(routed), _by_seed(dense)
    shared = [seed for seed in ours if seed in theirs]
    if len(shared) > 1:
        return _Estimate.of([_least_squares(ours[s]).value - _least_squares(theirs[s]).value for s in shared])
    one, other = _estimated_cost(routed), _estimated_cost(dense)
    if one.variance is None or other.variance is None:
        return None
    variance = one.variance + other.variance
    dof = variance**2 / (one.variance**2 / one.dof + other.variance**2 / other.dof)  # Satterthwaite
    return _Estimate(value=one.value - other.value, n=one.n + other.n, variance=variance, dof=dof)
