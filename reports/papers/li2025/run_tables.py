"""Tables 9 to 17 of arXiv 2506.12119, one row per run, with our counts and curves next to the printed numbers."""

import math
from collections.abc import Iterable, Iterator
from functools import partial

from fits import curve
from planners.architecture.flops import flops_per_token, parameters
from planners.published.li2025.rows import SEQ_LEN, Li2025Run, li2025_shape
from reports.page.number_text import fixed, listed, signed
from reports.page.table import Column, Row, TableSpec, number, text
from reports.papers.estimate_text import loss_difference
from reports.papers.li2025.confounders import learning_rates
from reports.papers.li2025.headings import RUNS
from reports.papers.li2025.study import Li2025

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


TABLES: dict[str, TableSpec[Li2025]] = {
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
