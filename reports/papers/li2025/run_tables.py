"""The tables of arXiv 2506.12119 with our counts and curves beside them."""

import math
from collections.abc import Iterable
from statistics import fmean

from fits import curve
from planners.architecture.flops import flops_per_token, parameters
from planners.published.li2025.rows import SEQ_LEN, Li2025Run, li2025_shape
from reports.page.number_text import fixed, flops, listed
from reports.page.table import Cell, Column, Table
from reports.papers.li2025.effects import learning_rates
from reports.papers.li2025.study import Li2025, Series

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
"""Number of the table in the paper -> what it holds."""
CONVENTIONS = {False: "li2025", True: "li2025+router"}


def _rate(value: float) -> str:
    return f"{100 * value:.2f} %"


def _three(value: float) -> str:
    """Write a number with three digits, as the paper does: `1.90e8`."""
    mantissa, exponent = f"{value:.2e}".split("e")
    return f"{mantissa}e{int(exponent)}"


COLUMNS = (
    Column(name="scale", head="size", text=True),
    Column(name="r_a", head="r_a", unit="printed", show=_rate),
    Column(name="r_a_ours", head="r_a", unit="ours", show=_rate),
    Column(name="N", head="N", unit="printed", show=_three),
    Column(name="N_ours", head="N", unit="ours", show=_three),
    Column(name="N_a", head="N_a", unit="printed", show=_three),
    Column(name="N_a_ours", head="N_a", unit="ours", show=_three),
    Column(name="M", head="M", unit="printed", show=_three),
    Column(name="M_ours", head="M", unit="ours", show=_three),
    Column(name="D", head="D", unit="tokens", show=_three),
    Column(name="epochs", head="epochs", show=fixed(2)),
    Column(name="C", head="C", unit="printed", show=_three),
    Column(name="C_ours", head="C = M D", unit="ours", show=_three),
    Column(name="lr", head="learning rate", unit="printed", show=_three),
    Column(name="lr_step_law", head="over Step Law", unit="ours", show=fixed(2)),
    Column(name="bpc", head="BPC", unit="printed", show=fixed(4)),
    Column(name="bpc_curve", head="curve", unit="ours", show=fixed(4)),
    Column(name="residual", head="BPC less curve", show=lambda value: f"{value:+.4f}".replace("-", "−")),
    Column(name="differs", head="does not follow from the sizes", text=True),
)


def run_tables(paper: Li2025) -> tuple[Table, ...]:
    """Return tables 9 to 17, one row a run, with what the printed sizes give beside what is printed."""
    return tuple(_run_table(paper, number) for number in TITLES)


def _run_table(paper: Li2025, number: int) -> Table:
    curves = {each.table: each for each in paper.series.values() if not each.name.endswith("fine")}
    ratios = {run: ratio for runs in learning_rates(paper).values() for run, ratio in runs if run.lr}
    rows = tuple(_row(run, curves.get(number), ratios.get(run)) for run in paper.of(number))
    return Table(
        name=f"table-{number}",
        title=f"Table {number}: {TITLES[number]}",
        note=_note(number, sum(row[-1] is not None for row in rows), len(rows)),
        columns=COLUMNS,
        rows=rows,
    )


def _note(number: int, differing: int, n: int) -> str:
    counted = "without the router" if number == 9 else "with the router"
    experts = " Its experts are not in the table file: those of table 10 on 24 layers." if number in (15, 16) else ""
    return (
        f"Ours: counted from the printed sizes, {counted}, without vocabulary and norms; M = 6 N_a + 12 d_model S "
        f"layers. {differing} of {n} rows print a number that does not follow from their sizes to the printed digits, "
        f"whether the router is counted or not.{experts}"
    )


def _row(run: Li2025Run, series: Series | None, ratio: float | None) -> tuple[Cell, ...]:
    dense, shape = run.r_a == 1, li2025_shape(run)
    router = run.table != 9
    N, N_a = parameters(shape, CONVENTIONS[router])
    M = flops_per_token(shape, SEQ_LEN, CONVENTIONS[router])
    fitted = None if series is None else float(curve(series.fit, run.r_a)[0][0])
    name = f"{run.scale} {'C' if run.arm.endswith('C1') else '2C'}" if dense else run.scale
    return (
        name,
        None if dense else run.r_a, None if dense else N_a / N,
        run.N if dense else None, N if dense else None,
        None if dense else run.N_a, None if dense or run.N_a is None else N_a,
        run.M, M, run.D, run.D / run.U if run.U < run.D else None,
        None if run.table == 9 else run.C, M * run.D, run.lr, ratio,
        run.bpc, fitted, None if fitted is None else run.bpc - fitted, _differs(run),
    )  # fmt: skip


