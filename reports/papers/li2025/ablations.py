"""Architecture (tables 5 to 7) and benchmarks (table 2) of arXiv 2506.12119: the claims on them, and the tables."""

import math
from collections.abc import Callable, Iterator, Sequence
from statistics import fmean

from fits.compare.samples import sign_test
from fits.intervals import TEST_LEVEL
from planners.published.li2025.ablations import Ablation, Benchmark
from reports.page.number_text import fixed, flops, listed, signed
from reports.page.table import Row, TableSpec, number, text
from reports.papers.claim import AGREES, CANNOT, Claim, either
from reports.papers.estimate_text import loss_difference, p_value
from reports.papers.li2025.study import ABLATIONS, Li2025

FIRST, OTHER = "first layer dense, shared expert", "every other layer MoE"
"""Two settings of table 5; both were trained in two groups, at S 16,384."""
UNKNOWN = "nothing: one run each"
"""Rule of a verdict where the noise is not known."""


def arrangement(paper: Li2025) -> Claim:
    """Which layers are MoE."""
    groups = _groups(paper, "arrangement")
    spreads = listed(f"{_spread(rows):.4f}" for rows in groups.values())
    by_setting = [{row.setting: row.loss for row in rows} for rows in groups.values()]
    pairs = [(losses[FIRST], losses[OTHER]) for losses in by_setting if {FIRST, OTHER} <= losses.keys()]
    first = [other - one for one, other in pairs]
    heads = [one - other for one, other in zip(*pairs, strict=True)]
    return Claim(
        says="A dense first layer followed by MoE layers with a shared expert is the best arrangement.",
        where="table 5",
        found=f"At S 16,384 it is better than MoE in every other layer by {_nats(first)}; the shape of the attention "
        f"heads alone moves the loss by {_nats(heads)}. No group compares it with MoE in every layer. One run each "
        f"(spread within a group {spreads}).",
        verdict=CANNOT,
        by=UNKNOWN,
    )


def shared_share(paper: Li2025) -> Claim:
    """How much of the active width is shared."""
    (rows,) = _groups(paper, "shared share").values()
    return Claim(
        says="How much of the active width is shared matters little.",
        where="table 5",
        found=f"None, a quarter and a half differ by {_spread(rows):.4f} nats; without a second seed we cannot say "
        "whether that is little.",
        verdict=CANNOT,
        by=UNKNOWN,
    )


def gate_normalisation(paper: Li2025) -> Claim:
    """Whether gate values are scaled to sum to one."""
    pairs = [tuple(rows) for rows in _groups(paper, "gate normalisation").values()]
    losses = listed(loss_difference(one.loss - other.loss) for one, other in pairs)
    balance = [(one.balance_loss or 0) - (other.balance_loss or 0) for one, other in pairs]
    return Claim(
        says="Normalised gates leave the loss unchanged and balance the experts better.",
        where="table 6",
        found=f"Normalised less not normalised: loss {losses} nats, balance loss {listed(map(signed(3), balance))}. "
        f"The balance is better in {sum(value < 0 for value in balance)} of {len(balance)} pairs. A change of the loss "
        "as large as elsewhere in these tables is not excluded.",
        verdict=CANNOT,
        by=UNKNOWN,
    )


def fresh_benchmarks(paper: Li2025) -> Claim:
    """MoE on fresh data against dense of twice the compute."""
    wins, n = sum(row.fresh > row.dense for row in paper.benchmarks), len(paper.benchmarks)
    p = sign_test(wins, n)
    return Claim(
        says="After fine-tuning the 7B MoE is ahead of the dense model of twice the compute.",
        where="table 2",
        found=f"On fresh data it wins {wins} of {n} ({p_value(p)} by the sign test, as if benchmarks were "
        f"independent), mean {_mean(paper, 'fresh')} against {_mean(paper, 'dense')} %. No dense model of equal "
        "compute is evaluated.",
        verdict=AGREES if p < TEST_LEVEL and wins > n / 2 else CANNOT,
        by=f"sign test, p < {TEST_LEVEL:g}",
    )


def strict_benchmarks(paper: Li2025) -> Claim:
    """MoE on repeated data against both."""
    wins, n = sum(row.strict > row.dense for row in paper.benchmarks), len(paper.benchmarks)
    groups = {row.group: [one for one in paper.benchmarks if one.group == row.group] for row in paper.benchmarks}
    ahead = [name for name, rows in groups.items() if _leads(rows)]
    decisive = [
        row.name for name in ahead for row in groups[name] if not _leads([one for one in groups[name] if one != row])
    ]
    only = f" (in {listed(ahead)} because of {listed(decisive)} alone)" if decisive else ""
    return Claim(
        says="The 7B MoE that repeats its data is ahead of both: of dense, and of MoE on fresh data.",
        where="table 2",
        found=f"It wins {wins} of {n} against dense, mean {_mean(paper, 'strict')} %; its mean is the highest in "
        f"{len(ahead)} of {len(groups)} groups{only}.",
        verdict=either(wins > n / 2),
        by="more than half of the benchmarks",
    )


