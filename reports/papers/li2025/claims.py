"""arXiv 2506.12119 sentence by sentence: what it says, in our words, beside what its own numbers say when refitted.

Each claim is one function. The verdict is computed with the numbers, so that another row can change it.
"""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from statistics import median

from fits.compare.samples import sample_mean
from fits.repeats.margin import SHARE
from fits.repeats.reuse import Cost
from planners.architecture.flops import flops_per_token
from planners.published.li2025.rows import SEQ_LEN, Li2025Run, li2025_shape
from reports.page.number_text import counted, listed, percent
from reports.papers.claim import AGREES, CANNOT, DIFFERS, Claim, below_zero, either, every_below_zero
from reports.papers.li2025.effects import bends, coarse_ablations, coarse_rows, fewer_tokens, learning_rates
from reports.papers.li2025.study import Li2025, Series
from reports.papers.words import around, probability, rate, signed

SAID = 0.20
"""The rate that the paper calls best."""
REGION = (0.15, 0.48)
"""The rates between which it sees the 2B MoE below the dense model of equal C."""
LEVEL = 0.05
"""Probability below which a test rejects."""
ALIKE = 1.1
"""Largest learning rate over that of Step Law which follows it."""
INTERVAL, TEST, HOLDS = "95 % interval", f"test, p < {LEVEL:g}", f"{percent(SAID)} in the 95 % interval"
"""What verdicts are judged by."""


def best_at_2b(paper: Li2025) -> Claim:
    """The minimum at 2B."""
    series = paper.main["2B"]
    parabola, spline = series.curve("quadratic"), series.curve("spline")
    return Claim(
        says="At 2B the loss is lowest at an activation rate of about 20 %.",
        where="Fig. 1b, table 10",
        found=f"Cubic {_minimum(series)}; spline {rate(spline.value, spline.lo, spline.hi)}. The parabola has it at "
        f"{rate(parabola.value, parabola.lo, parabola.hi)} but misses the runs ({probability(parabola.misfit or 0)}).",
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
        found=f"3B, on repeated data, {_minimum(three)}; 7B {_minimum(seven)}.",
        verdict=verdicts.pop() if len(verdicts) == 1 else CANNOT,
        by=HOLDS,
    )


def constant(paper: Li2025) -> Claim:
    """Whether it is one number."""
    found = paper.one_optimum["all runs"]
    factor = "none" if found.detectable is None else f"a factor of {math.exp(found.detectable):.2f}"
    slope = f"A tenfold C would move it {_tenfold(paper)}. " if found.slopes else ""
    return Claim(
        says="The best rate is the same at every size.",
        where="Figs 1b, 2b and 5",
        found=f"One minimum fits all three: {rate(found.value, found.lo, found.hi)}, {probability(found.p)}. But the "
        f"smallest movement from 2B to 7B that these runs would show is {factor}. {slope}The three pairs of N and C "
        "lie on one line, so N and C are not told apart, and no size was scanned at two budgets.",
        verdict=DIFFERS if found.p < LEVEL else CANNOT,
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
        found=f"From {rate(low.value, low.lo, low.hi)} to {rate(high.value, high.lo, high.hi)}: the curve is flat at "
        "its upper end.",
        verdict=either(within and low.status == "converged"),
        by="both ends in their 95 % intervals",
    )


def beats_dense_2b(paper: Li2025) -> Claim:
    """The lead at 2B and equal C."""
    return _beats(paper, "2B", 0, "At 2B and 20 % MoE is below the dense model of equal N and C.", "Fig. 1b, table 13")


def beats_dense_7b(paper: Li2025) -> Claim:
    """The lead at 7B and equal C."""
    return _beats(paper, "7B", 0, "At 7B likewise.", "Fig. 2b, table 13")


def beats_dense_3b(paper: Li2025) -> Claim:
    """The lead at 3B and equal C, on repeated data."""
    few, dense = paper.main["3B"].best, paper.dense("3B")[0]
    more = few.U / dense.U - 1
    claim = _beats(paper, "3B", 0, "At 3B likewise, on the unique tokens of the dense model.", "Fig. 5, table 15")
    return Claim(
        says=claim.says, where=claim.where, verdict=claim.verdict, by=claim.by,
        found=f"{claim.found} MoE saw {percent(more)} more unique tokens ({few.U / 1e9:g}B against "
        f"{dense.U / 1e9:g}B).",
    )  # fmt: skip


