"""A small TinyStories study done again from its 13 printed rows: its table, its router grid, and what they can say."""

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from planners.presets.tinystories import shape
from planners.published.tinystories import FOLDER
from planners.records.quantity import format_quantity
from reports.page.number_text import fixed, percent, span
from reports.page.page import Page
from reports.page.picture import Picture
from reports.page.table import Column, Table
from reports.papers.claim import CANNOT, Claim, either
from reports.papers.coefficients import page_of
from reports.papers.reproduction import Reproduction
from reports.study.small_study_lines import Cell, Grid, Line, grid_table, improvement, lines_table

BASELINE, NO_CAPACITY = "baseline_s10000", "all_moe_e8_s10000"
PRINTED_IMPROVEMENT = 4.894450588999493
"""Improvement of NO_CAPACITY over the baseline in per cent, as the study prints it."""
ADVISED = 0.01
"""The highest jitter that the study recommends."""
SEED_SD = (0.0012, 0.0025)
"""SD of the validation loss over three seeds of small TinyStories models, nats (arXiv 2605.13769, abstract)."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One printed row."""

    line: Line
    """Its numbers, the improvement computed here."""
    experts: int
    """Experts a layer; 0 is dense."""
    jitter: float | None
    """Jitter of the router; null where the run's name has none."""
    capacity: float | None
    """Capacity factor; likewise."""

    @property
    def ppl(self) -> float:
        """Final perplexity."""
        assert self.line.final is not None
        return self.line.final

    @property
    def speed(self) -> float:
        """Highest speed, tokens per second."""
        assert self.line.speed is not None
        return self.line.speed


@dataclass(frozen=True, kw_only=True)
class TinyStories:
    """The 13 rows."""

    rows: tuple[Row, ...]
    """In the order of the table."""
    source: str = "published: 13 runs of a small TinyStories study, one seed each"
    """Where the numbers come from."""

    def named(self, name: str) -> Row:
        """Return a row by the name of its run."""
        return next(row for row in self.rows if row.line.run == name)

    @property
    def grid(self) -> Grid:
        """The router grid at 8 experts, with the runs beside it."""
        cells = [
            Cell(jitter=row.jitter, capacity=row.capacity, perplexities=(row.ppl,))
            for row in self.rows
            if row.jitter is not None
        ]
        beside = (("8 experts, no capacity limit", self.named(NO_CAPACITY).ppl), ("dense", self.named(BASELINE).ppl))
        return Grid(of="8 experts, top-1", cells=tuple(cells), lines=beside, source=self.source)


