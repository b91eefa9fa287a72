"""Is repeated data as good as fresh data? Equivalence tests and the cost of repetition, from pairs of runs.

A run that repeats its data (epochs = D / U > 1) is paired with the fresh run of the same arm, D and seed. Its excess is
the loss that repetition adds. Two one-sided tests (TOST) can show that the excess is equal to zero within a margin that
was fixed before the runs. A difference that is not significant shows nothing.

The excess grows with epochs. The effective tokens of arXiv 2305.16264 (eq. 5) are

    D' = U + U R (1 - exp(-(epochs - 1) / R)),  to first order in 1 / R  ln(D / D') = (epochs - 1)^2 / (2 epochs R).

If the loss falls by `slope` per unit of ln D, the excess is cost * (epochs - 1)^2 / (2 epochs) with cost = slope / R.
The pairs determine only the cost; R also needs the slope.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from fits.compare.samples import MeanEstimate, sample_mean, welch
from fits.intervals import TEST_LEVEL, t_test
from fits.repeats.heterogeneity import Heterogeneity, heterogeneity_of
from fits.repeats.pairs import TOLERANCE, Pair, knows_epochs, pairs_of
from fits.repeats.tost import equivalence_power, smallest_margin, tost
from fits.runs.series import schemes
from fits.runs.table import RunTable
from planners.records.errors import UsageError

FIRST_ORDER = 0.5
"""(epochs - 1) / R up to which the first order is within 10 % of the full formula."""


@dataclass(frozen=True, kw_only=True)
class Equivalence:
    """Test whether the repeated runs of a group have the loss of fresh runs, within the margin."""

    of: str
    """The group: all arms, dense, MoE, or one activation rate."""
    epochs: tuple[float, float]
    """Fewest and most epochs in the group."""
    n: int
    """Independent differences: seeds, or pairs where the seeds are unknown."""
    excess: float
    """Mean excess, nats per token."""
    lo: float | None
    """Lower end of its 95 % interval; null for one difference."""
    hi: float | None
    """Upper end of it."""
    sd: float | None
    """SD of the differences."""
    margin: float | None
    """Excess that counts as no difference; null if no margin was given, so nothing is concluded."""
    p: float | None
    """p of the two one-sided tests (TOST) that the excess lies outside of the margin."""
    power: float | None
    """Probability that this test says `equivalent` if the excess is zero, at this n and SD."""
    smallest: float | None
    """Smallest margin with a power of 80 %: what this design could have shown."""
    worth: float | None
    """Fresh tokens that one repeated token is worth, D' / D = exp(-excess / slope); null without a slope."""
    worth_lo: float | None
    """Lower end of its 95 % interval."""
    worth_hi: float | None
    """Upper end of it."""
    verdict: str
    """equivalent (p < 0.05), worse or better (the whole interval lies beyond the margin), mixed, or undecided.

    mixed: the mean over arms is equivalent, but the arms differ, or one of them is worse or better. One seed is
    undecided however many arms it has, because they share one draw of the repeated subset.
    """
    unlike: tuple[str, ...] = ()
    """Arms of a mixed group that are not equivalent themselves, with their verdicts."""

    @property
    def words(self) -> str:
        """The verdict and the margin; if undecided, also whether the interval lies above or below zero."""
        if self.verdict == "mixed":
            return f"mixed at the margin of {self.margin:.2g}: {', '.join(self.unlike)}"
        side = None if self.lo is None or self.hi is None else "worse" if self.lo > 0 else "better"
        if side is None or (side == "better" and (self.hi or 0) >= 0) or self.verdict != "undecided":
            return self.verdict if self.margin is None else f"{self.verdict} at the margin of {self.margin:.2g}"
        beyond = "" if self.margin is None else f"; whether by more than {self.margin:.2g} is undecided"
        return f"{side} than fresh{beyond}"


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Growth of the excess with epochs; the docstring of the module has the formula."""

    of: str
    """The group: all arms, dense or MoE."""
    n: int
    """Independent estimates: seeds, or pairs where the seeds are unknown."""
    value: float
    """Nats per token for one unit of (epochs - 1)^2 / (2 epochs)."""
    lo: float | None
    """Lower end of its 95 % interval."""
    hi: float | None
    """Upper end of it."""
    free_epochs: float | None
    """Epochs at which the excess reaches the margin; null beyond the epochs that were run.

    Also null if all pairs have the same number of epochs, because they do not show how the excess grows.
    """
    free_lo: float | None
    """Lower end of its 95 % interval, at most the largest number of epochs that was run."""
    free_hi: float | None
    """Upper end of it; null beyond the epochs that were run."""
    half_life: float | None
    """R of arXiv 2305.16264 (its R_D*) = slope / cost; null without a slope or a positive cost."""
    half_life_lo: float | None
    """Lower end of its 95 % interval."""
    half_life_hi: float | None
    """Upper end of it; null if the interval of the cost reaches zero."""


@dataclass(frozen=True, kw_only=True)
class Interaction:
    """Test whether repetition costs MoE arms more than dense arms."""

    value: float
    """Cost of the MoE arms less cost of the dense arms."""
    lo: float
    """Lower end of its 95 % interval."""
    hi: float
    """Upper end of it."""
    p: float
    """p of a two-sided t test of no difference."""


@dataclass(frozen=True, kw_only=True)
class Reuse:
    """Results for data repeated by one scheme."""

    scheme: str
    """strict (one U for several D) or loose (one number of epochs), with the U or epochs if there are several.

    repeated if only one arm repeats its data, which fits both schemes.
    """
    pairs: tuple[Pair, ...]
    """The pairs, in the order of the table."""
    equivalences: tuple[Equivalence, ...]
    """Tests of all arms, of dense and of MoE arms if there are both, then of each activation rate."""
    costs: tuple[Cost, ...]
    """Costs for all arms, then for dense and for MoE arms if there are both."""
    interaction: Interaction | None
    """MoE compared with dense arms; null for too few pairs."""
    notes: tuple[str, ...]
    """Further remarks, one sentence each."""
    heterogeneity: Heterogeneity | None = None
    """Test of one excess for all arms; null for one arm, or without a repeated measurement."""
    unit: str = "nats"
    """Unit of the loss."""


def reuse(table: RunTable, *, margin: float | None = None, slope: float | None = None) -> tuple[Reuse, ...]:
    """Compare repeated with fresh data in `table`, scheme by scheme.

    The columns are loss, D, U or epochs, and, if present, seed and the columns of `fits.repeats.pairs.SAME`. `margin`
    is the excess that counts as no difference, nats per token. `slope` is -dL / d ln D of the arms, positive; it gives
    the half-life R. Raises UsageError without a pair, and for an impossible value.

    >>> [found] = reuse(read_runs("results/laptop"), margin=0.01)
    >>> len(found.pairs), round(found.equivalences[0].excess, 4)
    (3, 0.0175)
    """
    for name, value in (("margin", margin), ("slope", slope)):
        if value is not None and not (math.isfinite(value) and value > 0):
            raise UsageError(f"{name} {value!r} must be a positive number of nats per token, such as 0.005")
    if not knows_epochs(table):
        raise UsageError(
            f"{table.source} has neither U nor epochs, so repeated data cannot be found; add one of these columns"
        )
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
    schemes_found = (_of_scheme(name, members, alone, margin, slope) for name, members in found.items())
    return tuple(replace(one, unit=table.unit) for one in schemes_found)


def _of_scheme(scheme: str, pairs: list[Pair], alone: int, margin: float | None, slope: float | None) -> Reuse:
    notes = [f"{alone} repeated runs have no fresh twin and are not compared"] if alone else []
    if margin is None:
        notes.append("no margin was given, so nothing is called equal")
    if not several_seeds(pairs):
        seeds = "no column of seeds" if pairs[0].seed is None else "one seed"
        notes.append(
            f"{seeds}: the arms share a single draw (n = 1) of the repeated subset, and its sampling noise is in every"
            " number, so nothing is called equivalent, worse or better; add seeds"
        )
    if not several_epochs(pairs):
        notes.append("all pairs have the same number of epochs, so the growth of the excess with epochs is not tested")
    kinds = _kinds(pairs)
    groups = {**kinds, **_rates(pairs)}
    costs = [_cost(of, members, margin, slope) for of, members in kinds.items()]
    most = max(pair.epochs for pair in pairs)
    if any(cost.half_life is not None and (most - 1) / cost.half_life > FIRST_ORDER for cost in costs):
        notes.append(f"R_D* holds to first order in (epochs - 1) / R_D*; with {most:.3g} epochs it is too large")
    return Reuse(
        scheme=scheme,
        pairs=tuple(pairs),
        equivalences=_equivalences(groups, margin, slope),
        costs=tuple(costs),
        interaction=_interaction(kinds),
        notes=tuple(notes),
        heterogeneity=heterogeneity_of(pairs),
    )


def _equivalences(groups: dict[str, list[Pair]], margin: float | None, slope: float | None) -> tuple[Equivalence, ...]:
    """Return the test of each group; a group whose arms disagree is mixed where its mean is equivalent."""
    found = {of: _equivalence(of, members, margin, slope) for of, members in groups.items()}
    for of, one in found.items():
        arms = [found[other] for other in groups if other not in ("all arms", "MoE") and other != of]
        arms = [arm for arm in arms if of == "all arms" or (of == "MoE" and arm.of != "dense")]
        unlike = tuple(f"{arm.of} is {arm.verdict}" for arm in arms if arm.verdict != "equivalent")
        differ = heterogeneity_of(groups[of])
        beyond = any(arm.verdict in ("worse", "better") for arm in arms)
        if one.verdict == "equivalent" and unlike and (beyond or (differ is not None and differ.p < TEST_LEVEL)):
            found[of] = replace(one, verdict="mixed", unlike=unlike)
    return tuple(found.values())


def _kinds(pairs: Sequence[Pair]) -> dict[str, list[Pair]]:
    """Return all pairs, and those of dense and of MoE arms if there are both."""
    dense, routed = [pair for pair in pairs if pair.dense], [pair for pair in pairs if not pair.dense]
    return {"all arms": list(pairs), **({"dense": dense, "MoE": routed} if dense and routed else {})}


def _rates(pairs: Sequence[Pair]) -> dict[str, list[Pair]]:
    """Return the pairs of MoE arms by activation rate, if there are several rates."""
    known = [(round(pair.r_a, 4), pair) for pair in pairs if not pair.dense and pair.r_a is not None]
    rates = sorted({rate for rate, _ in known})
    if len(rates) < 2:
        return {}
    return {f"r_a {rate:.4g}": [pair for own, pair in known if own == rate] for rate in rates}


def _by_seed(pairs: Sequence[Pair]) -> dict[str | None, list[Pair]]:
    found: dict[str | None, list[Pair]] = {}
    for pair in pairs:
        found.setdefault(pair.seed, []).append(pair)
    return found


def several_seeds(pairs: Sequence[Pair]) -> bool:
    """Return whether the pairs have several seeds, so several draws of the repeated subset."""
    return len({pair.seed for pair in pairs}) > 1


def _differences(pairs: Sequence[Pair]) -> list[float]:
    """Return the mean excess of each seed, as a seed shifts all arms; of each pair where the seeds are unknown."""
    seeds = _by_seed(pairs)
    if None not in seeds:
        return [float(np.mean([pair.excess for pair in members])) for members in seeds.values()]
    return [pair.excess for pair in pairs]


def _equivalence(of: str, pairs: Sequence[Pair], margin: float | None, slope: float | None) -> Equivalence:
    values = _differences(pairs)
    mean, epochs = sample_mean(values), [pair.epochs for pair in pairs]
    sd = None if mean.variance is None else math.sqrt(mean.variance * mean.n)
    p = None if margin is None or mean.variance is None else tost(mean.value, mean.variance**0.5, mean.dof, margin)
    lo, hi = mean.ends
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
        verdict=_verdict(p, lo, hi, margin) if several_seeds(pairs) else "undecided",
    )


def _worth(excess: float | None, slope: float | None) -> float | None:
    return None if excess is None or slope is None else math.exp(-excess / slope)


def _verdict(p: float | None, lo: float | None, hi: float | None, margin: float | None) -> str:
    if p is None or lo is None or hi is None or margin is None:
        return "undecided"
    if p < TEST_LEVEL:
        return "equivalent"
    return "worse" if lo > margin else "better" if hi < -margin else "undecided"


def _estimated_cost(pairs: Sequence[Pair]) -> MeanEstimate:
    """Return the cost: the mean of the costs of the seeds, or least squares over the pairs where seeds are unknown."""
    seeds = _by_seed(pairs)
    if None not in seeds:
        return sample_mean([_least_squares(members).value for members in seeds.values()])
    return _least_squares(pairs)


def _least_squares(pairs: Sequence[Pair]) -> MeanEstimate:
    """Fit excess = cost * growth through the origin, because one epoch has no excess."""
    growth = np.array([(pair.epochs - 1) ** 2 / (2 * pair.epochs) for pair in pairs])
    excess = np.array([pair.excess for pair in pairs])
    value, dof = float(growth @ excess / (growth @ growth)), len(pairs) - 1
    if dof == 0:
        return MeanEstimate(value=value, n=1)
    variance = float(np.sum((excess - value * growth) ** 2)) / dof / float(growth @ growth)
    return MeanEstimate(value=value, n=len(pairs), variance=variance, dof=dof)


def _cost(of: str, pairs: Sequence[Pair], margin: float | None, slope: float | None) -> Cost:
    cost, most, grows = _estimated_cost(pairs), max(pair.epochs for pair in pairs), several_epochs(pairs)
    lo, hi = cost.ends

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
    """Return whether the numbers of epochs differ by more than the digits of a printed table."""
    epochs = [pair.epochs for pair in pairs]
    return max(epochs) > min(epochs) * (1 + TOLERANCE)


def _free_epochs(ratio: float) -> float:
    """Return the epochs > 1 with (epochs - 1)^2 / (2 epochs) = ratio."""
    return 1 + ratio + math.sqrt((1 + ratio) ** 2 - 1)


def _interaction(groups: dict[str, list[Pair]]) -> Interaction | None:
    """Compare the costs of MoE and dense arms: seed by seed if they share several seeds, otherwise by Welch."""
    if "MoE" not in groups:
        return None
    difference = _cost_difference(groups["MoE"], groups["dense"])
    if difference.variance is None:
        return None
    half, error = difference.half() or 0.0, math.sqrt(difference.variance)
    return Interaction(
        value=difference.value,
        lo=difference.value - half,
        hi=difference.value + half,
        p=t_test(difference.value, error, difference.dof),
    )


def _cost_difference(routed: Sequence[Pair], dense: Sequence[Pair]) -> MeanEstimate:
    ours, theirs = _by_seed(routed), _by_seed(dense)
    shared = [seed for seed in ours if seed in theirs]
    if len(shared) > 1:
        return sample_mean([_least_squares(ours[s]).value - _least_squares(theirs[s]).value for s in shared])
    if len(ours) == 1:
        return welch(_least_squares(dense), _least_squares(routed))
    return welch(_estimated_cost(dense), _estimated_cost(routed))