def beats_twice_the_compute(paper: Li2025) -> Claim:
    """The lead at 7B over dense at 2C."""
    says = "At 7B and 20 % MoE is below even the dense model of about twice the compute."
    return _beats(paper, "7B", 1, says, "Fig. 2b, table 13")


def above_twice_the_compute(paper: Li2025) -> Claim:
    """The lead at 2B over dense at 2C, which is none."""
    series = paper.main["2B"]
    value, half = series.lead(1) or (0.0, math.inf)
    return Claim(
        says="At 2B it stays above the dense model of about twice the compute.",
        where="Fig. 1b, table 13",
        found=f"MoE less dense at the minimum: {around((-value, half))}. So it does at 3B: "
        f"{around(_against(paper.main['3B'], 1))}.",
        verdict=below_zero(value, half),
        by=INTERVAL,
    )


def _beats(paper: Li2025, scale: str, dense: int, says: str, where: str) -> Claim:
    series = paper.main[scale]
    best, against = series.best, _against(series, dense)
    best_run = f"{best.bpc:.4f} at {percent(best.r_a)} against {series.dense[dense].bpc:.4f}"
    return Claim(
        says=says, where=where, verdict=below_zero(*against), by=INTERVAL,
        found=f"MoE less dense at the minimum of the curve: {around(against)} BPC. The best run alone ({best_run}) "
        f"says {signed(best.bpc - series.dense[dense].bpc)}, but it is the best of {len(series.runs)}.",
    )  # fmt: skip


def _against(series: Series, dense: int) -> tuple[float, float]:
    """Return loss of the minimum less that of a dense model, with half of its interval."""
    value, half = series.lead(dense) or (0.0, math.inf)
    return -value, half


def more_tokens(paper: Li2025) -> Claim:
    """How many more tokens MoE needs."""
    ratios = []
    for scale, table in (("2B", 10), ("7B", 12)):
        near, dense = min(paper.of(table), key=lambda run: abs(run.r_a - SAID)), paper.dense(scale)[0]
        ratios.append((scale, near.D / dense.D))
    return Claim(
        says="At equal C the MoE model needs M_moe / M_dense times as many tokens.",
        where="text on the cost of MoE",
        found=f"It needs the reciprocal: {listed(f'{ratio:.2f} times as many at {scale}' for scale, ratio in ratios)}.",
        verdict=either(all(ratio < 1 for _, ratio in ratios)),
        by="count, every size",
    )


def equal_resources(paper: Li2025) -> Claim:
    """How equal equal is."""
    compared = [(*series.runs, series.dense[0]) for series in paper.series.values()]
    printed, recounted, sizes = (
        max(_spread([count(run) for run in runs]) for runs in compared)
        for count in (_printed, _recounted, lambda run: run.N)
    )
    worst = max(printed, recounted)
    return Claim(
        says="Models are compared at equal N and C.",
        where="tables 10 to 17",
        found=f"C differs by up to {percent(printed)} as printed and by up to {percent(recounted)} as M D counted "
        f"from the printed sizes, between runs that are compared ({percent(worst)} is worth "
        f"{paper.worth('2B') * math.log1p(worst):.4f} BPC at the slope of the dense models of 2B); N by up to "
        f"{percent(sizes)}. Depth, width and shape of the feed-forward layer of the dense models follow no one rule "
        f"({_shapes(paper)}).",
        verdict=either(worst <= SHARE), by=f"C, counted either way, within {percent(SHARE)}",
    )  # fmt: skip


def _spread(values: Sequence[float]) -> float:
    return max(values) / min(values) - 1


def _printed(run: Li2025Run) -> float:
    return run.C or _recounted(run)


def _recounted(run: Li2025Run) -> float:
    """Return M D, as the run tables of the page count it."""
    return flops_per_token(li2025_shape(run), SEQ_LEN, "li2025+router") * run.D


