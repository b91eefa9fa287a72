"""The page of arXiv 2506.12119: its answer, and the text around its figures and tables."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from fits.intervals import TEST_LEVEL
from fits.laws.muennighoff import PUBLISHED
from fits.repeats.margin import SHARE
from fits.repeats.reuse import Cost
from fits.status import Status
from planners.published.li2025.rows import FOLDER, li2025_shape
from planners.records.json import to_json
from reports.page.figure import Figure, Picture
from reports.page.number_text import counted, percent
from reports.page.page import Page, Section, arranged
from reports.page.table import Table, filled
from reports.papers.claim import AGREES, CANNOT, DIFFERS, Claim, claims_table
from reports.papers.estimate_text import (
    joined,
    loss_difference,
    loss_estimate,
    p_value,
    rate,
    rate_estimate,
    rate_range,
)
from reports.papers.li2025 import ablations, against_compute, against_rate, claims, confounders, study, tables
from reports.papers.li2025.confounders import (
    coarse_ablations,
    coarse_residuals,
    coarse_step,
    moe_over_dense_learning_rate,
)
from reports.papers.li2025.study import Li2025, RateSeries, read_li2025
from reports.papers.reproduction import Reproduction

FIGURES: dict[str, Figure[Li2025]] = {
    "li2025-gap": against_rate.GAP,
    "li2025-minima": against_rate.MINIMUM_BY_CURVE,
    "li2025-1a": against_compute.FIG_1A,
    "li2025-1b": against_rate.FIG_1B,
    "li2025-2a": against_compute.FIG_2A,
    "li2025-2b": against_rate.FIG_2B,
    "li2025-5": against_rate.FIG_5,
    "li2025-reuse": confounders.REUSE_FIGURE,
    "li2025-learning-rates": confounders.LEARNING_RATE_FIGURE,
}
"""File name -> figure; the first stands next to the answer. Five are the paper's own, redrawn."""
REUSED = {
    "3B, 114B tokens": "3B on 114B tokens",
    "7B, 68B tokens": "7B on 68B tokens",
    "7B, two epochs": "7B on two epochs",
}
"""Series on repeated data that the answer does not use -> their name in a sentence."""


def reproduction(folder: Path = FOLDER) -> Reproduction:
    """Return the paper refitted; its table files are read from `folder`."""
    paper = read_li2025(folder)
    rates, design = ([make(paper) for make in made] for made in (claims.CLAIMS, ablations.CLAIMS))
    return Reproduction(
        data=paper,
        figures=FIGURES,
        page=lambda pictures: _page(paper, rates, design, pictures),
        summary={
            "source": paper.source,
            "claims": to_json((*rates, *design)),
            "minima": {name: _numbers(series) for name, series in paper.series.items()},
            "one_optimum": {name: to_json(found) for name, found in paper.one_optimum.items()},
        },
    )


def _numbers(series: RateSeries) -> dict[str, Any]:
    gaps = (series.less_dense(0), series.less_dense(1))
    return {
        "table": series.table,
        "n": len(series.runs),
        "optimum": to_json(series.optimum),
        "curves": to_json(series.fit.sensitivity),
        "crossings": to_json(series.fit.crossings),
        "less_dense": [None if gap is None else gap[0] for gap in gaps],
    }


def _page(paper: Li2025, rates: list[Claim], design: list[Claim], pictures: dict[str, Picture]) -> Page:
    rest = dict(pictures)
    first = rest.pop(next(iter(FIGURES)), None)
    specs = {**tables.TABLES, **ablations.TABLES, **tables.RUN_TABLES}
    every = {**_claim_tables(rates, design), **filled(specs, paper)}
    return Page(
        kind="Published study, refitted from its own tables",
        title="Li et al. 2025, arXiv 2506.12119",
        question="Can a mixture of experts beat a dense model that has as many parameters, as much training compute "
        "and as much data, and at which share of active parameters?",
        answer=_answer(paper),
        more=tuple(_more(paper)),
        first=first,
        verdict=_verdict([*rates, *design]),
        sections=(
            *arranged(study.HEADINGS, rest, every, _texts(paper)),
            Section(title="What the intervals assume", items=tuple(assumptions(paper))),
        ),
        footer=f"{paper.source[:1].upper()}{paper.source[1:]}: {counted(len(paper.runs), 'run')} of tables 9 to 17, "
        "losses in bits per character (BPC) on its validation set, one seed.",
    )