CLAIMS: tuple[Callable[[Li2025], Claim], ...] = (
    arrangement,
    shared_share,
    gate_normalisation,
    fresh_benchmarks,
    strict_benchmarks,
)
"""The claims in reading order."""


def _groups(paper: Li2025, compared: str) -> dict[str, list[Ablation]]:
    rows = [row for row in paper.ablations if row.compared == compared]
    return {row.group: [one for one in rows if one.group == row.group] for row in rows}


def _spread(rows: Sequence[Ablation]) -> float:
    losses = [row.loss for row in rows]
    return max(losses) - min(losses)


def _nats(values: Sequence[float]) -> str:
    return f"{' and '.join(f'{value:.4f}' for value in values)} nats"


def _mean(paper: Li2025, model: str) -> str:
    return f"{fmean(getattr(row, model) for row in paper.benchmarks):.2f}"


def _leads(rows: Sequence[Benchmark]) -> bool:
    """Return whether the model with repeated data has the highest mean."""
    strict, *others = (fmean(getattr(row, model) for row in rows) for model in ("strict", "dense", "fresh"))
    return strict > max(others)


LOSS = number("loss", "loss", fixed(4), "nats, printed")
ABLATION_COLUMNS = (
    text("setting"),
    text("group"),
    LOSS,
    LOSS.named("above_lowest", "above the lowest", "nats, ours"),
    number("balance_loss", "balance loss", fixed(3), "printed"),
)
SCORE = number("dense", "dense, 2C", fixed(2), "printed")
DIFFERENCE = number("fresh_less_dense", "fresh less dense", signed(2), "ours")


def _ablation_table(table: int, title: str) -> TableSpec[Li2025]:
    def rows(paper: Li2025) -> Iterator[Row]:
        for row in (row for row in paper.ablations if row.table == table):
            above = row.loss - min(one.loss for one in _groups(paper, row.compared)[row.group] if one.table == table)
            yield row.setting, f"{row.compared}, {row.group}", row.loss, above, row.balance_loss

    return TableSpec(
        title=f"Table {table}: {title}",
        section=ABLATIONS,
        columns=ABLATION_COLUMNS,
        rows=rows,
        note="Training loss in nats per token, one run each. Losses can be compared only within a group; D is not "
        "printed.",
    )


def _benchmark_rows(paper: Li2025) -> Iterator[Row]:
    """Yield the benchmarks, then the mean of each group, then the mean of all."""
    scores = [(row.name, row.group, row.dense, row.fresh, row.strict) for row in paper.benchmarks]
    for group in (*dict.fromkeys(row.group for row in paper.benchmarks), None):
        rows = [row for row in paper.benchmarks if group in (None, row.group)]
        dense, fresh, strict = (fmean(getattr(row, model) for row in rows) for model in ("dense", "fresh", "strict"))
        scores.append((f"mean, {group}" if group else "mean of all", "", dense, fresh, strict))
    for name, group, dense, fresh, strict in scores:
        yield name, group, dense, fresh, strict, fresh - dense, strict - dense


def _benchmark_note(paper: Li2025) -> str:
    dense, moe = paper.dense("7B")[1].C, paper.main["7B"].best.C
    return (
        "Accuracy in per cent. The dense model has about twice the compute of the MoE models "
        f"({flops(dense or math.nan)} and {flops(moe or math.nan)} FLOPs); the table has none with equal compute. "
        "Means and differences are ours."
    )


TABLES: dict[str, TableSpec[Li2025]] = {
    "table-5": _ablation_table(5, "arrangement of layers, share of the shared expert"),
    "table-6": _ablation_table(6, "gate normalisation"),
    "table-7": _ablation_table(7, "top-K at equal r_a"),
    "table-2": TableSpec(
        title="Table 2: 7B after fine-tuning",
        section=ABLATIONS,
        columns=(
            text("benchmark"),
            text("group"),
            SCORE,
            SCORE.named("fresh", "MoE, fresh"),
            SCORE.named("strict", "MoE, repeated"),
            DIFFERENCE,
            DIFFERENCE.named("strict_less_dense", "repeated less dense"),
        ),
        rows=_benchmark_rows,
        note=_benchmark_note,
    ),
}
"""Name of its files -> table."""
