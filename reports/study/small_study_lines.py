"""What a small study prints: one line a run with its perplexity, speed and memory, and the grid of router settings.

Both are made anew from the run folders, whatever has ended: a run without a record shows what its metrics say so far.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from planners.spec import RunSpec
from reports.page.number_text import counted, fixed, general
from reports.page.table import Column, Table
from reports.study.evidence import Arm, Evidence, Run

MEGABYTE = 1e6


@dataclass(frozen=True, kw_only=True)
class Line:
    """One run of a small study. Null is what it does not have yet."""

    run: str
    """Its name."""
    final: float | None
    """Perplexity of a token on the validation set after the last step."""
    best: float | None
    """The lowest of all evaluations."""
    speed: float | None
    """Highest training speed that was reported, tokens per second."""
    memory: float | None
    """Highest memory, MB."""
    improvement: float | None
    """By how much the final perplexity is below the baseline's, per cent of the baseline's."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One setting of the router."""

    jitter: float
    """Noise on the router's input."""
    capacity: float | None
    """Capacity factor; null is dropless."""
    perplexities: tuple[float, ...]
    """Final perplexity of each finished seed."""

    @property
    def mean(self) -> float:
        """exp of the mean loss over seeds."""
        return math.exp(fmean(map(math.log, self.perplexities)))


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Validation perplexity over router jitter and capacity factor, everything else alike."""

    of: str
    """What the cells share, such as `8 experts`."""
    cells: tuple[Cell, ...]
    """Those with a finished run."""
    lines: tuple[tuple[str, float], ...]
    """Runs beside the grid that a reader compares it with: (name, perplexity)."""
    source: str
    """Where the numbers come from."""

    @property
    def jitters(self) -> list[float]:
        """The rows, rising."""
        return sorted({cell.jitter for cell in self.cells})

    @property
    def capacities(self) -> list[float | None]:
        """The columns, rising; dropless last."""
        return sorted({cell.capacity for cell in self.cells}, key=lambda factor: math.inf if factor is None else factor)

    @property
    def best(self) -> Cell:
        """The cell with the lowest perplexity."""
        return min(self.cells, key=lambda cell: cell.mean)

    def at(self, jitter: float, capacity: float | None) -> Cell | None:
        """Return a cell; None where no run of it has finished."""
        return next((cell for cell in self.cells if (cell.jitter, cell.capacity) == (jitter, capacity)), None)

    @property
    def noise(self) -> float | None:
        """SD of ln perplexity over the seeds of a cell, pooled over cells; null for one seed a cell."""
        from fits.compare.samples import pooled_sd

        return pooled_sd([[math.log(value) for value in cell.perplexities] for cell in self.cells])


def improvement(perplexity: float, baseline: float) -> float:
    """Return by how many per cent of `baseline` a perplexity is below it."""
    return (baseline - perplexity) / baseline * 100


def small_study(evidence: Evidence) -> Table | None:
    """Return the table of runs of a study that varies the router's settings; None for another."""
    if not varies_router(evidence):
        return None
    several = len({run.spec.training.seed for run in evidence.runs}) > 1
    lines = [
        _line(evidence, arm, run, several)
        for arm in evidence.arms
        for run in arm.runs
        if run.record or run.tokens or run.evaluations
    ]
    missing = len(evidence.runs) - len(lines)
    more = f" {counted(missing, 'run')} left out: nothing of them is there yet." if missing else ""
    return lines_table(lines, f"A run without a final perplexity has no record yet; peak_mem_mb in 1e6 bytes.{more}")


def lines_table(lines: Iterable[Line], note: str) -> Table:
    """Return the lines as the table that small studies print."""
    columns = (
        Column(name="run", head="run", text=True),
        Column(name="final_val_ppl", head="final_val_ppl", show=fixed(4)),
        Column(name="best_val_ppl", head="best_val_ppl", show=fixed(4)),
        Column(name="max_tok_s", head="max_tok_s", show=fixed(0)),
        Column(name="peak_mem_mb", head="peak_mem_mb", show=fixed(1)),
        Column(name="ppl_improve_vs_base_%", head="ppl_improve_vs_base_%", show=fixed(2)),
    )
    rows = tuple((each.run, each.final, each.best, each.speed, each.memory, each.improvement) for each in lines)
    about = (
        "Perplexity of a token on the validation set, which no other tokenizer's can be compared with; best over all "
        "evaluations, max_tok_s the highest speed that was reported, in tokens per second. The "
        "improvement is over the dense baseline, the one of the same seed where there is one. "
    )
    return Table(name="small_study", title="The small-study table", note=about + note, columns=columns, rows=rows)


def router_grid(evidence: Evidence) -> Table | None:
    """Return the perplexity of every router setting of a study that varies them; None for another."""
    return grid_table(grids(evidence))