def read() -> list[dict[str, str]]:
    """Return the shipped rows."""
    with (FOLDER / "tinystories_runs.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def build(rows: list[dict[str, str]]) -> TinyStories:
    """Return the study computed from its rows."""
    baseline = next(float(row["final_val_ppl"]) for row in rows if row["run"] == BASELINE)
    return TinyStories(rows=tuple(_row(row, baseline) for row in rows))


def _row(row: Mapping[str, str], baseline: float) -> Row:
    final = float(row["final_val_ppl"])
    line = Line(
        run=row["run"], final=final, best=float(row["best_val_ppl"]), speed=float(row["max_tok_s"]),
        memory=float(row["peak_mem_mb"]), improvement=None if row["run"] == BASELINE else improvement(final, baseline),
    )  # fmt: skip
    settings = (float(row[name]) if row[name] else None for name in ("jitter", "capacity_factor"))
    jitter, capacity = settings
    return Row(line=line, experts=int(row["n_experts"]), jitter=jitter, capacity=capacity)


def cost_table(data: TinyStories) -> Table:
    """Return what each run costs beside the baseline: time a token, memory, and loss."""
    base = data.named(BASELINE)
    assert base.line.memory is not None
    columns = (
        Column(name="run", head="run", text=True),
        Column(name="nats", head="loss below the baseline", unit="nats/token", show=fixed(4)),
        Column(name="speed", head="speed over the baseline", show=percent),
        Column(name="time", head="time for equal tokens", unit="× baseline", show=fixed(2)),
        Column(name="memory", head="memory", unit="× baseline", show=fixed(2)),
    )
    rows = []
    for row in sorted(data.rows, key=lambda row: row.ppl):
        memory = None if row.line.memory is None else row.line.memory / base.line.memory
        ratio = row.speed / base.speed
        rows.append((row.line.run, math.log(base.ppl / row.ppl), ratio, 1 / ratio, memory))
    note = (
        "From the printed perplexities, speeds and memory, lowest perplexity first. All runs see the same tokens: at "
        "equal time the dense baseline would see as many times more as the fourth column says, and that run is not in "
        "the table."
    )
    return Table(name="cost", title="What it costs", note=note, columns=columns, rows=tuple(rows))


def advised(data: TinyStories) -> Cell:
    """Return the lowest cell among those that the study's reading advises."""
    return min((cell for cell in data.grid.cells if cell.jitter <= ADVISED), key=lambda cell: cell.mean)


def above_best(data: TinyStories) -> float:
    """Return how far that cell is above the lowest of all, nats per token."""
    return math.log(advised(data).mean / data.grid.best.mean)


def claims(data: TinyStories) -> tuple[Claim, ...]:
    """Return the study's reading beside what its rows say."""
    grid, found = data.grid, data.named(NO_CAPACITY)
    best = grid.best
    low, apart = advised(data), above_best(data)
    gain = found.line.improvement or 0.0
    means = {jitter: fmean(math.log(c.mean) for c in grid.cells if c.jitter == jitter) for jitter in grid.jitters}
    said = ", ".join(f"{jitter:g}: {math.exp(mean):.3f}" for jitter, mean in means.items())
    return (
        Claim(
            says=f"8 experts without a capacity limit are {PRINTED_IMPROVEMENT} % below the baseline.",
            where="its table",
            found=f"{found.ppl} against {data.named(BASELINE).ppl}: {gain!r} %, {math.log1p(-gain / 100):+.4f} nats.",
            verdict=either(abs(gain - PRINTED_IMPROVEMENT) < 1e-12),
        ),
        Claim(
            says="Use a jitter of 0 to 0.01.",
            where="its reading of the grid",
            found=f"Its lowest cell is jitter {best.jitter:g} at capacity {best.capacity:g} ({best.mean:.3f}), the "
            f"lowest of the advised ones {low.jitter:g} at {low.capacity:g} ({low.mean:.3f}), {apart:.4f} nats above. "
            f"Mean over capacities by jitter: {said}. One seed a cell; two runs of such models differ by about "
            f"{math.sqrt(2) * SEED_SD[0]:.4f} to {math.sqrt(2) * SEED_SD[1]:.4f} nats by their seeds alone.",
            verdict=CANNOT if apart < 2 * math.sqrt(2) * SEED_SD[1] else either(best.jitter <= ADVISED),
        ),
    )


def reasons(data: TinyStories) -> tuple[str, ...]:
    """Return what the table cannot say, or says against its reading."""
    grid, found, base = data.grid, data.named(NO_CAPACITY), data.named(BASELINE)
    below = sum(cell.mean > found.ppl for cell in grid.cells)
    edge = grid.best.jitter == max(grid.jitters) and grid.best.capacity == max(c or math.inf for c in grid.capacities)
    tight = [cell.mean for cell in grid.cells if cell.capacity == min(c or math.inf for c in grid.capacities)]
    worse = sum(mean > base.ppl for mean in tight)
    by_experts = sorted((row.experts, row.ppl) for row in data.rows if row.jitter is None and row.experts)
    order = ", ".join(f"{experts}: {ppl:.3f}" for experts, ppl in by_experts)
    slow = [row for row in data.rows if row.experts]
    return (
        f"The run without a capacity limit ({found.ppl:.3f}) is below {below} of the {len(grid.cells)} cells of the "
        "grid"
        + (" and so below all of it" if below == len(grid.cells) else "")
        + ": what a grid of capacity factors finds best is the least of what they cost. Its jitter is not in its name.",
        f"The lowest cell of the grid is jitter {grid.best.jitter:g} at capacity {grid.best.capacity:g}"
        + (", a corner: the grid does not bracket it. " if edge else ". ")
        + f"At the smallest capacity {worse} of {len(tight)} cells are above the dense baseline.",
        "One seed a cell, and no noise between seeds is known for this study. arXiv 2605.13769 gives an SD of "
        f"{SEED_SD[0]:g} to {SEED_SD[1]:g} nats for smaller TinyStories models; differences of a hundredth in "
        f"perplexity ({0.01 / found.ppl:.4f} nats) are within it, that between smallest and largest capacity is not.",
        f"Without a capacity limit perplexity by experts is {order}: 16 experts end above 8. With one seed, one "
        "learning rate and one number of tokens for all it is not known whether that is noise, tuning, or tokens an "
        "expert.",
        f"Speed: {min(row.speed for row in slow) / base.speed:.2f} to "
        f"{max(row.speed for row in slow) / base.speed:.2f} of the baseline's tokens per second, "
        f"{found.speed / base.speed:.2f} for the best run, at hardly more FLOPs a token. Equal tokens is the "
        "comparison that favours the mixture most; at equal time none of these rows can be compared.",
        f"N is not equal: {more_parameters(data)} So the table does not ask about the share of active parameters.",
        "Final and best perplexity are one number in every row: the last evaluation was the lowest, in all 13 runs.",
    )


def more_parameters(data: TinyStories) -> str:
    """Say how many times the parameters of the baseline the mixtures have, as the preset counts them."""
    dense, *mixtures = (shape(experts) for experts in sorted({row.experts for row in data.rows}))
    N, every = (
        [getattr(one, count) / getattr(dense, count) for one in (mixtures[0], mixtures[-1])] for count in ("N", "total")
    )
    sizes = span(one.N for one in mixtures)
    return (
        f"by the architecture of the preset tinystories-moe the mixtures have {N[0]:.1f} to {N[1]:.1f} times that of "
        f"the baseline ({sizes} against {format_quantity(dense.N)}, vocabulary apart; with it {every[0]:.1f} to "
        f"{every[1]:.1f} times)."
    )


def reproduction() -> Reproduction:
    """Return the study with its page."""
    data = build(read())
    grid, found, apart = data.grid, data.named(NO_CAPACITY), above_best(data)
    answer = (
        f"All 13 rows come out again, with {found.line.improvement!r} % for 8 experts without a capacity limit. The "
        f"table does not carry the advice read from it: its lowest cell is jitter {grid.best.jitter:g} at capacity "
        f"{grid.best.capacity:g}, {apart:.4f} nats below the lowest of those advised, about what two runs differ by "
        f"their seeds, and dropping no token ({found.ppl:.3f}) beats every cell."
    )
    note = "The improvement is recomputed from the two perplexities of each row."
    tables = (lines_table((row.line for row in data.rows), note), grid_table((grid,)), cost_table(data))

    def page(pictures: dict[str, Picture]) -> Page:
        return page_of(
            "tinystories", pictures, title="A small TinyStories study",
            question="What do 4, 8 and 16 experts in every layer gain over a dense model of equal active size, and "
            "which "
            "jitter and capacity factor should the router have?", answer=answer, first="tinystories_grid",
            claims=claims(data), reasons=reasons(data), tables=[table for table in tables if table],
            footer=f"n = {len(data.rows)} runs; d_model 512, 6 layers, 8 heads, d_ff 2048, sequences of 256 tokens, "
            f"batch 16, 10,000 steps, AdamW at 3e-4, bf16, top-1, every FFN a mixture; {data.source}.",
        )  # fmt: skip

    return Reproduction(data=data, page=page, summary=_summary(data))


def _summary(data: TinyStories) -> dict[str, Any]:
    best = data.grid.best
    return {
        "improvement_per_cent": data.named(NO_CAPACITY).line.improvement,
        "best_cell": {"jitter": best.jitter, "capacity_factor": best.capacity, "perplexity": best.mean},
        "runs": len(data.rows),
    }
