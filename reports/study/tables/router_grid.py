"""The tables of router settings: the perplexity of each setting, and a line for each run as small studies print it."""

from collections.abc import Iterable, Iterator, Sequence

from fits.compare.samples import sd
from reports.page.number_text import fixed
from reports.page.table import SEEDS, THREE, Row, TableSpec, number, text
from reports.study.evidence.router_grid import RouterGrid, RunSummary, certainty


def _settings(found: Iterable[RouterGrid]) -> Iterator[Row]:
    """Yield a row for each setting of the grids, lowest perplexity first."""
    for grid in found:
        for cell in sorted(grid.cells, key=lambda cell: cell.mean):
            over = 100 * (cell.mean / grid.best.mean - 1)
            yield grid.of, cell.jitter, cell.capacity, cell.mean, sd(cell.perplexities), len(cell.perplexities), over


def _noise(found: Sequence[RouterGrid]) -> str:
    noise = " ".join(f"{grid.of}: {certainty(grid)}" for grid in found)
    return f"Final validation perplexity, lowest first. No capacity factor: dropless. {noise}"


ROUTER_GRID: TableSpec[Sequence[RouterGrid]] = TableSpec(
    title="Router settings",
    section="Router settings",
    columns=(
        *(text("of"), number("jitter", show=THREE), number("capacity_factor", "capacity factor", THREE)),
        *(number("ppl", "perplexity", fixed(4)), number("sd", "SD", fixed(4)), SEEDS),
        number("over_best", "over the best cell", fixed(2), "%"),
    ),
    rows=_settings,
    note=_noise,
)


def _runs(found: Iterable[RunSummary]) -> Iterator[Row]:
    for each in found:
        yield each.run, each.final, each.best, each.speed, each.memory, each.improvement


SMALL_STUDY: TableSpec[Sequence[RunSummary]] = TableSpec(
    title="The small-study table",
    section="Router settings",
    columns=(
        *(text("run"), number("final_val_ppl", show=fixed(4)), number("best_val_ppl", show=fixed(4))),
        *(number("max_tok_s", show=fixed(0)), number("peak_mem_mb", show=fixed(1))),
        number("ppl_improve_vs_base_%", show=fixed(2)),
    ),
    rows=_runs,
    note="Perplexity of a token on the validation set; it cannot be compared between tokenizers. best_val_ppl is the "
    "lowest of all evaluations, max_tok_s the highest reported speed in tokens per second, peak_mem_mb in 1e6 bytes. "
    "The improvement is relative to the dense baseline, of the same seed where there is one. A run without a final "
    "perplexity has no record yet; runs that have not started are left out.",
)
