"""The parts of the page of arXiv 2506.12119, each a few computed sentences around a figure or a table."""

import math
from collections.abc import Iterable
from statistics import median

from fits.repeats.margin import SHARE
from fits.repeats.reuse import Cost
from planners.published.li2025.rows import li2025_shape
from reports.page.number_text import percent
from reports.page.page import Section
from reports.page.picture import Picture
from reports.papers.claim import Claim
from reports.papers.li2025.answers import (
    claim_table,
    dense_table,
    granularity_table,
    learning_rate_table,
    minima_table,
    noises,
    one_optimum_table,
    region_table,
    reuse_table,
)  # fmt: skip
from reports.papers.li2025.effects import coarse_ablations, coarse_effect, coarse_rows, learning_rates
from reports.papers.li2025.study import Li2025, Series
from reports.papers.words import around, joined, one, probability, rate, signed

REDRAWN = ("1a", "1b", "2a", "2b", "5")
"""Figures of the paper whose numbers are public."""


def sentences(rates: list[Claim], design: list[Claim]) -> Section:
    """Return the sentences of the paper with their verdicts."""
    return Section(
        title="Sentence by sentence",
        tables=(
            claim_table("claims", "Activation rate, dense models and data", rates),
            claim_table("claims-design", "Architecture and benchmarks", design),
        ),
    )


def lowest(paper: Li2025, pictures: dict[str, Picture]) -> Section:
    """Return where each curve is lowest."""
    rejected = sum((each.curve("quadratic").misfit or 1) < 0.05 for each in paper.series.values())
    above, off = (
        [
            100 * abs((each.curve(law).value or math.nan) - (each.curve("cubic").value or math.nan))
            for each in paper.main.values()
        ]
        for law in ("quadratic", "spline")
    )
    return Section(
        title="Where the loss is lowest, by curve",
        text=(
            "The choice of the curve moves the minimum as much as the noise does: that of a parabola in ln r_a lies "
            f"{joined(f'{points:.1f}' for points in above)} points from that of the cubic at {joined(paper.main)}. "
            f"The runs reject the parabola in {rejected} of {len(paper.series)} sets, so the cubic answers here; the "
            f"spline, which assumes no shape, lies within {max(off):.1f} points of it at these sizes.",
            "The lowest run of a series is no estimate of the minimum: it is on the grid, and it is the luckiest.",
        ),
        pictures=_some(pictures, "li2025-minima"),
        tables=(minima_table(paper), region_table(paper), one_optimum_table(paper)),
    )


def against_dense(paper: Li2025) -> Section:
    """Return where MoE is below the dense models."""
    return Section(
        title="Where MoE beats dense",
        text=(
            " ".join(_edges(scale, series) for scale, series in paper.main.items()),
            f"C is not quite equal along a curve: 1 % of it is worth about {paper.worth('2B') * math.log(1.01):.4f} "
            "BPC at 2B.",
        ),
        tables=(dense_table(paper),),
    )


def _edges(scale: str, series: Series) -> str:
    """Say between which rates the curve lies below the dense model of equal compute."""
    low, high = (series.crossing(0, side) for side in ("low", "high"))
    if "not_identified" in (low.status, high.status):
        return f"At {scale} {low.why.sentence(dense='the dense model')}."
    start = rate(low.value, low.lo, low.hi) if low.value else "the lowest rate that was run"
    stop = rate(high.value, high.lo, high.hi) if high.value else "the highest"
    return f"At {scale} MoE is below the dense model of equal compute from {start} to {stop}."


def redrawn(pictures: dict[str, Picture]) -> Section:
    """Return the figures of the paper."""
    return Section(
        title="Its figures, redrawn",
        text=(
            "From the published tables, with our curves and intervals. Not redrawn, because their numbers are in no "
            "table that is kept here: Fig. 3 (accuracy against rate; table 2 has its values at 20 %) and Fig. 4 "
            "(loss against shape, the 20 runs of table 8).",
        ),
        pictures=_some(pictures, *(f"li2025-{name}" for name in REDRAWN)),
    )


def granularity(paper: Li2025) -> Section:
    """Return what coarse experts do to the curve."""
    effects = [f"{name} {around(effect)}" for name, effect in coarse_effect(paper).items()]
    pairs = [(paper.series[name], paper.series[f"{name}, fine"]) for name in coarse_effect(paper)]
    scatter = [f"{a.fit.residual_sd or 0:.4f} to {b.fit.residual_sd or 0:.4f} ({a.name})" for a, b in pairs]
    moved = [f"{_where(a)} to {_where(b)} ({a.name})" for a, b in pairs]
    return Section(
        title="Granularity is mixed into the rate",
        text=(
            "Three rates of tables 10, 15 and 16 were trained with 8 large experts, the others with 78 and more "
            f"small ones. As one step beside the cubic that is worth {joined(effects)} BPC. But it is not one step, "
            f"for it depends on K. {_by_K(paper)}",
            f"Without these runs the residual SD changes from {joined(scatter)} BPC, and the minimum of the cubic "
            f"moves from {joined(moved)}. In tables 11 and 12 the experts get smaller from {_widths(paper)} as the "
            "rate rises, at a constant total width.",
        ),
        tables=(granularity_table(paper),),
    )