def _differs(run: Li2025Run) -> str | None:
    """Name what is printed and follows from the sizes neither with the router nor without it."""
    shape = li2025_shape(run)
    counts = [parameters(shape, convention) for convention in CONVENTIONS.values()]
    per_token = [flops_per_token(shape, SEQ_LEN, convention) for convention in CONVENTIONS.values()]
    found = {
        "N": _off(run.N, [N for N, _ in counts], 5e-3) if run.r_a == 1 else None,
        "r_a": _points_off(run.r_a, [N_a / N for N, N_a in counts]),
        "N_a": _off(run.N_a, [N_a for _, N_a in counts], 5e-3),
        "M": _off(run.M, per_token, 5e-3),
        "C": _off(run.C, [M * run.D for M in per_token], 1e-2) if run.table != 9 else None,
    }
    return listed(f"{name} {off}" for name, off in found.items() if off) or None


def _points_off(printed: float, counted: Iterable[float]) -> str | None:
    """Return by how many points the printed rate is off the nearest count; null where its four digits are a count's."""
    nearest = min(counted, key=lambda value: abs(printed - value))
    off = printed - round(nearest, 4)
    return None if abs(off) < 0.5e-4 else f"{100 * off:+.2f} points".replace("-", "−")


def _off(printed: float | None, counted: Iterable[float], rounding: float) -> str | None:
    """Return by how much the printed number is off the nearest count; null where rounding explains it.

    `rounding` is relative and an upper bound: a number with three digits is off by 0.5 % at the most, and C, which
    is compared with a product of two such numbers, by about 1 %.
    """
    if printed is None:
        return None
    nearest = min(counted, key=lambda value: abs(math.log(printed / value)))
    off = printed / nearest - 1
    return None if abs(off) <= rounding * 1.001 else f"{100 * off:+.1f} %".replace("-", "−")


def ablation_tables(paper: Li2025) -> tuple[Table, ...]:
    """Return tables 5 to 7 with each loss less the lowest of its group."""
    titles = {5: "arrangement of layers, share of the shared expert", 6: "gate normalisation", 7: "top-K at equal r_a"}
    return tuple(_ablations(paper, number, title) for number, title in titles.items())


def _ablations(paper: Li2025, number: int, title: str) -> Table:
    table = [row for row in paper.ablations if row.table == number]
    lowest = {(row.compared, row.group): math.inf for row in table}
    for row in table:
        lowest[row.compared, row.group] = min(lowest[row.compared, row.group], row.loss)
    return Table(
        name=f"table-{number}",
        title=f"Table {number}: {title}",
        note="Training loss in nats per token, one run each; losses compare within a group only, whose D is not "
        "printed.",
        columns=(
            Column(name="setting", head="setting", text=True),
            Column(name="group", head="group", text=True),
            Column(name="loss", head="loss", unit="nats, printed", show=fixed(4)),
            Column(name="above_lowest", head="above the lowest", unit="nats, ours", show=fixed(4)),
            Column(name="balance_loss", head="balance loss", unit="printed", show=fixed(3)),
        ),
        rows=tuple(
            (row.setting, f"{row.compared}, {row.group}", row.loss, row.loss - lowest[row.compared, row.group],
             row.balance_loss)
            for row in table
        ),
    )  # fmt: skip


def benchmark_table(paper: Li2025) -> Table:
    """Return table 2 with differences from dense, and the means of its groups."""
    groups = dict.fromkeys(row.group for row in paper.benchmarks)
    rows = [(row.name, row.group, row.dense, row.fresh, row.strict) for row in paper.benchmarks]
    means = [_means(f"mean, {group}", [row for row in rows if row[1] == group]) for group in groups]
    every = [*rows, *means, _means("mean of all", rows)]
    return Table(
        name="table-2",
        title="Table 2: 7B after fine-tuning",
        note=f"Accuracy in per cent. The dense model has about twice the compute of the MoE models "
        f"({flops(paper.dense('7B')[1].C or math.nan)} and {flops(paper.main['7B'].best.C or math.nan)} FLOPs); one "
        "with equal compute is not in the table. Means and differences are ours.",
        columns=(
            Column(name="benchmark", head="benchmark", text=True),
            Column(name="group", head="group", text=True),
            Column(name="dense", head="dense, 2C", unit="printed", show=fixed(2)),
            Column(name="fresh", head="MoE, fresh", unit="printed", show=fixed(2)),
            Column(name="strict", head="MoE, repeated", unit="printed", show=fixed(2)),
            Column(name="fresh_less_dense", head="fresh less dense", unit="ours", show=_signed),
            Column(name="strict_less_dense", head="repeated less dense", unit="ours", show=_signed),
        ),
        rows=tuple((*row, row[3] - row[2], row[4] - row[2]) for row in every),
    )


def _means(name: str, rows: list[tuple[str, str, float, float, float]]) -> tuple[str, str, float, float, float]:
    dense, fresh, strict = (fmean(row[at] for row in rows) for at in (2, 3, 4))  # type: ignore[misc]
    return name, "", dense, fresh, strict


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")
