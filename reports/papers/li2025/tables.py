"""arXiv 2506.12119 refitted, as tables: minima, dense models, granularity, learning rates, repeated data."""

import math
from collections.abc import Callable, Iterator
from statistics import median

from fits.status import Status, Why
from planners.published.li2025.rows import li2025_shape
from reports.page.number_text import fixed
from reports.page.table import COUNT, CURVE, TOP_K, Column, P, Row, TableSpec, number, text
from reports.papers.estimate_text import loss_difference, rate
from reports.papers.li2025.confounders import batches, coarse_residuals, fewer_tokens, learning_rates
from reports.papers.li2025.headings import DENSE, GRANULARITY, LEARNING_RATES, MINIMA, REUSE
from reports.papers.li2025.study import Li2025, RateSeries

SET = text("set")
MINIMUM = number("minimum", show=rate)
BPC = number("loss", "loss there", fixed(4), "BPC")
DIFFERENCE = number("excess", "difference", loss_difference, "BPC")
FACTOR = number("tenfold", "tenfold C", fixed(2), "factor")


def ends(of: str, head: str = "95 %", show: Callable[[float], str] = rate) -> tuple[Column, Column]:
    """Return the columns of the two ends of a range."""
    return number(f"{of}_lo", head, show, "low"), number(f"{of}_hi", head, show, "high")


def _minima(paper: Li2025) -> Iterator[Row]:
    for series in paper.series.values():
        for each in series.fit.sensitivity:
            estimate = (each.value, each.lo, each.hi, *series.left_out[each.law])
            yield series.name, len(series.runs), each.law, *estimate, each.residual_sd, each.misfit


def _regions(paper: Li2025) -> Iterator[Row]:
    for series in paper.series.values():
        low = series.optimum
        region, interval = low.region or (None, None), low.region_ends or ((None, None), (None, None))
        yield series.name, low.value, low.loss, low.margin, *region, *interval[0], *interval[1]


def _one_optimum(paper: Li2025) -> Iterator[Row]:
    for name, found in paper.one_optimum.items():
        slope = found.slopes[0] if found.slopes else None
        tenfold = (None, None, None) if slope is None else (slope.value, slope.lo, slope.hi)
        factors = [None if end is None else 10**end for end in tenfold]
        detectable = None if found.detectable is None else math.exp(found.detectable)
        p = [found.sensitivity.get(law) for law in ("cubic", "quadratic")]
        yield name, found.value, found.lo, found.hi, *p, detectable, *factors


def _dense(paper: Li2025) -> Iterator[Row]:
    for series in paper.series.values():
        for at, name in enumerate(() if series.fine else ("C", "2C")):
            value, half = series.less_dense(at) or (math.nan, math.nan)
            low, high = series.crossing(at, "low"), series.crossing(at, "high")
            difference = (value, value - half, value + half)
            places = (low.value, low.lo, low.hi, high.value, high.lo, high.hi)
            yield f"{series.name}, dense at {name}", *difference, *places, curve_against_dense(series, at)


def curve_against_dense(series: RateSeries, dense: int) -> str:
    """Return in a few words where the curve is below the loss of a dense model (0: at C, 1: at 2C)."""
    low, high = (series.crossing(dense, side) for side in ("low", "high"))
    if low.status == Status.NOT_IDENTIFIED:
        return "above" if low.why is Why.ALWAYS_HIGHER else "not told apart"
    if low.status == high.status:
        return "below between" if low.status == Status.CONVERGED else "below throughout"
    return "below from there on" if low.status == Status.CONVERGED else "below up to there"


def noises(paper: Li2025) -> str:
    """Return the noise of each size and the series that it comes from."""
    return "; ".join(
        f"{scale}: SD {each.noise_fit.residual_sd or 0:.4f} BPC about the cubic of {each.name}, {each.noise_fit.dof} "
        "degrees of freedom"
        for scale, each in paper.main.items()
    )


def _few_dof(paper: Li2025) -> str:
    few = paper.few_dof
    return f", which is hardly known from two degrees of freedom in {'; '.join(few)}" if few else ""


def _granularity(paper: Li2025) -> Iterator[Row]:
    for name, run, (value, half) in coarse_residuals(paper):
        yield name, run.r_a, li2025_shape(run).top_k, value, value - half, value + half


def _beyond(paper: Li2025) -> str:
    """Return the rates of coarse-grained runs that lie beyond the fine-grained runs of their series."""
    highest = {name: series.fit.domain["r_a"][1] for name, series in paper.series.items()}
    rates = {run.r_a for name, run, _ in coarse_residuals(paper) if run.r_a > highest[f"{name}, fine"]}
    return ", ".join(map(rate, sorted(rates))) or "none"


def _learning_rates(paper: Li2025) -> Iterator[Row]:
    known = batches(paper)
    for arm, runs in learning_rates(paper).items():
        ratios, sizes = [ratio for _, ratio in runs], known[arm]
        lowest, highest = (min(sizes), max(sizes)) if sizes else (None, None)
        yield arm, len(runs), min(ratios), median(ratios), max(ratios), lowest, highest