def grid_table(found: Sequence[Grid]) -> Table | None:
    """Return the cells of the grids, one a row; None where there is no grid."""
    from fits.compare.samples import sd

    if not found:
        return None
    columns = (
        Column(name="of", head="of", text=True), Column(name="jitter", head="jitter", show=general(3)),
        Column(name="capacity_factor", head="capacity factor", show=general(3)),
        Column(name="ppl", head="perplexity", show=fixed(4)), Column(name="sd", head="SD", show=fixed(4)),
        Column(name="n", head="seeds"), Column(name="over_best", head="over the best cell", unit="%", show=fixed(2)),
    )  # fmt: skip
    rows = []
    for grid in found:
        for cell in sorted(grid.cells, key=lambda cell: cell.mean):
            spread = sd(cell.perplexities)
            over = 100 * (cell.mean / grid.best.mean - 1)
            rows.append((grid.of, cell.jitter, cell.capacity, cell.mean, spread, len(cell.perplexities), over))
    note = " ".join(f"{grid.of}: {certainty(grid)}" for grid in found)
    return Table(
        name="router_grid", title="Router settings", columns=columns, rows=tuple(rows),
        note=f"Final validation perplexity, lowest first; no capacity factor is dropless. {note}",
    )  # fmt: skip


def certainty(grid: Grid) -> str:
    """Say what the differences between cells can be held against."""
    noise = grid.noise
    if noise is None:
        return "one seed a cell, so differences between cells cannot be told from noise between seeds."
    gap = sorted(cell.mean for cell in grid.cells)[:2]
    text = f"noise between seeds {100 * noise:.2f} % of the perplexity (SD, pooled over cells)"
    if len(gap) < 2:
        return f"{text}."
    return f"{text}; the two lowest cells are {100 * (gap[1] / gap[0] - 1):.2f} % apart."


def varies_router(evidence: Evidence) -> bool:
    """Whether the MoE arms differ in jitter or capacity factor."""
    return len({_setting(arm) for arm in evidence.moe}) > 1


def grids(evidence: Evidence) -> tuple[Grid, ...]:
    """Return the grids of a study, largest first; arms of one grid differ in those settings alone."""
    from dataclasses import replace

    families: dict[object, list[Arm]] = {}
    for arm in evidence.moe:
        plain = replace(arm.spec.router, jitter=0.0, capacity_factor=None)
        key = (arm.spec.shape, plain, replace(arm.spec.training, seed=0), arm.budget)
        families.setdefault(key, []).append(arm)
    found = [_grid(evidence, arms) for arms in families.values() if len({_setting(arm) for arm in arms}) > 1]
    return tuple(sorted((grid for grid in found if grid.cells), key=lambda grid: -len(grid.cells)))


def _grid(evidence: Evidence, arms: list[Arm]) -> Grid:
    cells = [(_setting(arm), tuple(_perplexities(arm))) for arm in arms]
    shape = arms[0].spec.shape
    dense = [
        (arm.name, fmean(perplexities))
        for arm in evidence.dense
        if _comparable(arm.spec, arms[0].spec) and (perplexities := _perplexities(arm))
    ]
    return Grid(
        of=f"{counted(shape.n_experts, 'expert')}, K {shape.top_k}, C {arms[0].budget:.3g}".replace("e+", "e"),
        cells=tuple(Cell(jitter=j, capacity=c, perplexities=values) for (j, c), values in cells if values),
        lines=tuple(dense),
        source=evidence.source,
    )


def _setting(arm: Arm) -> tuple[float, float | None]:
    return arm.spec.router.jitter, arm.spec.router.capacity_factor


def _perplexities(arm: Arm) -> list[float]:
    return [math.exp(record.loss) for record in arm.done if record.loss is not None]


def _comparable(one: RunSpec, other: RunSpec) -> bool:
    """Whether two runs had the same tokens or the same compute."""
    return one.training.D == other.training.D or one.budget == other.budget


def _line(evidence: Evidence, arm: Arm, run: Run, several: bool) -> Line:
    record = run.record
    final = math.exp(record.loss) if record is not None and record.loss is not None else None
    losses = [*run.evaluations, *([] if record is None else [record.loss, record.best_loss])]
    speeds = [*run.speeds, *([] if record is None else [record.tokens_per_s])]
    memory = None if record is None else record.peak_memory_bytes
    baseline = None if arm.is_dense else _baseline(evidence, run.spec)
    best = min((loss for loss in losses if loss is not None), default=None)
    return Line(
        run=f"{arm.label}, seed {run.spec.training.seed}" if several else arm.label,
        final=final,
        best=None if best is None else math.exp(best),
        speed=max((speed for speed in speeds if speed is not None), default=None),
        memory=None if memory is None else memory / MEGABYTE,
        improvement=None if final is None or baseline is None else improvement(final, baseline),
    )


def _baseline(evidence: Evidence, spec: RunSpec) -> float | None:
    """Return the perplexity of the dense run of the same seed, else the mean of those there are."""
    dense = [arm for arm in evidence.dense if _comparable(arm.spec, spec)]
    own = [
        math.exp(record.loss)
        for arm in dense
        for record in arm.done
        if record.loss is not None and record.spec.training.seed == spec.training.seed
    ]
    found = own or [perplexity for arm in dense for perplexity in _perplexities(arm)]
    return fmean(found) if found else None
