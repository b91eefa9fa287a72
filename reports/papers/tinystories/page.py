"""The page of the small TinyStories study: its answer, its tables and the key numbers."""

import math

from reports.page.number_text import fixed, percent
from reports.page.table import Table, filled, number, text
from reports.papers.reproduction import Reproduction, with_usual_page
from reports.papers.tinystories.claims import claims, reasons
from reports.papers.tinystories.figures import FIGURES
from reports.papers.tinystories.study import BASELINE, NO_CAPACITY, TinyStories, build, read
from reports.study.tables.router_grid import ROUTER_GRID, SMALL_STUDY


def cost_table(data: TinyStories) -> Table:
    """Return what each run costs relative to the baseline: time per token, memory, and loss."""
    base = data.named(BASELINE)
    assert base.line.memory is not None
    columns = (
        text("run"),
        number("nats", "loss below the baseline", fixed(4), "nats/token"),
        number("speed", "speed over the baseline", percent),
        number("time", "time for equal tokens", fixed(2), "× baseline"),
        number("memory", "memory", fixed(2), "× baseline"),
    )
    rows = []
    for row in sorted(data.rows, key=lambda row: row.ppl):
        memory = None if row.line.memory is None else row.line.memory / base.line.memory
        ratio = row.speed / base.speed
        rows.append((row.line.run, math.log(base.ppl / row.ppl), ratio, 1 / ratio, memory))
    note = (
        "From the printed perplexities, speeds and memory, lowest perplexity first. All runs see the same tokens. In "
        "equal time the dense baseline would see more tokens, by the factor in the fourth column; the table has no "
        "such run."
    )
    return Table(name="cost", title="What it costs", note=note, columns=columns, rows=tuple(rows))


def reproduction() -> Reproduction:
    """Return the study recomputed from the shipped rows."""
    data = build(read())
    best, found = data.grid.best, data.named(NO_CAPACITY)
    answer = (
        f"All {len(data.rows)} rows are reproduced, with {found.line.improvement!r} % for 8 experts without a capacity "
        f"limit. The table does not support the advice drawn from it: its lowest cell is jitter {best.jitter:g} at "
        f"capacity {best.capacity:g}, {data.advised_above_best:.4f} nats below the lowest recommended cell. Two seeds "
        f"differ by about as much, and dropping no token ({found.ppl:.3f}) beats every cell."
    )
    lines = filled({"small_study": SMALL_STUDY}, [row.line for row in data.rows])
    grid = filled({"router_grid": ROUTER_GRID}, [data.grid])
    return with_usual_page(
        data,
        FIGURES,
        title="A small TinyStories study",
        question="What do 4, 8 and 16 experts in every layer gain over a dense model of equal active size, and which "
        "jitter and capacity factor should the router have?",
        answer=answer,
        claims=claims(data),
        reasons=reasons(data),
        tables=(*lines.values(), *grid.values(), cost_table(data)),
        footer=f"n = {len(data.rows)} runs; d_model 512, 6 layers, 8 heads, d_ff 2048, sequences of 256 tokens, "
        f"batch 16, 10,000 steps, AdamW at 3e-4, bf16, top-1, every FFN a mixture; {data.source}.",
        summary={
            "improvement_per_cent": found.line.improvement,
            "best_cell": {"jitter": best.jitter, "capacity_factor": best.capacity, "perplexity": best.mean},
            "runs": len(data.rows),
        },
    )
