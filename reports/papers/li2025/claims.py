"""What arXiv 2506.12119 claims on activation rates, dense models and data, in our words, and what its numbers say.

Each claim is one function. Its verdict is computed with the numbers, so a changed row can change it.
"""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

from fits.compare.samples import sample_mean
from fits.intervals import TEST_LEVEL
from fits.repeats.margin import SHARE
from fits.repeats.reuse import Cost
from fits.status import Status
from planners.published.li2025.rows import Li2025Run, li2025_shape
from reports.page.number_text import counted, listed, percent
from reports.papers.claim import AGREES, CANNOT, DIFFERS, Claim, below_zero, either, every_below_zero
from reports.papers.estimate_text import loss_difference, loss_estimate, p_value, rate_estimate
from reports.papers.li2025.confounders import (
    coarse_ablations,
    coarse_residuals,
    fewer_tokens,
    learning_rates,
    median_learning_rates,
    moe_over_dense_learning_rate,
    token_bends,
)
from reports.papers.li2025.study import Estimate, Li2025, RateSeries, counted_C

SAID = 0.20
"""The rate that the paper calls best."""
REGION = (0.15, 0.48)
"""The rates between which the paper sees the 2B MoE below the dense model of equal C."""
ALIKE = 1.1
"""Largest learning rate over that of Step Law that still follows it."""
INTERVAL, TEST, HOLDS = "95 % interval", f"test, p < {TEST_LEVEL:g}", f"{percent(SAID)} in the 95 % interval"
"""Rules of verdicts."""


def best_at_2b(paper: Li2025) -> Claim:
    """The minimum at 2B."""
    series = paper.main["2B"]
    parabola, spline = series.curve("quadratic"), series.curve("spline")
    return Claim(
        says="At 2B the loss is lowest at an activation rate of about 20 %.",
        where="Fig. 1b, table 10",
        found=f"Cubic {rate_estimate(series.optimum)}; spline {rate_estimate(spline)}. "
        f"The parabola has its minimum at {rate_estimate(parabola)} but does not fit "
        f"the runs ({p_value(parabola.misfit or 0)}).",
        verdict=_holds(series),
        by=HOLDS,
    )


def best_at_3b_and_7b(paper: Li2025) -> Claim:
    """The minimum at the other sizes."""
    three, seven = paper.main["3B"], paper.main["7B"]
    verdicts = {_holds(three), _holds(seven)}
    return Claim(
        says="At 3B and at 7B it is lowest there as well.",
        where="Figs 2b and 5, tables 12 and 15",
        found=f"3B, on repeated data, {rate_estimate(three.optimum)}; 7B {rate_estimate(seven.optimum)}.",
        verdict=verdicts.pop() if len(verdicts) == 1 else CANNOT,
        by=HOLDS,
    )


def _holds(series: RateSeries) -> str:
    """Return the verdict on whether the stated rate is within the interval of the minimum."""
    low = series.optimum
    return CANNOT if low.value is None else either((low.lo or 0) <= SAID <= (low.hi or 1))


def constant(paper: Li2025) -> Claim:
    """Whether the best rate is one number."""
    found = paper.one_optimum["all runs"]
    factor = "none" if found.detectable is None else f"a factor of {math.exp(found.detectable):.2f}"
    slope = f"A tenfold C would move it {_tenfold(paper)}. " if found.slopes else ""
    return Claim(
        says="The best rate is the same at every size.",
        where="Figs 1b, 2b and 5",
        found=f"One minimum fits all three: {rate_estimate(found)}, {p_value(found.p)}. But "
        f"the smallest movement from 2B to 7B that these runs would show is {factor}. {slope}The three pairs of N and "
        "C lie on one line, so the effects of N and C cannot be separated, and no size was scanned at two budgets.",
        verdict=DIFFERS if found.p is not None and found.p < TEST_LEVEL else CANNOT,
        by=TEST,
    )


def _tenfold(paper: Li2025) -> str:
    slope = paper.one_optimum["all runs"].slopes[0]
    factors = [None if end is None else 10**end for end in (slope.value, slope.lo, slope.hi)]
    value, lo, hi = ("open" if factor is None else f"{factor:.2f}" for factor in factors)
    return f"by a factor of {value} ({lo} to {hi})"


