"""arXiv 2506.12119 refitted, as tables: sentences, minima, dense models, granularity, learning rates, repeated data."""

import math
from collections.abc import Callable, Iterable
from statistics import median

from fits.result import Crossing
from fits.status import Why
from planners.published.li2025.rows import li2025_shape
from reports.page.number_text import fixed
from reports.page.table import Cell, Column, Table
from reports.papers.claim import Claim
from reports.papers.li2025.effects import batches, coarse_rows, fewer_tokens, learning_rates
from reports.papers.li2025.study import Li2025, Series
from reports.papers.words import one, signed

RATE = one
CLAIM_COLUMNS = (
    Column(name="claim", head="the paper says", text=True),
    Column(name="verdict", head="verdict", text=True),
    Column(name="by", head="judged by", text=True),
    Column(name="found", head="its numbers, refitted", text=True),
    Column(name="where", head="where", text=True),
)


def claim_table(name: str, title: str, claims: Iterable[Claim]) -> Table:
    """Return sentences of the paper beside what its numbers say."""
    return Table(
        name=name,
        title=title,
        note="Sentences in our words. Intervals are 95 %. The verdict follows from the numbers by the rule in the "
        "third column. Where that is an interval, one on the stated side agrees, one on the other side differs, one "
        "that holds both cannot be told. Signs and counts take no account of noise.",
        columns=CLAIM_COLUMNS,
        rows=tuple((claim.says, claim.verdict, claim.by, claim.found, claim.where) for claim in claims),
    )


def minima_table(paper: Li2025) -> Table:
    """Return where each curve is lowest on each set of runs."""
    return Table(
        name="minima",
        title="Minimum by set of runs and curve",
        note="Interval: 95 %, where the shape of the curve is true. Left out: range of the minimum over leaving out "
        "one run, empty where one of them is at an end of the rates. Misfit: probability of misses as large, were "
        "the shape true; below .05 the runs reject the curve.",
        columns=(
            Column(name="set", head="set", text=True),
            Column(name="n", head="n"),
            Column(name="curve", head="curve", text=True),
            Column(name="minimum", head="minimum", show=RATE),
            *_ends("minimum", "95 %"),
            *_ends("left_out", "left out"),
            Column(name="residual_sd", head="residual SD", unit="BPC", show=fixed(5)),
            Column(name="misfit", head="misfit p", show=lambda p: f"{p:.2g}"),
        ),
        rows=tuple(row for series in paper.series.values() for row in _minima(series)),
    )


def _minima(series: Series) -> list[tuple[Cell, ...]]:
    return [
        (series.name, len(series.runs), each.law, each.value, each.lo, each.hi, *series.left_out[each.law],
         each.residual_sd, each.misfit)
        for each in series.fit.sensitivity
    ]  # fmt: skip


def region_table(paper: Li2025) -> Table:
    """Return the rates that do as well as the minimum."""
    rows = []
    for series in paper.series.values():
        low = series.optimum
        region, ends = low.region or (None, None), low.region_ends or ((None, None), (None, None))
        rows.append((series.name, low.value, low.loss, low.margin, *region, *ends[0], *ends[1]))
    return Table(
        name="region",
        title="Rates that do as well as the minimum",
        note="Within the margin of the lowest point of the cubic. The margin is what 5 % of C is worth to the dense "
        "models of that size between their two budgets. Empty: beyond the sampled rates.",
        columns=(
            Column(name="set", head="set", text=True),
            Column(name="minimum", head="minimum", show=RATE),
            Column(name="loss", head="loss there", unit="BPC", show=fixed(4)),
            Column(name="margin", head="margin", unit="BPC", show=fixed(4)),
            Column(name="region_low", head="from", show=RATE),
            Column(name="region_high", head="to", show=RATE),
            *_ends("from", "from, 95 %"),
            *_ends("to", "to, 95 %"),
        ),
        rows=tuple(rows),
    )