def _where(series: Series) -> str:
    return "no minimum" if series.optimum.value is None else one(series.optimum.value)


def _by_K(paper: Li2025) -> str:
    """Say on which side of the fine-grained curve the coarse runs lie, and what table 7 has at equal rate."""
    rows = [(li2025_shape(run).top_k, value) for _, run, (value, _) in coarse_rows(paper)]
    ablations = coarse_ablations(paper)
    above = {K: [value > 0 for k, value in rows if k == K] for K, *_ in ablations}
    sides = [f"{sum(each)} of {len(each)} with K = {K}" for K, each in above.items()]
    nats = [f"{signed(value)} at K = {K}" for K, _, value in ablations]
    return f"Above the curve of the others lie {joined(sides)}; at equal rate table 7 has {joined(nats)} (nats)."


def _widths(paper: Li2025) -> str:
    widths = [li2025_shape(run).d_expert for run in paper.of(12)]
    return f"{max(widths)} to {min(widths)}"


def learning_rate_section(paper: Li2025, pictures: dict[str, Picture]) -> Section:
    """Return how learning rates lie to the stated rule."""
    ratio = {arm: median(value for _, value in runs) for arm, runs in learning_rates(paper).items()}
    mismatch = [f"{ratio[f'{scale} MoE'] / ratio[f'{scale} dense']:.1f} at {scale}" for scale in paper.main]
    return Section(
        title="Learning rates do not follow one rule",
        text=(
            "Relative to the rule that the paper states, MoE runs have the learning rate of the dense models they "
            f"are compared with times {joined(mismatch)}. What that is worth is in none of its tables, so it is in no "
            "interval on this page either.",
        ),
        pictures=_some(pictures, "li2025-learning-rates"),
        tables=(learning_rate_table(paper),),
    )


def reuse(paper: Li2025, pictures: dict[str, Picture]) -> Section:
    """Return what repeated data cost."""
    strict, loose = paper.reuse["strict"], paper.reuse["loose"]
    cost, slope, mean = strict.costs[0], paper.slopes_7b.values(), loose.equivalences[0]
    free = "the epochs that were run" if cost.free_epochs is None else f"{cost.free_epochs:.1f} epochs"
    better = sum(pair.excess < 0 for pair in loose.pairs)
    return Section(
        title="What repeated data cost",
        text=(
            f"Strict reuse costs more than the margin beyond {free}. The slope between tables 11 and 12, "
            f"{min(slope):.4f} to {max(slope):.4f} BPC by ln D, turns the cost into {_half_life(cost)}.",
            f"With two epochs the runs are {signed(mean.excess)} BPC from fresh data on average, {better} of "
            f"{len(loose.pairs)} on the better side. Repetition does not improve a run, so the sample of the data and "
            "the luck of the training are worth as much as the differences between neighbouring rates. "
            f"{_twins(paper)}",
        ),
        pictures=_some(pictures, "li2025-reuse"),
        tables=(reuse_table(paper),),
    )


def _half_life(cost: Cost) -> str:
    """Write R_D* of arXiv 2305.16264 beside the one printed there for dense models."""
    if cost.half_life is None:
        return "no R_D*, because it is not positive"
    ends = "" if cost.half_life_lo is None else f" ({cost.half_life_lo:.0f} to {cost.half_life_hi or math.inf:.0f})"
    return (
        f"R_D* = {cost.half_life:.0f}{ends}, to first order in (epochs − 1) / R_D* and so rather large, where arXiv "
        "2305.16264 has 15.4 for dense models"
    )


def _twins(paper: Li2025) -> str:
    if paper.twins is None:
        return ""
    one_, two = (run.bpc for run in paper.twins)
    return f"One 7B model is printed twice, in tables 11 and 12: {one_:.4f} and {two:.4f}."


def assumptions(paper: Li2025) -> Iterable[str]:
    """Yield what must be true for the intervals to hold."""
    few = paper.scarce
    yield "Every run has one seed. The noise is what the curve leaves: normal, independent, and alike at every rate."
    yield (
        "The cubic is true. Where it is not, its misses are counted as noise, which makes intervals wider, but not "
        "the minimum right."
    )
    yield (
        (
            "Enough runs: with two degrees of freedom left the scatter itself is hardly known and can be small by "
            f"luck, as in {'; '.join(few)}."
        )
        if few
        else "Enough runs to know the scatter: every set has more than two degrees of freedom left."
    )
    yield (
        "One noise for every run of a size, dense or MoE, on fresh data or repeated: the dense model is one run, and "
        f"differences from it have the noise of {noises(paper)}."
    )
    found = paper.one_optimum
    yield (
        "Sizes are compared with one noise for all. Without the coarse runs the common minimum is "
        f"{rate(found['fine experts'].value, found['fine experts'].lo, found['fine experts'].hi)}, "
        f"{probability(found['fine experts'].p)}."
    )
    yield (
        "Learning rate, granularity and data repetition differ between arms as said above; no interval here includes "
        "what that does."
    )
    yield f"The margin, {percent(SHARE)} of C, is taken from the dense models, which have two budgets at every size."


def _some(pictures: dict[str, Picture], *names: str) -> tuple[Picture, ...]:
    return tuple(pictures[name] for name in names if name in pictures)