def region_at_2b(paper: Li2025) -> Claim:
    """Where the 2B MoE beats dense."""
    low, high = (paper.main["2B"].crossing(0, side) for side in ("low", "high"))
    within = all(
        (each.lo or 0) <= end <= (each.hi or 1) for each, end in zip((low, high), REGION, strict=True) if each.value
    )
    return Claim(
        says=f"At 2B rates from about {percent(REGION[0])} to {percent(REGION[1])} beat the dense model of equal C.",
        where="Fig. 1b",
        found=f"From {rate_estimate(low)} to {rate_estimate(high)}: the curve is flat at its upper end.",
        verdict=either(within and low.status == Status.CONVERGED),
        by="both ends in their 95 % intervals",
    )


def beats_dense_2b(paper: Li2025) -> Claim:
    """MoE against dense at 2B and equal C."""
    return _beats(paper, "2B", 0, "At 2B and 20 % MoE is below the dense model of equal N and C.", "Fig. 1b, table 13")


def beats_dense_3b(paper: Li2025) -> Claim:
    """MoE against dense at 3B and equal C, on repeated data."""
    few, dense = paper.main["3B"].best, paper.dense("3B")[0]
    more = f" MoE saw {percent(few.U / dense.U - 1)} more unique tokens ({few.U / 1e9:g}B against {dense.U / 1e9:g}B)."
    says = "The same holds at 3B, on the unique tokens of the dense model."
    return _beats(paper, "3B", 0, says, "Fig. 5, table 15", more)


def beats_dense_7b(paper: Li2025) -> Claim:
    """MoE against dense at 7B and equal C."""
    return _beats(paper, "7B", 0, "The same holds at 7B.", "Fig. 2b, table 13")


def beats_twice_the_compute(paper: Li2025) -> Claim:
    """MoE at 7B against dense at 2C."""
    says = "At 7B and 20 % MoE is below even the dense model of about twice the compute."
    return _beats(paper, "7B", 1, says, "Fig. 2b, table 13")


def _beats(paper: Li2025, scale: str, dense: int, says: str, where: str, more: str = "") -> Claim:
    """Return the claim that MoE at the minimum of its curve has a lower loss than a dense model."""
    series = paper.main[scale]
    best, other, gap = series.best, series.dense[dense], _gap(series, dense)
    return Claim(
        says=says,
        where=where,
        found=f"MoE less dense at the minimum of the curve: {loss_estimate(gap)} BPC. The best run alone "
        f"({best.bpc:.4f} at {percent(best.r_a)} against {other.bpc:.4f}) says {loss_difference(best.bpc - other.bpc)},"
        f" but it is the best of {len(series.runs)}.{more}",
        verdict=below_zero(*gap),
        by=INTERVAL,
    )


def _gap(series: RateSeries, dense: int) -> Estimate:
    return series.less_dense(dense) or (0.0, math.inf)


def above_twice_the_compute(paper: Li2025) -> Claim:
    """MoE at 2B against dense at 2C."""
    two, three = (_gap(paper.main[scale], 1) for scale in ("2B", "3B"))
    return Claim(
        says="At 2B MoE stays above the dense model of about twice the compute.",
        where="Fig. 1b, table 13",
        found=f"MoE less dense at the minimum: {loss_estimate(two)}. The same holds at 3B: {loss_estimate(three)}.",
        verdict=below_zero(-two[0], two[1]),
        by=INTERVAL,
    )


def more_tokens(paper: Li2025) -> Claim:
    """How many more tokens MoE needs."""
    near = {
        scale: min(paper.main[scale].runs, key=lambda run: abs(run.r_a - SAID)).D / paper.dense(scale)[0].D
        for scale in ("2B", "7B")
    }
    return Claim(
        says="At equal C the MoE model needs M_moe / M_dense times as many tokens.",
        where="text on the cost of MoE",
        found="It needs the reciprocal: "
        f"{listed(f'{ratio:.2f} times as many at {scale}' for scale, ratio in near.items())}.",
        verdict=either(all(ratio < 1 for ratio in near.values())),
        by="count, every size",
    )