def dense_table(paper: Li2025) -> Table:
    """Return MoE at its minimum less each dense model, and the rates at which their losses are equal."""
    rows: list[tuple[Cell, ...]] = []
    for series in (each for each in paper.series.values() if not each.name.endswith("fine")):
        for at, name in enumerate(("C", "2C")):
            value, half = series.lead(at) or (math.nan, math.nan)
            low, high = series.crossing(at, "low"), series.crossing(at, "high")
            rows.append(
                (f"{series.name}, dense at {name}", -value, -value - half, -value + half, low.value, low.lo, low.hi,
                 high.value, high.lo, high.hi, _crossed(low, high))
            )  # fmt: skip
    return Table(
        name="dense",
        title="MoE against dense at C and at about 2C",
        note="Less dense: loss at the minimum of the cubic less that of the dense run, both with the one noise of "
        f"their size ({noises(paper)}). From, to: where the cubic crosses the dense loss, no rate where it does not; "
        f"their 95 % intervals rest on the scatter of the set itself{_hardly(paper)}.",
        columns=(
            Column(name="set", head="set", text=True),
            Column(name="less_dense", head="less dense", unit="BPC", show=signed),
            Column(name="less_dense_lo", head="95 % low", show=signed),
            Column(name="less_dense_hi", head="95 % high", show=signed),
            Column(name="from", head="from", show=RATE),
            *_ends("from", "from, 95 %"),
            Column(name="to", head="to", show=RATE),
            *_ends("to", "to, 95 %"),
            Column(name="curve", head="the curve is", text=True),
        ),
        rows=tuple(rows),
    )


def noises(paper: Li2025) -> str:
    """Say the noise of each size and from which set it is."""
    return "; ".join(
        f"{scale}: SD {each.judge.residual_sd or 0:.4f} BPC about the cubic of {each.name}, {each.judge.dof} degrees "
        "of freedom"
        for scale, each in paper.main.items()
    )


def _hardly(paper: Li2025) -> str:
    return f", which two degrees of freedom hardly tell in {'; '.join(paper.scarce)}" if paper.scarce else ""


def _crossed(low: Crossing, high: Crossing) -> str:
    """Say in a word or two how the curve lies to the dense loss."""
    if low.status == high.status == "converged":
        return "below between"
    if "not_identified" in (low.status, high.status):
        return "above" if low.why is Why.ALWAYS_HIGHER else "not told apart"
    return (
        "below throughout" if low.status == high.status else "below from there on" if low.value else "below up to there"
    )


def one_optimum_table(paper: Li2025) -> Table:
    """Return the test that the three sizes share one minimum."""
    rows = []
    for name, found in paper.one_optimum.items():
        slope = found.slopes[0] if found.slopes else None
        tenfold = (None, None, None) if slope is None else tuple(
            None if end is None else 10**end for end in (slope.value, slope.lo, slope.hi)
        )  # fmt: skip
        detectable = None if found.detectable is None else math.exp(found.detectable)
        p = [found.sensitivity.get(law) for law in ("cubic", "quadratic")]
        rows.append((name, found.value, found.lo, found.hi, *p, detectable, *tenfold))
    return Table(
        name="one-optimum",
        title="One minimum for 2B, 3B and 7B?",
        note="F test that the curves of 2B, 3B (65B tokens) and 7B are lowest at one rate, with one noise for all. "
        "Would show: the movement from 2B to 7B that such a test finds in 80 % of studies. Tenfold C: factor by "
        "which the minimum moves; N moves along, so this is no effect of C alone.",
        columns=(
            Column(name="set", head="on", text=True),
            Column(name="common", head="common minimum", show=RATE),
            *_ends("common", "95 %"),
            Column(name="p_cubic", head="p, cubics", show=lambda p: f"{p:.2g}"),
            Column(name="p_quadratic", head="p, parabolas", show=lambda p: f"{p:.2g}"),
            Column(name="would_show", head="would show", unit="factor", show=fixed(2)),
            Column(name="tenfold", head="tenfold C", unit="factor", show=fixed(2)),
            *_ends("tenfold", "95 %", fixed(2)),
        ),
        rows=tuple(rows),
    )


