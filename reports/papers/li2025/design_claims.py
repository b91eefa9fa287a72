"""Claims of arXiv 2506.12119 on architecture (tables 5 and 6) and on benchmarks (table 2)."""

from collections.abc import Callable
from statistics import fmean

from fits.compare.samples import sign_test
from planners.published.li2025.ablations import Ablation, Benchmark
from reports.page.number_text import listed
from reports.papers.claim import AGREES, CANNOT, Claim, either
from reports.papers.li2025.study import Li2025
from reports.papers.words import probability, signed

ALONE = "nothing: one run each"
"""What judges where no noise is known."""


def arrangement(paper: Li2025) -> Claim:
    """Which layers are MoE."""
    groups = _groups(paper, "arrangement")
    inner = {group: _spread(rows) for group, rows in groups.items()}
    long = [rows for group, rows in groups.items() if "16384" in group]
    first = [rows[1].loss - rows[0].loss for rows in long]
    heads = [one.loss - other.loss for one, other in zip(*long, strict=True)]
    return Claim(
        says="A dense first layer with MoE layers behind it and a shared expert is the best arrangement.",
        where="table 5",
        found=f"At S 16,384 it is better than MoE in every other layer by {_nats(first)}; the shape of the attention "
        f"heads alone moves the loss by {_nats(heads)}. It is in no group with MoE in every layer. One run each "
        f"(spread within a group {listed(f'{value:.4f}' for value in inner.values())}).",
        verdict=CANNOT,
        by=ALONE,
    )


def shared_share(paper: Li2025) -> Claim:
    """How much of the active width is shared."""
    (rows,) = _groups(paper, "shared share").values()
    return Claim(
        says="How much of the active width is shared matters little.",
        where="table 5",
        found=f"None, a quarter and a half differ by {_spread(rows):.4f} nats; without a second seed nothing says "
        "whether that is little.",
        verdict=CANNOT,
        by=ALONE,
    )


def gate_normalisation(paper: Li2025) -> Claim:
    """Whether gate values are scaled to sum to one."""
    pairs = [tuple(rows) for rows in _groups(paper, "gate normalisation").values()]
    losses = [one.loss - other.loss for one, other in pairs]
    balance = [(one.balance_loss or 0) - (other.balance_loss or 0) for one, other in pairs]
    return Claim(
        says="Normalised gates leave the loss as it is and balance the experts better.",
        where="table 6",
        found=f"Normalised less not: loss {listed(map(signed, losses))} nats, balance loss "
        f"{listed(f'{value:+.3f}'.replace('-', '−') for value in balance)}. The balance is better in "
        f"{sum(value < 0 for value in balance)} of {len(balance)} pairs; a change of the loss as large as elsewhere "
        "in these tables is not excluded.",
        verdict=CANNOT,
        by=ALONE,
    )


def fresh_benchmarks(paper: Li2025) -> Claim:
    """MoE on fresh data against dense of twice the compute."""
    wins, n = sum(row.fresh > row.dense for row in paper.benchmarks), len(paper.benchmarks)
    p = sign_test(wins, n)
    return Claim(
        says="After fine-tuning the 7B MoE is ahead of the dense model of twice the compute.",
        where="table 2",
        found=f"On fresh data it wins {wins} of {n} ({probability(p)} by the sign test, as if benchmarks were "
        f"independent), mean {_mean(paper, 'fresh')} against {_mean(paper, 'dense')} %. No dense model of equal "
        "compute is evaluated.",
        verdict=AGREES if p < 0.05 and wins > n / 2 else CANNOT,
        by="sign test, p < 0.05",
    )


def strict_benchmarks(paper: Li2025) -> Claim:
    """MoE on repeated data against both."""
    wins, n = sum(row.strict > row.dense for row in paper.benchmarks), len(paper.benchmarks)
    groups: dict[str, list[Benchmark]] = {}
    for row in paper.benchmarks:
        groups.setdefault(row.group, []).append(row)
    ahead = [name for name, rows in groups.items() if _leads(rows)]
    alone = [
        row.name for name in ahead for row in groups[name] if not _leads([one for one in groups[name] if one != row])
    ]
    only = f" (in {listed(ahead)} by {listed(alone)} alone)" if alone else ""
    return Claim(
        says="So is the 7B MoE that repeats its data, which is ahead of both others.",
        where="table 2",
        found=f"It wins {wins} of {n} against dense, mean {_mean(paper, 'strict')} %; its mean is the highest in "
        f"{len(ahead)} of {len(groups)} groups{only}.",
        verdict=either(wins > n / 2),
        by="more than half of the benchmarks",
    )


DESIGN: tuple[Callable[[Li2025], Claim], ...] = (
    arrangement, shared_share, gate_normalisation, fresh_benchmarks, strict_benchmarks,
)  # fmt: skip
"""In reading order."""


def _groups(paper: Li2025, compared: str) -> dict[str, list[Ablation]]:
    found: dict[str, list[Ablation]] = {}
    for row in paper.ablations:
        if row.compared == compared:
            found.setdefault(row.group, []).append(row)
    return found


def _spread(rows: list[Ablation]) -> float:
    losses = [row.loss for row in rows]
    return max(losses) - min(losses)


def _nats(values: list[float]) -> str:
    return f"{' and '.join(f'{value:.4f}' for value in values)} nats"


def _mean(paper: Li2025, model: str) -> str:
    return f"{fmean(getattr(row, model) for row in paper.benchmarks):.2f}"


def _leads(rows: list[Benchmark]) -> bool:
    """Whether the model with repeated data has the highest mean."""
    strict, *others = (fmean(getattr(row, model) for row in rows) for model in ("strict", "dense", "fresh"))
    return strict > max(others)
