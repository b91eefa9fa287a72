"""The page of arXiv 2406.19146: its answer, its table and the key numbers."""

from reports.page.number_text import general
from reports.page.table import Row, Table, estimate, number, text
from reports.papers.porian.claims import claims, reasons
from reports.papers.porian.figures import FIGURES
from reports.papers.porian.study import DECAYED, SAME, SETTING, TUNED, WARMED, Porian, build, read
from reports.papers.reproduction import Reproduction, with_usual_page

EXPONENT = number("ours", show=general(4))


def exponent_table(data: Porian) -> Table:
    """Return the exponents of every setting: printed, from the published optima, and from our own."""
    columns = (
        *(text(column, column.replace("_", " ")) for column in SETTING),
        number("n", "optima"),
        EXPONENT.named("printed"),
        *estimate(EXPONENT),
        EXPONENT.named("printed_weighted", "printed, weighted"),
        EXPONENT.named("weighted", "ours, weighted"),
        *estimate(EXPONENT.named("own", "our parabolas"), "own"),
    )
    rows: list[Row] = []
    for one in data.settings.values():
        plain = (one.plain.n, one.printed[0], *one.plain.estimate)
        rows.append((*one.name, *plain, one.printed[1], one.weighted.value, *one.own.estimate))
    note = (
        "a of N_opt = G C^a: least squares of ln N_opt on ln C, t intervals; weighted by 1 / (SD of ln N_opt)^2. Our "
        "parabolas of loss on ln N are fitted to the IsoFLOP points; budgets without a bracketed minimum are left out."
    )
    return Table(name="exponents", title="Exponents of every setting", note=note, columns=columns, rows=tuple(rows))


def answer(data: Porian) -> str:
    """Return the exponents before and after the corrections, and the two steps that start from the warm-up."""
    steps = data.steps
    first, warmed, decayed, tuned = next(iter(steps.values())), steps[WARMED], steps[DECAYED], steps[TUNED]
    return (
        "Counting the last layer and a warm-up that fits the model size move the exponent of the optimal size from "
        f"{first.plain.value:.3f} to {warmed.plain.value:.3f}. From there, decay to the end of each run takes it to "
        f"{decayed.plain}; tuning by size without decay takes it to {tuned.plain}. "
        f"{'All' if data.exponents_apart < SAME else 'Not all'} published exponents are reproduced; our own minima of "
        f"the curves give {decayed.own.value:.3f} and {tuned.own.value:.3f}. Intervals are 95 %."
    )


def reproduction() -> Reproduction:
    """Return the study refitted from the shipped rows."""
    data = build(read())
    exponents = {}
    for label, one in data.steps.items():
        ours, own = (dict(zip(("value", "lo", "hi"), slope.estimate, strict=True)) for slope in (one.plain, one.own))
        exponents[label] = {"printed": one.printed[0], "ours": ours, "our_parabolas": own}
    return with_usual_page(
        data,
        FIGURES,
        title="Kaplan against Chinchilla: arXiv 2406.19146",
        question="Why do two laws disagree on how the optimal size grows with compute?",
        answer=answer(data),
        claims=claims(data),
        reasons=reasons(data),
        tables=(exponent_table(data),),
        footer=f"n = {sum(len(one.points[2]) for one in data.settings.values())} IsoFLOP points; {data.source}.",
        summary={"exponents": exponents},
    )