def _shapes(paper: Li2025) -> str:
    shapes = [li2025_shape(paper.dense(scale)[0]) for scale in paper.main]
    wide = ", ".join(f"{shape.d_ff / shape.d_model:.2f}" for shape in shapes)
    return f"d_ff / d_model {wide}; d_model / layers {', '.join(f'{s.d_model / s.n_layers:.0f}' for s in shapes)}"


def step_law(paper: Li2025) -> Claim:
    """Whether learning rates follow the stated rule."""
    ratios = {arm: [ratio for _, ratio in runs] for arm, runs in learning_rates(paper).items()}
    worst = max(max(values) for values in ratios.values())
    shown = [f"{arm} {median(values):.2f}" for arm, values in ratios.items()]
    mismatch = median(ratios["2B MoE"]) / median(ratios["2B dense"])
    return Claim(
        says="Learning rates and batches follow Step Law.",
        where="tables 10 to 14",
        found=f"Learning rate over that of Step Law: {listed(shown)}. Relative to the rule, the 2B MoE runs have "
        f"{mismatch:.1f} times the rate of the dense models they are compared with; what that is worth is in no table.",
        verdict=either(worst < ALIKE),
        by=f"every learning rate at most {ALIKE:g} times the rule's",
    )


def granularity(paper: Li2025) -> Claim:
    """What coarse experts do."""
    pairs = coarse_ablations(paper)
    shown = [f"K = {K} at {group}: {signed(value)} nats" for K, group, value in pairs]
    rows = [(li2025_shape(run).top_k, value) for _, run, (value, _) in coarse_rows(paper)]
    agree = {K: all((value > 0) == (other > 0) for k, other in rows if k == K) for K, _, value in pairs}
    return Claim(
        says="Both K = 1 and a very large K are worse than what lies between.",
        where="table 7",
        found=f"8 large experts less 88 small ones: {listed(shown)}. The coarse rows of tables 10, 15 and 16 lie off "
        f"the curve of the fine ones with the same sign in {sum(agree.values())} of {counted(len(agree), 'case')}.",
        verdict=AGREES if agree and all(agree.values()) else CANNOT,
        by="signs alone",
    )


def fixed_D(paper: Li2025) -> Claim:
    """More active at equal tokens."""
    runs = sorted(paper.of(11), key=lambda run: run.r_a)
    steps, half = [many.bpc - few.bpc for few, many in pairwise(runs)], paper.apart("7B")
    last = f"the last one, from {percent(runs[-2].r_a)} to {percent(runs[-1].r_a)}, by {signed(steps[-1])}"
    return Claim(
        says="At equal tokens more active parameters are always better.",
        where="Fig. 2a, table 11",
        found=f"{sum(step < 0 for step in steps)} of {counted(len(steps), 'step')} lower the loss, {last}. "
        f"{_beyond([-step for step in steps], half)}",
        verdict=every_below_zero(steps, half), by="95 % interval of every step",
    )  # fmt: skip


def _beyond(gains: Sequence[float], half: float) -> str:
    """Say how many differences are more than noise, of which `half` is the 95 % interval of one."""
    return (
        f"Two runs of this size differ by up to {half:.4f} BPC by noise alone (95 %); larger than that: "
        f"{sum(gain > half for gain in gains)} of {len(gains)}."
    )


def straight_in_D(paper: Li2025) -> Claim:
    """Loss against ln D at one rate."""
    found = bends(paper)
    shown = [f"{percent(r_a)} {probability(p)} (n = {n})" for r_a, n, p in found]
    return Claim(
        says="At one rate the loss falls in a straight line with ln D.",
        where="Fig. 1a, table 9",
        found=f"Is there a bend? {listed(shown)}. With 4 or 5 runs only a strong one would show.",
        verdict=DIFFERS if any(p < LEVEL for *_, p in found) else CANNOT,
        by=TEST,
    )