def _claim_tables(rates: Sequence[Claim], design: Sequence[Claim]) -> dict[str, Table]:
    note = (
        "Sentences in our words. Intervals are 95 %. Each verdict follows from the numbers by the rule in the column "
        "`judged by`. Where the rule is an interval, an interval on the stated side agrees, one on the other side "
        "differs, and one that holds both cannot be told. Signs and counts take no account of noise."
    )
    titles = {
        "claims": ("Activation rate, dense models and data", rates),
        "claims-design": ("Architecture and benchmarks", design),
    }
    return {
        name: claims_table(made, name=name, title=title, note=note, says="claim", section=study.CLAIMS)
        for name, (title, made) in titles.items()
    }


def _answer(paper: Li2025) -> str:
    """Return whether MoE beats dense, and where its loss is lowest."""
    lows = [f"{rate_estimate(series.optimum)} at {scale}{_repeated(series)}" for scale, series in paper.main.items()]
    ahead = [scale for scale, series in paper.main.items() if series.beats(0)]
    start = "Yes" if len(ahead) == len(lows) else "In part" if ahead else "Not shown"
    lead = f"is below that of dense at {joined(ahead)}" if ahead else "is not shown to be below that of dense"
    return f"{start}: at equal N and C the loss of MoE {lead}. It is lowest at an activation rate of {joined(lows)}."


def _repeated(series: RateSeries) -> str:
    return "" if series.fresh else f" on {series.repeated_tokens} repeated tokens"


def _more(paper: Li2025) -> Iterator[str]:
    """Yield the paper's answer, the rates that do as well, the size of the lead, and what is not settled."""
    yield "The paper answers: yes, at about 20 % at every size; and where data are equal too, they can be repeated."
    regions = {scale: series.optimum.region for scale, series in paper.main.items()}
    near = [f"{rate_range(*region)} at {scale}" for scale, region in regions.items() if region]
    if near:
        yield f"These rates do as well, within what 5 % of C is worth: {joined(near)}."
    gaps = {scale: series.less_dense(0) for scale, series in paper.main.items()}
    leads = [f"{loss_estimate(gap)} at {scale}" for scale, gap in gaps.items() if gap]
    beaten = [scale for scale, series in paper.main.items() if series.beats(1)]
    twice = f"MoE at {joined(beaten)} is" if beaten else "None of these is shown to be"
    reused = {words: paper.series[name] for name, words in REUSED.items()}
    also = [f"{words} {loss_estimate(series.less_dense(1))}" for words, series in reused.items() if series.beats(1)]
    others = f" Of the other sets on repeated data, these are below it: {joined(also)}." if also else ""
    yield f"MoE less dense, in bits per character: {joined(leads)}. {twice} below dense of about twice C.{others}"
    least = paper.one_optimum["all runs"].detectable
    unseen = "" if least is None else f"From 2B to 7B a factor of less than {math.exp(least):.2f} would not be seen. "
    yield (
        f"Not settled: whether the best rate is the same elsewhere. {unseen}No size was scanned at two budgets. We "
        "also do not know what the higher learning rate of the 2B MoE is worth, or the noise: each run has one seed."
    )


def _verdict(made: Sequence[Claim]) -> str:
    words = {AGREES: "agree with its numbers", DIFFERS: "differ from them", CANNOT: CANNOT}
    counts = [f"{sum(claim.verdict == verdict for claim in made)} {said}" for verdict, said in words.items()]
    return f"Of {len(made)} sentences of the paper {joined(counts)}."


