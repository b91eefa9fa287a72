"""Studies that vary the router: perplexity over jitter and capacity factor, and speed and memory of each run."""

import math
from dataclasses import dataclass, replace
from statistics import fmean

from fits.compare.samples import pooled_sd
from planners.spec import RunSpec
from reports.page.number_text import counted, flops
from reports.study.evidence import Evidence
from reports.study.evidence.arms import Arm, Run


@dataclass(frozen=True, kw_only=True)
class RouterSetting:
    """One setting of the router, with the perplexities of its runs."""

    jitter: float
    """Noise on the input of the router."""
    capacity: float | None
    """Capacity factor; null is dropless."""
    perplexities: tuple[float, ...]
    """Final perplexity of each finished seed."""

    @property
    def mean(self) -> float:
        """exp of the mean loss over seeds."""
        return math.exp(fmean(map(math.log, self.perplexities)))


@dataclass(frozen=True, kw_only=True)
class RouterGrid:
    """Validation perplexity over router jitter and capacity factor."""

    of: str
    """What the settings share, such as `8 experts`."""
    cells: tuple[RouterSetting, ...]
    """The settings with a finished run."""
    lines: tuple[tuple[str, float], ...]
    """Runs outside the grid to compare it with: (name, perplexity)."""
    source: str
    """Where the numbers come from."""

    @property
    def jitters(self) -> list[float]:
        """The jitters, ascending."""
        return sorted({cell.jitter for cell in self.cells})

    @property
    def capacities(self) -> list[float | None]:
        """The capacity factors, ascending, with dropless last."""
        return sorted({cell.capacity for cell in self.cells}, key=lambda factor: math.inf if factor is None else factor)

    @property
    def best(self) -> RouterSetting:
        """The setting with the lowest perplexity."""
        return min(self.cells, key=lambda cell: cell.mean)

    def at(self, jitter: float, capacity: float | None) -> RouterSetting | None:
        """Return a setting; None where no run of it has finished."""
        return next((cell for cell in self.cells if (cell.jitter, cell.capacity) == (jitter, capacity)), None)

    @property
    def noise(self) -> float | None:
        """SD of ln perplexity over the seeds of a setting, pooled over settings; null for one seed a setting."""
        return pooled_sd([[math.log(value) for value in cell.perplexities] for cell in self.cells])


def certainty(grid: RouterGrid) -> str:
    """Return a sentence on the noise that differences between settings must exceed."""
    noise = grid.noise
    if noise is None:
        return "One seed for each setting: differences between settings cannot be separated from noise between seeds."
    gap = sorted(cell.mean for cell in grid.cells)[:2]
    text = f"Noise between seeds: {100 * noise:.2f} % of the perplexity (SD, pooled over settings)"
    if len(gap) < 2:
        return f"{text}."
    return f"{text}; the two lowest settings are {100 * (gap[1] / gap[0] - 1):.2f} % apart."


def varies_router(evidence: Evidence) -> bool:
    """Return whether the MoE arms differ in jitter or capacity factor."""
    return len({_setting(arm) for arm in evidence.moe}) > 1


def grids(evidence: Evidence) -> tuple[RouterGrid, ...]:
    """Return the grids of a study, largest first. The arms of one grid differ in jitter and capacity factor only."""
    families: dict[object, list[Arm]] = {}
    for arm in evidence.moe:
        plain = replace(arm.spec.router, jitter=0.0, capacity_factor=None)
        key = (arm.spec.shape, plain, replace(arm.spec.training, seed=0), arm.budget)
        families.setdefault(key, []).append(arm)
    found = [_grid(evidence, arms) for arms in families.values() if len({_setting(arm) for arm in arms}) > 1]
    return tuple(sorted((grid for grid in found if grid.cells), key=lambda grid: -len(grid.cells)))


def largest_grid(evidence: Evidence) -> RouterGrid:
    """Return the grid with the most settings, which is empty where the study does not vary the router."""
    empty = RouterGrid(of="", cells=(), lines=(), source=evidence.source)
    return next(iter(grids(evidence)), empty)