def two_epochs(paper: Li2025) -> Claim:
    """Loose reuse."""
    found = paper.reuse["loose"]
    mean = found.equivalences[0]
    lower = sum(pair.excess < 0 for pair in found.pairs)
    half = math.inf if mean.hi is None else mean.hi - mean.excess
    return Claim(
        says="Two epochs cost nothing.",
        where="Fig. 2b, table 17",
        found=f"Repeated less fresh: {around((mean.excess, half))} BPC, n = {mean.n}, margin "
        f"{paper.margin('7B'):.4f}. {lower} of {len(found.pairs)} repeated runs are better than fresh data, which "
        "repetition cannot make them: so much do two trainings of one model differ, or two samples of the data.",
        verdict=AGREES if mean.excess + half <= paper.margin("7B") else CANNOT,
        by="95 % interval within the margin",
    )


def many_epochs(paper: Li2025) -> Claim:
    """Strict reuse."""
    found = paper.reuse["strict"]
    mean, cost = found.equivalences[0], found.costs[0]
    half = math.inf if mean.hi is None else mean.hi - mean.excess
    epochs = "" if cost.free_epochs is None else f" The margin is used up after {_epochs(cost)} epochs."
    return Claim(
        says="More epochs do cost.",
        where="Fig. 2b, table 14",
        found=f"{mean.epochs[0]:.2g} to {mean.epochs[1]:.2g} epochs: {around((mean.excess, half))} BPC, n = "
        f"{mean.n}.{epochs}",
        verdict=below_zero(-mean.excess, half),
        by=INTERVAL,
    )


def _epochs(cost: Cost) -> str:
    high = "more than were run" if cost.free_hi is None else f"{cost.free_hi:.1f}"
    return f"{cost.free_epochs:.1f} ({cost.free_lo:.1f} to {high})"


def strict_beats_dense(paper: Li2025) -> Claim:
    """MoE on the unique tokens of the dense model at 7B."""
    series = paper.series["7B, 68B tokens"]
    claims = [_against(series, dense) for dense in (0, 1)]
    return Claim(
        says="On the very tokens of the dense model of equal C, used 4.65 times, the 7B MoE is still better.",
        where="Fig. 2b, table 14",
        found=f"MoE less dense at the minimum: {around(claims[0])} BPC; less dense of twice the compute "
        f"{around(claims[1])}. The noise is that of {paper.main['7B'].name} on fresh data; the scatter of this "
        f"set alone has {series.fit.dof} degrees of freedom.",
        verdict=below_zero(*claims[0]),
        by=INTERVAL,
    )


def more_unique(paper: Li2025) -> Claim:
    """65B against 114B unique tokens at 3B."""
    values, half = [value for _, value in fewer_tokens(paper)], paper.apart("3B")
    found = sample_mean(values)
    mean = found.value, found.half() or math.nan
    return Claim(
        says="More unique tokens are always better.",
        where="Fig. 5, tables 15 and 16",
        found=f"65B instead of 114B at 3B: worse in {sum(value > 0 for value in values)} of "
        f"{counted(len(values), 'pair')}, by {signed(min(values))} to {signed(max(values))} BPC; mean {around(mean)}, "
        f"the luck of which tokens they are apart. {_beyond(values, half)}",
        verdict=every_below_zero([-value for value in values], half), by="95 % interval of every pair",
    )  # fmt: skip


CLAIMS: tuple[Callable[[Li2025], Claim], ...] = (
    best_at_2b, best_at_3b_and_7b, constant, region_at_2b, beats_dense_2b, beats_dense_3b, beats_dense_7b,
    above_twice_the_compute, beats_twice_the_compute, equal_resources, more_tokens, step_law, granularity, fixed_D,
    straight_in_D, strict_beats_dense, many_epochs, two_epochs, more_unique,
)  # fmt: skip
"""In reading order."""


def _minimum(series: Series) -> str:
    return rate(series.optimum.value, series.optimum.lo, series.optimum.hi)


def _holds(series: Series) -> str:
    """Return whether the stated rate lies within the interval of the minimum."""
    low = series.optimum
    if low.value is None:
        return CANNOT
    return either((low.lo or 0) <= SAID <= (low.hi or 1))