def equal_resources(paper: Li2025) -> Claim:
    """How equal N and C are between the models that are compared."""
    compared = [(*series.runs, series.dense[0]) for series in paper.series.values()]
    counts: tuple[Callable[[Li2025Run], float], ...] = (
        lambda run: run.C or counted_C(run),
        counted_C,
        lambda run: run.N,
    )
    printed, recounted, sizes = (max(_spread([count(run) for run in runs]) for runs in compared) for count in counts)
    worst = max(printed, recounted)
    shapes = [li2025_shape(paper.dense(scale)[0]) for scale in paper.main]
    wide = ", ".join(f"{shape.d_ff / shape.d_model:.2f}" for shape in shapes)
    deep = ", ".join(f"{shape.d_model / shape.n_layers:.0f}" for shape in shapes)
    return Claim(
        says="Models are compared at equal N and C.",
        where="tables 10 to 17",
        found=f"Between compared runs, C differs by up to {percent(printed)} as printed and by up to "
        f"{percent(recounted)} as M D counted from the printed sizes. {percent(worst)} of C is worth "
        f"{paper.gain_per_ln_C('2B') * math.log1p(worst):.4f} BPC at the gradient of the dense models of 2B. N differs "
        f"by up to {percent(sizes)}. Depth, width and feed-forward shape of the dense models do not follow one rule "
        f"(d_ff / d_model {wide}; d_model / layers {deep}).",
        verdict=either(worst <= SHARE),
        by=f"C, counted either way, within {percent(SHARE)}",
    )


def _spread(values: Sequence[float]) -> float:
    return max(values) / min(values) - 1


def step_law(paper: Li2025) -> Claim:
    """Whether learning rates follow the stated rule."""
    worst = max(ratio for runs in learning_rates(paper).values() for _, ratio in runs)
    shown = listed(f"{arm} {ratio:.2f}" for arm, ratio in median_learning_rates(paper).items())
    return Claim(
        says="Learning rates and batches follow Step Law.",
        where="tables 10 to 14",
        found=f"Learning rate over that of Step Law: {shown}. Relative to the rule, the 2B MoE runs have "
        f"{moe_over_dense_learning_rate(paper)['2B']:.1f} times the learning rate of the dense models that they are "
        "compared with. No table shows what that is worth.",
        verdict=either(worst < ALIKE),
        by=f"every learning rate at most {ALIKE:g} times the rule's",
    )


def granularity(paper: Li2025) -> Claim:
    """What coarse experts do."""
    pairs = coarse_ablations(paper)
    shown = listed(f"K = {K} at {group}: {loss_difference(value)} nats" for K, group, value in pairs)
    rows = [(li2025_shape(run).top_k, value) for _, run, (value, _) in coarse_residuals(paper)]
    agree = {K: all((value > 0) == (other > 0) for k, other in rows if k == K) for K, _, value in pairs}
    return Claim(
        says="Both K = 1 and a very large K are worse than what lies between.",
        where="table 7",
        found=f"8 large experts less 88 small ones: {shown}. The coarse-grained rows of tables 10, 15 and 16 deviate "
        "from the curve of the fine-grained ones with the same sign in "
        f"{sum(agree.values())} of {counted(len(agree), 'case')}.",
        verdict=AGREES if agree and all(agree.values()) else CANNOT,
        by="signs alone",
    )


def fixed_D(paper: Li2025) -> Claim:
    """More active parameters at equal tokens."""
    runs = sorted(paper.of(11), key=lambda run: run.r_a)
    steps, half = [many.bpc - few.bpc for few, many in pairwise(runs)], paper.two_run_noise("7B")
    last = f"{percent(runs[-2].r_a)} to {percent(runs[-1].r_a)}, changes it by {loss_difference(steps[-1])}"
    return Claim(
        says="At equal tokens more active parameters are always better.",
        where="Fig. 2a, table 11",
        found=f"{sum(step < 0 for step in steps)} of {counted(len(steps), 'step')} lower the loss. The last one, from "
        f"{last}. {_beyond_noise([-step for step in steps], half)}",
        verdict=every_below_zero(steps, half),
        by="95 % interval of every step",
    )


def _beyond_noise(gains: Sequence[float], half: float) -> str:
    """Return how many differences exceed the noise; `half` is half of the 95 % interval of one difference."""
    return (
        f"Two runs of this size differ by up to {half:.4f} BPC by noise alone (95 %); larger than that: "
        f"{sum(gain > half for gain in gains)} of {len(gains)}."
    )


def straight_in_D(paper: Li2025) -> Claim:
    """Loss against ln D at one rate."""
    found = token_bends(paper)
    shown = [f"{percent(r_a)} {p_value(p)} (n = {n})" for r_a, n, p in found]
    return Claim(
        says="At one rate the loss falls in a straight line with ln D.",
        where="Fig. 1a, table 9",
        found=f"Test of a bend: {listed(shown)}. With 4 or 5 runs only a strong bend would show.",
        verdict=DIFFERS if any(p < TEST_LEVEL for *_, p in found) else CANNOT,
        by=TEST,
    )