def _grid(evidence: Evidence, arms: list[Arm]) -> RouterGrid:
    cells = [(_setting(arm), perplexities_of(arm)) for arm in arms]
    dense = [arm for arm in evidence.dense if comparable(arm.spec, arms[0].spec)]
    shape = arms[0].spec.shape
    return RouterGrid(
        of=f"{counted(shape.n_experts, 'expert')}, K {shape.top_k}, C {flops(arms[0].budget)}",
        cells=tuple(RouterSetting(jitter=j, capacity=c, perplexities=values) for (j, c), values in cells if values),
        lines=tuple((arm.name, fmean(perplexities_of(arm))) for arm in dense if perplexities_of(arm)),
        source=evidence.source,
    )


def _setting(arm: Arm) -> tuple[float, float | None]:
    return arm.spec.router.jitter, arm.spec.router.capacity_factor


def perplexities_of(arm: Arm) -> tuple[float, ...]:
    """Return the final perplexity of each finished run of an arm."""
    return tuple(math.exp(record.loss) for record in arm.done if record.loss is not None)


def comparable(one: RunSpec, other: RunSpec) -> bool:
    """Return whether two runs have the same tokens or the same compute."""
    return one.training.D == other.training.D or one.budget == other.budget


MEGABYTE = 1e6


@dataclass(frozen=True, kw_only=True)
class RunSummary:
    """One run of a small study. Numbers that it does not have yet are null."""

    run: str
    """Its name."""
    final: float | None
    """Perplexity of a token on the validation set after the last step."""
    best: float | None
    """The lowest perplexity of all evaluations."""
    speed: float | None
    """The highest training speed that was reported, tokens per second."""
    memory: float | None
    """The highest memory, MB."""
    improvement: float | None
    """By how much the final perplexity is below that of the baseline, per cent of the baseline."""


def improvement(perplexity: float, baseline: float) -> float:
    """Return by how many per cent of `baseline` a perplexity is lower.

    >>> improvement(8.0, 10.0)
    20.0
    """
    return (baseline - perplexity) / baseline * 100


def summaries(evidence: Evidence) -> tuple[RunSummary, ...]:
    """Return each run that has a record or metrics, of a study that varies the router; none for another study."""
    if not varies_router(evidence):
        return ()
    several = len({run.spec.training.seed for run in evidence.runs}) > 1
    return tuple(
        _summary(evidence, arm, run, several)
        for arm in evidence.arms
        for run in arm.runs
        if run.record or run.tokens or run.evaluations
    )


def _summary(evidence: Evidence, arm: Arm, run: Run, several: bool) -> RunSummary:
    record = run.record
    final = math.exp(record.loss) if record is not None and record.loss is not None else None
    losses = [*run.evaluations, *([] if record is None else [record.loss, record.best_loss])]
    speeds = [*run.speeds, *([] if record is None else [record.tokens_per_s])]
    memory = None if record is None else record.peak_memory_bytes
    baseline = None if arm.is_dense else _baseline(evidence, run.spec)
    best = min((loss for loss in losses if loss is not None), default=None)
    return RunSummary(
        run=f"{arm.label}, seed {run.spec.training.seed}" if several else arm.label,
        final=final,
        best=None if best is None else math.exp(best),
        speed=max((speed for speed in speeds if speed is not None), default=None),
        memory=None if memory is None else memory / MEGABYTE,
        improvement=None if final is None or baseline is None else improvement(final, baseline),
    )


def _baseline(evidence: Evidence, spec: RunSpec) -> float | None:
    """Return the perplexity of the dense run of the same seed, or else the mean over the dense runs there are."""
    dense = [arm for arm in evidence.dense if comparable(arm.spec, spec)]
    own = [
        math.exp(record.loss)
        for arm in dense
        for record in arm.done
        if record.loss is not None and record.spec.training.seed == spec.training.seed
    ]
    found = own or [perplexity for arm in dense for perplexity in perplexities_of(arm)]
    return fmean(found) if found else None