def _texts(paper: Li2025) -> dict[str, tuple[str, ...]]:
    """Return the paragraphs of each section."""
    return {
        study.MINIMA: _minima(paper),
        study.DENSE: (
            " ".join(_edges(scale, series) for scale, series in paper.main.items()),
            f"C is not quite equal along a curve: 1 % of it is worth about "
            f"{paper.gain_per_ln_C('2B') * math.log(1.01):.4f} BPC at 2B.",
        ),
        study.REDRAWN: (
            "From the published tables, with our curves and intervals. Two figures are not redrawn, because no table "
            "that is kept here has their numbers: Fig. 3 (accuracy against rate; table 2 has its values at 20 %) and "
            "Fig. 4 (loss against shape, the 20 runs of table 8).",
        ),
        study.GRANULARITY: _granularity(paper),
        study.LEARNING_RATES: (_learning_rates(paper),),
        study.REUSE: _reuse(paper),
        study.ABLATIONS: (
            "Its ablations have one run each, so we cannot say how large a difference must be to exceed the noise.",
        ),
        study.RUNS: ("Columns marked ours are computed from the printed sizes when this page is written.",),
    }


def _minima(paper: Li2025) -> tuple[str, ...]:
    rejected = sum((each.curve("quadratic").misfit or 1) < TEST_LEVEL for each in paper.series.values())
    parabola, spline = (
        [_points_from_cubic(each, law) for each in paper.main.values()] for law in ("quadratic", "spline")
    )
    return (
        "The choice of the curve moves the minimum as much as the noise does: the minimum of a parabola in ln r_a lies "
        f"{joined(f'{points:.1f}' for points in parabola)} points from that of the cubic at {joined(paper.main)}. The "
        f"runs reject the parabola in {rejected} of {len(paper.series)} sets, so this page uses the cubic. The spline, "
        f"which assumes no shape, lies within {max(spline):.1f} points of it at these sizes.",
        "Do not read the minimum off the lowest run of a series: it is on the grid, and it is the run that sampling "
        "noise favours most.",
    )


def _points_from_cubic(series: RateSeries, law: str) -> float:
    return 100 * abs((series.curve(law).value or math.nan) - (series.curve("cubic").value or math.nan))


def _edges(scale: str, series: RateSeries) -> str:
    """Return between which rates the curve lies below the dense model of equal compute."""
    low, high = (series.crossing(0, side) for side in ("low", "high"))
    if low.status == Status.NOT_IDENTIFIED:
        return f"At {scale} {low.why.sentence(dense='the dense model')}."
    start = rate_estimate(low) if low.value else "the lowest rate that was run"
    stop = rate_estimate(high) if high.value else "the highest rate"
    return f"At {scale} MoE is below the dense model of equal compute from {start} to {stop}."


def _granularity(paper: Li2025) -> tuple[str, ...]:
    """Return what coarse-grained experts do to the curve."""
    steps = coarse_step(paper)
    effects = [f"{name} {loss_estimate(effect)}" for name, effect in steps.items()]
    pairs = [(paper.series[name], paper.series[f"{name}, fine"]) for name in steps]
    scatter = [f"{a.fit.residual_sd or 0:.4f} to {b.fit.residual_sd or 0:.4f} ({a.name})" for a, b in pairs]
    moved = [f"{_minimum(a)} to {_minimum(b)} ({a.name})" for a, b in pairs]
    widths = [li2025_shape(run).d_expert for run in paper.of(12)]
    return (
        "Three rates of tables 10, 15 and 16 were trained with 8 large experts, the others with 78 or more small ones. "
        f"As one step added to the cubic, the large experts are worth {joined(effects)} BPC. But the step is not "
        f"constant: it depends on K. {_by_K(paper)}",
        f"Without these runs the residual SD changes from {joined(scatter)} BPC, and the minimum of the cubic moves "
        f"from {joined(moved)}. In tables 11 and 12 the experts get smaller, from {max(widths)} to {min(widths)}, as "
        "the rate rises, at a constant total width.",
    )


def _minimum(series: RateSeries) -> str:
    return "no minimum" if series.optimum.value is None else rate(series.optimum.value)


