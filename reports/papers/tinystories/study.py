"""A small TinyStories study from its 13 printed rows: runs, router grid, and parameter counts."""

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass

from planners.architecture.shape import Shape
from planners.presets.tinystories import shape
from planners.published.tinystories import FOLDER
from reports.study.evidence.router_grid import RouterGrid, RouterSetting, RunSummary, improvement

BASELINE, NO_CAPACITY = "baseline_s10000", "all_moe_e8_s10000"
"""Names of two runs: dense, and 8 experts without a capacity limit."""
PRINTED_IMPROVEMENT = 4.894450588999493
"""Improvement of NO_CAPACITY over BASELINE in per cent, as the study prints it."""
ADVISED = 0.01
"""The highest jitter that the study recommends."""
SEED_SD = (0.0012, 0.0025)
"""SD of the validation loss over three seeds of small TinyStories models, nats (arXiv 2605.13769, abstract)."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One printed row."""

    line: RunSummary
    """Its numbers, with the improvement computed here."""
    experts: int
    """Experts per layer; 0 is dense."""
    jitter: float | None
    """Jitter of the router; null where the run's name has none."""
    capacity: float | None
    """Capacity factor; null where the run's name has none."""

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
    def grid(self) -> RouterGrid:
        """The router grid at 8 experts, with two runs to compare it with."""
        cells = tuple(
            RouterSetting(jitter=row.jitter, capacity=row.capacity, perplexities=(row.ppl,))
            for row in self.rows
            if row.jitter is not None
        )
        others = (("8 experts, no capacity limit", self.named(NO_CAPACITY).ppl), ("dense", self.named(BASELINE).ppl))
        return RouterGrid(of="8 experts, top-1", cells=cells, lines=others, source=self.source)

    @property
    def advised(self) -> RouterSetting:
        """The lowest cell among those that the study recommends."""
        return min((cell for cell in self.grid.cells if cell.jitter <= ADVISED), key=lambda cell: cell.mean)

    @property
    def advised_above_best(self) -> float:
        """How far the lowest recommended cell is above the lowest of all, nats per token."""
        return math.log(self.advised.mean / self.grid.best.mean)

    @property
    def shapes(self) -> list[Shape]:
        """The architectures by number of experts, dense first, as the preset `tinystories-moe` counts them."""
        return [shape(experts) for experts in sorted({row.experts for row in self.rows})]


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
    line = RunSummary(
        run=row["run"],
        final=final,
        best=float(row["best_val_ppl"]),
        speed=float(row["max_tok_s"]),
        memory=float(row["peak_mem_mb"]),
        improvement=None if row["run"] == BASELINE else improvement(final, baseline),
    )
    jitter, capacity = (float(row[name]) if row[name] else None for name in ("jitter", "capacity_factor"))
    return Row(line=line, experts=int(row["n_experts"]), jitter=jitter, capacity=capacity)