def strict_beats_dense(paper: Li2025) -> Claim:
    """MoE on the unique tokens of the dense model at 7B."""
    series = paper.series["7B, 68B tokens"]
    equal, twice = (_gap(series, dense) for dense in (0, 1))
    return Claim(
        says="On the same tokens as the dense model of equal C, used 4.65 times, the 7B MoE is still better.",
        where="Fig. 2b, table 14",
        found=f"MoE less dense at the minimum: {loss_estimate(equal)} BPC; less dense of twice the compute "
        f"{loss_estimate(twice)}. The noise is that of {paper.main['7B'].name} on fresh data; the scatter of this "
        f"set alone has {series.fit.dof} degrees of freedom.",
        verdict=below_zero(*equal),
        by=INTERVAL,
    )


def many_epochs(paper: Li2025) -> Claim:
    """Strict reuse."""
    found = paper.reuse["strict"]
    mean, cost = found.equivalences[0], found.costs[0]
    epochs = "" if cost.free_epochs is None else f" The margin is used up after {_epochs(cost)} epochs."
    excess = _excess(paper, "strict")
    return Claim(
        says="More epochs do cost.",
        where="Fig. 2b, table 14",
        found=f"{mean.epochs[0]:.2g} to {mean.epochs[1]:.2g} epochs: {loss_estimate(excess)} BPC, n = "
        f"{mean.n}.{epochs}",
        verdict=below_zero(-excess[0], excess[1]),
        by=INTERVAL,
    )


def _epochs(cost: Cost) -> str:
    high = "more than were run" if cost.free_hi is None else f"{cost.free_hi:.1f}"
    return f"{cost.free_epochs:.1f} ({cost.free_lo:.1f} to {high})"


def _excess(paper: Li2025, scheme: str) -> Estimate:
    """Return the mean loss on repeated less that on fresh data."""
    mean = paper.reuse[scheme].equivalences[0]
    return mean.excess, math.inf if mean.hi is None else mean.hi - mean.excess


def two_epochs(paper: Li2025) -> Claim:
    """Loose reuse."""
    pairs, excess = paper.reuse["loose"].pairs, _excess(paper, "loose")
    return Claim(
        says="Two epochs cost nothing.",
        where="Fig. 2b, table 17",
        found=f"Repeated less fresh: {loss_estimate(excess)} BPC, n = {paper.reuse['loose'].equivalences[0].n}, margin "
        f"{paper.margin('7B'):.4f}. {sum(pair.excess < 0 for pair in pairs)} of {len(pairs)} repeated runs are better "
        "than fresh data. Repetition cannot improve a run, so two trainings of one model, or two samples of the data, "
        "differ by that much.",
        verdict=AGREES if sum(excess) <= paper.margin("7B") else CANNOT,
        by="95 % interval within the margin",
    )


def more_unique(paper: Li2025) -> Claim:
    """65B against 114B unique tokens at 3B."""
    values, half = [value for _, value in fewer_tokens(paper)], paper.two_run_noise("3B")
    mean = sample_mean(values)
    return Claim(
        says="More unique tokens are always better.",
        where="Fig. 5, tables 15 and 16",
        found=f"65B instead of 114B at 3B: worse in {sum(value > 0 for value in values)} of "
        f"{counted(len(values), 'pair')}, by {loss_difference(min(values))} to {loss_difference(max(values))} BPC; "
        f"mean {loss_estimate((mean.value, mean.half() or math.inf))}. The interval leaves out the sampling noise of "
        "which tokens were taken. "
        f"{_beyond_noise(values, half)}",
        verdict=every_below_zero([-value for value in values], half),
        by="95 % interval of every pair",
    )


CLAIMS: tuple[Callable[[Li2025], Claim], ...] = (
    best_at_2b,
    best_at_3b_and_7b,
    constant,
    region_at_2b,
    beats_dense_2b,
    beats_dense_3b,
    beats_dense_7b,
    above_twice_the_compute,
    beats_twice_the_compute,
    equal_resources,
    more_tokens,
    step_law,
    granularity,
    fixed_D,
    straight_in_D,
    strict_beats_dense,
    many_epochs,
    two_epochs,
    more_unique,
)
"""The claims in reading order."""