def _by_K(paper: Li2025) -> str:
    """Return on which side of the fine-grained curve the coarse-grained runs lie, by K, and the same from table 7."""
    rows = [(li2025_shape(run).top_k, value) for _, run, (value, _) in coarse_residuals(paper)]
    pairs = coarse_ablations(paper)
    above = {K: [value > 0 for k, value in rows if k == K] for K, *_ in pairs}
    sides = [f"{sum(each)} of {len(each)} with K = {K}" for K, each in above.items()]
    nats = [f"{loss_difference(value)} at K = {K}" for K, _, value in pairs]
    return f"Above the curve of the others lie {joined(sides)}; at equal rate table 7 has {joined(nats)} (nats)."


def _learning_rates(paper: Li2025) -> str:
    mismatch = [f"{ratio:.1f} at {scale}" for scale, ratio in moe_over_dense_learning_rate(paper).items()]
    return (
        "Relative to the rule that the paper states, MoE runs have the learning rate of the dense models that they are "
        f"compared with times {joined(mismatch)}. None of its tables shows what that is worth, so no interval on this "
        "page includes it."
    )


def _reuse(paper: Li2025) -> tuple[str, ...]:
    """Return what repeated data cost."""
    strict, loose = paper.reuse["strict"], paper.reuse["loose"]
    cost, gain, mean = strict.costs[0], paper.gain_per_ln_D_7b.values(), loose.equivalences[0]
    free = "the epochs that were run" if cost.free_epochs is None else f"{cost.free_epochs:.1f} epochs"
    better = sum(pair.excess < 0 for pair in loose.pairs)
    twins = ""
    if paper.twins is not None:
        twins = " One 7B model is printed twice, in tables 11 and 12: {:.4f} and {:.4f}.".format(
            *(run.bpc for run in paper.twins)
        )
    return (
        f"Strict reuse costs more than the margin beyond {free}. Between tables 11 and 12 the loss falls by "
        f"{min(gain):.4f} to {max(gain):.4f} BPC per unit of ln D, which turns the cost into {_half_life(cost)}.",
        f"With two epochs the runs differ from fresh data by {loss_difference(mean.excess)} BPC on average; {better} "
        f"of {len(loose.pairs)} are better. Repetition does not improve a run, so the noise of sampling data and of "
        f"training is as large as the differences between neighbouring rates.{twins}",
    )


def _half_life(cost: Cost) -> str:
    """Write R_D* of arXiv 2305.16264, and the value printed there for dense models."""
    if cost.half_life is None:
        return "no R_D*, because the cost is not positive"
    ends = "" if cost.half_life_lo is None else f" ({cost.half_life_lo:.0f} to {cost.half_life_hi or math.inf:.0f})"
    return (
        f"R_D* = {cost.half_life:.0f}{ends}, to first order in (epochs − 1) / R_D*, which makes it too large; arXiv "
        f"2305.16264 has {PUBLISHED['R_D']:.1f} for dense models"
    )


def assumptions(paper: Li2025) -> Iterator[str]:
    """Yield what must be true for the intervals to hold."""
    yield "Every run has one seed. The noise is the scatter about the curve: normal, independent, equal at every rate."
    yield (
        "The cubic is true. Where it is not, its misses count as noise. That widens the intervals but does not correct "
        "the minimum."
    )
    few = paper.few_dof
    yield (
        (
            "There are enough runs. With two degrees of freedom left the scatter itself is hardly known and can be "
            f"small by chance, as in {'; '.join(few)}."
        )
        if few
        else "There are enough runs to know the scatter: every set has more than two degrees of freedom left."
    )
    yield (
        "One noise for every run of a size, dense or MoE, on fresh data or repeated: the dense model is one run, and "
        f"differences from it have the noise of {tables.noises(paper)}."
    )
    fine = paper.one_optimum["fine experts"]
    yield (
        "Sizes are compared with the noise of each. Without the coarse-grained runs the common minimum is "
        f"{rate_estimate(fine)}, {p_value(fine.p)}."
    )
    yield (
        "Learning rate, granularity and data repetition differ between arms as described above; no interval here "
        "includes their effects."
    )
    yield f"The margin, {percent(SHARE)} of C, is taken from the dense models, which have two budgets at every size."