def _reuse(paper: Li2025) -> Iterator[Row]:
    """Yield the pairs of repeated and fresh runs at 7B, then the pairs of 65B and 114B unique tokens at 3B."""
    for scheme, found in paper.reuse.items():
        for pair in found.pairs:
            yield f"7B, {scheme}", pair.r_a, pair.U, pair.epochs, pair.repeated, pair.fresh, pair.excess
    few, many = ({run.r_a: run for run in paper.of(table)} for table in (15, 16))
    for r_a, value in fewer_tokens(paper):
        run = few[r_a]
        yield "3B, 65B less 114B", r_a, run.U, run.D / run.U, run.bpc, many[r_a].bpc, value


TABLES: dict[str, TableSpec[Li2025]] = {
    "minima": TableSpec(
        title="Minimum by set of runs and curve",
        section=MINIMA,
        columns=(
            SET,
            COUNT,
            CURVE,
            MINIMUM,
            *ends("minimum"),
            *ends("left_out", "left out"),
            number("residual_sd", "residual SD", fixed(5), "BPC"),
            P.named("misfit", "misfit p"),
        ),
        rows=_minima,
        note="Interval: 95 %, if the shape of the curve is true. Left out: range of the minimum over leaving out one "
        "run; empty where one of them is at an end of the rates. Misfit: probability of misses as large, if the shape "
        "is true; below 0.05 the runs reject the curve.",
    ),
    "region": TableSpec(
        title="Rates that do as well as the minimum",
        section=MINIMA,
        columns=(
            SET,
            MINIMUM,
            BPC,
            BPC.named("margin"),
            MINIMUM.named("region_low", "from"),
            MINIMUM.named("region_high", "to"),
            *ends("from", "from, 95 %"),
            *ends("to", "to, 95 %"),
        ),
        rows=_regions,
        note="Within the margin of the lowest point of the cubic. The margin is what 5 % of C is worth to the dense "
        "models of that size between their two budgets. Empty: beyond the sampled rates.",
    ),
    "one-optimum": TableSpec(
        title="One minimum for 2B, 3B and 7B?",
        section=MINIMA,
        columns=(
            text("set", "on"),
            MINIMUM.named("common", "common minimum"),
            *ends("common"),
            P.named("p_cubic", "p, cubics"),
            P.named("p_quadratic", "p, parabolas"),
            FACTOR.named("would_show", "would show"),
            FACTOR,
            *ends("tenfold", show=fixed(2)),
        ),
        rows=_one_optimum,
        note="F test that the curves of 2B, 3B (65B tokens) and 7B are lowest at one rate, with one noise for all. "
        "Would show: the movement from 2B to 7B that such a test finds in 80 % of studies. Tenfold C: factor by "
        "which the minimum moves; N moves along, so this is not an effect of C alone.",
    ),
    "dense": TableSpec(
        title="MoE against dense at C and at about 2C",
        section=DENSE,
        columns=(
            SET,
            DIFFERENCE.named("less_dense", "less dense"),
            DIFFERENCE.named("less_dense_lo", "95 % low", ""),
            DIFFERENCE.named("less_dense_hi", "95 % high", ""),
            MINIMUM.named("from"),
            *ends("from", "from, 95 %"),
            MINIMUM.named("to"),
            *ends("to", "to, 95 %"),
            text("curve", "the curve is"),
        ),
        rows=_dense,
        note=lambda paper: (
            "Less dense: loss at the minimum of the cubic less that of the dense run, both with the noise of their "
            f"size ({noises(paper)}). From, to: where the cubic crosses the dense loss; empty where it does not. Their "
            f"95 % intervals rest on the scatter of the set itself{_few_dof(paper)}."
        ),
    ),
    "granularity": TableSpec(
        title="Runs with 8 large experts, less the curve of the others",
        section=GRANULARITY,
        columns=(
            SET,
            MINIMUM.named("r_a"),
            TOP_K,
            DIFFERENCE.named("off", "less the curve"),
            DIFFERENCE.named("off_lo", "95 % low", ""),
            DIFFERENCE.named("off_hi", "95 % high", ""),
        ),
        rows=_granularity,
        note=lambda paper: (
            "Published loss less the cubic of the runs with 78 or more small experts at the same rate. The interval is "
            f"that of one more run, by their scatter{_few_dof(paper)}. Rates beyond those of the fine-grained runs: "
            f"{_beyond(paper)}."
        ),
    ),
    "learning-rates": TableSpec(
        title="Learning rate and batch over Step Law",
        section=LEARNING_RATES,
        columns=(
            text("arm"),
            COUNT,
            *(number(f"lr_{name}", "learning rate", fixed(2), name) for name in ("lowest", "median", "highest")),
            *(number(f"batch_{name}", "batch", fixed(2), name) for name in ("lowest", "highest")),
        ),
        rows=_learning_rates,
        note="1 is the rule of arXiv 2503.04715 for the N and D of the run. The 3B MoE runs are taken to have the "
        "rates of table 10 at equal D.",
    ),
    "reuse": TableSpec(
        title="Repeated data by pairs of runs",
        section=REUSE,
        columns=(
            SET,
            MINIMUM.named("r_a"),
            number("U", "unique tokens", lambda U: f"{U / 1e9:.0f}B"),
            number("epochs", show=fixed(2)),
            BPC.named("repeated"),
            BPC.named("fresh", "fresh, or 114B"),
            DIFFERENCE,
        ),
        rows=_reuse,
        note="At 7B against the run on fresh data of equal rate and D. At 3B, which has no fresh runs, 65B unique "
        "tokens against 114B. One seed: which tokens were repeated is one random draw, and its sampling noise is in "
        "every number.",
    ),
}
"""Name of its files -> table."""