def granularity_table(paper: Li2025) -> Table:
    """Return how far each coarse run lies off the curve of the fine-grained ones."""
    return Table(
        name="granularity",
        title="Runs with 8 large experts, off the curve of the others",
        note="Published loss less the cubic of the runs with 78 and more small experts at the same rate; interval for "
        f"one more run, by their scatter{_hardly(paper)}. The rate 57.7 % lies beyond the fine-grained runs.",
        columns=(
            Column(name="set", head="set", text=True),
            Column(name="r_a", head="r_a", show=RATE),
            Column(name="top_k", head="K"),
            Column(name="off", head="off the curve", unit="BPC", show=signed),
            Column(name="off_lo", head="95 % low", show=signed),
            Column(name="off_hi", head="95 % high", show=signed),
        ),
        rows=tuple(
            (name, run.r_a, li2025_shape(run).top_k, value, value - half, value + half)
            for name, run, (value, half) in coarse_rows(paper)
        ),
    )


def learning_rate_table(paper: Li2025) -> Table:
    """Return learning rates and batches over those of Step Law, by arm."""
    sizes = batches(paper)
    rows = []
    for arm, runs in learning_rates(paper).items():
        ratios, known = [ratio for _, ratio in runs], sizes[arm]
        ends = (min(known), max(known)) if known else (None, None)
        rows.append((arm, len(runs), min(ratios), median(ratios), max(ratios), *ends))
    return Table(
        name="learning-rates",
        title="Learning rate and batch over Step Law",
        note="1 is the rule of arXiv 2503.04715 for the N and D of the run. The 3B MoE runs are taken to have the "
        "rates of table 10 at equal D.",
        columns=(
            Column(name="arm", head="arm", text=True),
            Column(name="n", head="n"),
            *(
                Column(name=f"lr_{name}", head="learning rate", unit=name, show=fixed(2))
                for name in ("lowest", "median", "highest")
            ),
            *(Column(name=f"batch_{name}", head="batch", unit=name, show=fixed(2)) for name in ("lowest", "highest")),
        ),
        rows=tuple(rows),
    )


def reuse_table(paper: Li2025) -> Table:
    """Return every pair of a repeated and a fresh run, and of few and many unique tokens."""
    rows: list[tuple[Cell, ...]] = [
        (f"7B, {scheme}", pair.r_a, pair.U, pair.epochs, pair.repeated, pair.fresh, pair.excess)
        for scheme, found in paper.reuse.items()
        for pair in found.pairs
    ]
    few, many = ({run.r_a: run for run in paper.of(table)} for table in (15, 16))
    rows += [
        ("3B, 65B less 114B", r_a, few[r_a].U, few[r_a].D / few[r_a].U, few[r_a].bpc, many[r_a].bpc, value)
        for r_a, value in fewer_tokens(paper)
    ]
    return Table(
        name="reuse",
        title="Repeated data by pairs of runs",
        note="At 7B against the run on fresh data of equal rate and D; at 3B, where there is none, 65B unique tokens "
        "against 114B. One seed: which tokens were repeated is one draw, and its luck is in every number.",
        columns=(
            Column(name="set", head="set", text=True),
            Column(name="r_a", head="r_a", show=RATE),
            Column(name="U", head="unique tokens", show=lambda U: f"{U / 1e9:.0f}B"),
            Column(name="epochs", head="epochs", show=fixed(2)),
            Column(name="repeated", head="repeated", unit="BPC", show=fixed(4)),
            Column(name="fresh", head="fresh, or 114B", unit="BPC", show=fixed(4)),
            Column(name="excess", head="difference", unit="BPC", show=signed),
        ),
        rows=tuple(rows),
    )


def _ends(name: str, head: str, show: Callable[[float], str] = RATE) -> tuple[Column, Column]:
    """Return the columns of the two ends of an interval."""
    return (
        Column(name=f"{name}_lo", head=head, unit="low", show=show),
        Column(name=f"{name}_hi", head=head, unit="high", show=show),
    )
