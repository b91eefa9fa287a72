"""arXiv 2506.12119 refitted, as tables: what the refit finds, then each run with our counts and curves.

TABLES: minima, dense models, granularity, learning rates, repeated data. RUN_TABLES: tables 9 to 17 of the paper.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from statistics import median

from fits import curve
from fits.status import Status, Why
from planners.architecture.flops import flops_per_token, parameters
from planners.published.li2025.rows import SEQ_LEN, Li2025Run, li2025_shape
from reports.page.number_text import fixed, listed, signed
from reports.page.table import COUNT, CURVE, TOP_K, Column, P, Row, TableSpec, number, text
from reports.papers.estimate_text import loss_difference, rate
from reports.papers.li2025.confounders import batches, coarse_residuals, fewer_tokens, learning_rates
from reports.papers.li2025.study import DENSE, GRANULARITY, LEARNING_RATES, MINIMA, REUSE, RUNS, Li2025, RateSeries

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
        p = [found.p, slope.p if slope else None]
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
            P.named("p_one", "p, one minimum"),
            P.named("p_trend", "p, trend with C"),
            FACTOR.named("would_show", "would show"),
            FACTOR,
            *ends("tenfold", show=fixed(2)),
        ),
        rows=_one_optimum,
        note="F test that the curves of 2B, 3B (65B tokens) and 7B are lowest at one rate, with the noise of each. "
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

TITLES = {
    9: "2B at fixed rates, D varied",
    10: "2B at equal compute",
    11: "7B at equal tokens",
    12: "7B at equal compute, fresh data",
    13: "dense models",
    14: "7B at equal compute, 68B tokens repeated",
    15: "3B at equal compute, 65B tokens repeated",
    16: "3B at equal compute, 114B tokens repeated",
    17: "7B at equal compute, two epochs",
}
"""Number of the table in the paper -> its title."""
CONVENTIONS = ("li2025", "li2025+router")
"""Both ways in which the paper counts: its tables differ in whether the router is included."""
WITHOUT_ROUTER = 9
"""The table that leaves out the router."""
WITHOUT_EXPERTS = (15, 16)
"""Tables whose experts the table file does not have."""
THREE_DIGITS, PRODUCT = 5e-3, 1e-2
"""Upper bounds of relative rounding: a number with three digits, and a product of two such numbers."""


def three_digits(value: float) -> str:
    """Write a number with three digits, as the paper does: `1.90e8`."""
    mantissa, exponent = f"{value:.2e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def both(name: str, head: str = "", ours: str = "") -> tuple[Column, Column]:
    """Return the columns of a printed number and of ours."""
    printed = number(name, head, three_digits, "printed")
    return printed, printed.named(f"{name}_ours", ours or printed.head, "ours")


R_A = number("r_a", "r_a", lambda value: f"{100 * value:.2f} %", "printed")
COLUMNS = (
    text("scale", "size"),
    R_A,
    R_A.named("r_a_ours", "r_a", "ours"),
    *both("N"),
    *both("N_a"),
    *both("M"),
    number("D", "D", three_digits, "tokens"),
    number("epochs", "epochs", fixed(2)),
    *both("C", ours="C = M D"),
    number("lr", "learning rate", three_digits, "printed"),
    number("lr_step_law", "over Step Law", fixed(2), "ours"),
    number("bpc", "BPC", fixed(4), "printed"),
    number("bpc_curve", "curve", fixed(4), "ours"),
    number("residual", "BPC less curve", loss_difference),
    text("differs", "does not follow from the sizes"),
)


def _rows(paper: Li2025, table: int) -> Iterator[Row]:
    fit = next((each.fit for each in paper.series.values() if each.table == table and not each.fine), None)
    ratios = {run: ratio for runs in learning_rates(paper).values() for run, ratio in runs if run.lr}
    for run in paper.of(table):
        fitted = None if fit is None else float(curve(fit, run.r_a)[0][0])
        residual = None if fitted is None else run.bpc - fitted
        name = run.scale
        if run.r_a == 1:
            name += f" {('C', '2C')[paper.dense(run.scale).index(run)]}"
        yield name, *_counts(run), run.lr, ratios.get(run), run.bpc, fitted, residual, _differs(run)


def _counts(run: Li2025Run) -> Row:
    """Return r_a, N, N_a, M, D, epochs and C of a run, printed and ours; null where it is not printed or not asked."""
    dense, shape = run.r_a == 1, li2025_shape(run)
    convention = CONVENTIONS[run.table != WITHOUT_ROUTER]
    (N, N_a), M = parameters(shape, convention), flops_per_token(shape, SEQ_LEN, convention)
    rates: Row = (None, None) if dense else (run.r_a, N_a / N)
    totals: Row = (run.N, N) if dense else (None, None)
    active: Row = (None, None) if dense or run.N_a is None else (run.N_a, N_a)
    epochs = run.D / run.U if run.U < run.D else None
    C = None if run.table == WITHOUT_ROUTER else run.C
    return *rates, *totals, *active, run.M, M, run.D, epochs, C, M * run.D


def _differs(run: Li2025Run) -> str | None:
    """Return which printed numbers follow from the sizes neither with the router nor without it; null if all do."""
    shape = li2025_shape(run)
    counts = [parameters(shape, name) for name in CONVENTIONS]
    per_token = [flops_per_token(shape, SEQ_LEN, name) for name in CONVENTIONS]
    found = {
        "N": _off(run.N, [N for N, _ in counts], THREE_DIGITS) if run.r_a == 1 else None,
        "r_a": _points_off(run.r_a, [N_a / N for N, N_a in counts]),
        "N_a": _off(run.N_a, [N_a for _, N_a in counts], THREE_DIGITS),
        "M": _off(run.M, per_token, THREE_DIGITS),
        "C": None if run.table == WITHOUT_ROUTER else _off(run.C, [M * run.D for M in per_token], PRODUCT),
    }
    return listed(f"{name} {off}" for name, off in found.items() if off) or None


def _points_off(printed: float, counted: Iterable[float]) -> str | None:
    """Return the distance of a printed rate from the nearest count, in points; null where its four digits agree."""
    nearest = min(counted, key=lambda value: abs(printed - value))
    off = printed - round(nearest, 4)
    return None if abs(off) < 0.5e-4 else f"{signed(2)(100 * off)} points"


def _off(printed: float | None, counted: Iterable[float], rounding: float) -> str | None:
    """Return the relative distance of a printed number from the nearest count; null where rounding explains it."""
    if printed is None:
        return None
    nearest = min(counted, key=lambda value: abs(math.log(printed / value)))
    off = printed / nearest - 1
    return None if abs(off) <= rounding * 1.001 else f"{signed(1)(100 * off)} %"


def _note(paper: Li2025, table: int) -> str:
    runs = paper.of(table)
    differing = sum(_differs(run) is not None for run in runs)
    router = "without" if table == WITHOUT_ROUTER else "with"
    experts = " The table file does not have its experts: we use those of table 10 on 24 layers."
    return (
        f"Ours: counted from the printed sizes, {router} the router, without vocabulary and norms; M = 6 N_a + 12 "
        f"d_model S layers. {differing} of {len(runs)} rows print a number that does not follow from their sizes to "
        "the printed digits, whether the router is counted or not."
        f"{experts if table in WITHOUT_EXPERTS else ''}"
    )


RUN_TABLES: dict[str, TableSpec[Li2025]] = {
    f"table-{table}": TableSpec(
        title=f"Table {table}: {title}",
        section=RUNS,
        columns=COLUMNS,
        rows=partial(_rows, table=table),
        note=partial(_note, table=table),
    )
    for table, title in TITLES.items()
}
"""Name of its files -> table."""
