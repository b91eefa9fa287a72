"""What a report is made of: the question, the runs by arm, their loss curves and the fits of a study, read once."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import fmean
from typing import TYPE_CHECKING, Any

from jobs.record import RunRecord, flatten, read_records, runs_csv
from planners.matching.arm import Refusal
from planners.question import Question
from planners.records.errors import UsageError
from planners.records.files import read_jsonl
from planners.records.json import bytes_hash
from planners.spec import RunSpec
from planners.study import Study
from reports.page.number_text import flops

if TYPE_CHECKING:
    from fits.compare.laws import Comparison
    from fits.drift.constancy import Constancy
    from fits.repeats.reuse import Reuse
    from fits.result import FitResult
    from fits.runs.table import RunTable
    from reports.study.arm_series import Series


@dataclass(frozen=True, kw_only=True)
class Run:
    """A planned run and what became of it."""

    spec: RunSpec
    """What was asked for."""
    record: RunRecord | None
    """The outcome; null where there is none yet."""
    tokens: tuple[float, ...] = ()
    """Tokens consumed at each point of its loss curve."""
    losses: tuple[float, ...] = ()
    """Mean training loss up to that point since the one before, nats per token."""
    gap: str | None = None
    """Why the loss curve is absent or short; null where it is whole."""
    evaluations: tuple[float, ...] = ()
    """Validation losses of the evaluations on the way."""
    speeds: tuple[float, ...] = ()
    """Tokens per second since the start, at each line of its metrics."""

    @property
    def done(self) -> RunRecord | None:
        """The record of a finished run, else None."""
        return self.record if self.record is not None and self.record.state == "done" else None

    @property
    def state(self) -> str:
        """done, failed, diverged or missing."""
        return self.record.state if self.record else "missing"


@dataclass(frozen=True, kw_only=True)
class Arm:
    """The runs of one cell of the plan: the same training but for the seed."""

    name: str
    """Unique among the arms of a budget: dense, K4."""
    label: str
    """Unique in the study: the name, and the budget where an arm has several."""
    runs: tuple[Run, ...]
    """One run for each seed, in the order of the plan."""
    budget: float
    """C that stands for the budget of this arm, FLOPs; arms within 5 % share one."""

    @property
    def spec(self) -> RunSpec:
        """The first run's spec; only seed and identity differ along an arm."""
        return self.runs[0].spec

    @property
    def is_dense(self) -> bool:
        """Whether this is a dense arm."""
        return self.spec.shape.is_dense

    @property
    def is_compared(self) -> bool:
        """Whether this is neither a dense control of another N nor an arm at another learning rate."""
        return self.spec.role in ("matched", "given")

    @property
    def done(self) -> list[RunRecord]:
        """Records of the finished runs."""
        return [record for run in self.runs if (record := run.done)]

    def mean(self, name: str) -> float | None:
        """Return the mean of a number of the finished runs, e.g. `loss`; None where none has it."""
        return mean_of(getattr(record, name) for record in self.done)

    def sd(self, name: str) -> float | None:
        """Return the standard deviation over seeds of a number; None below two."""
        from fits.compare.samples import sd

        values = [value for record in self.done if (value := getattr(record, name)) is not None]
        return sd(values)


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """A study as it stands."""

    folder: str
    """Name of the study's folder."""
    given: str | None
    """The folder as it was given, where that is relative; null where it is a path of this machine."""
    question: Question
    """What was asked."""
    refused: tuple[Refusal, ...]
    """Cells that could not be planned."""
    notes: tuple[str, ...]
    """What the plan says of itself."""
    arms: tuple[Arm, ...]
    """The runs by arm, in the order of the plan."""
    fits: "tuple[FitResult, ...]"
    """The fits, those that the answer rests on first."""
    runs_hash: str
    """Hash of runs.csv as it stands now."""
    command: str | None
    """The command that planned the study, without its folder; null where it was planned from Python."""
    verb: str = "plan"
    """Which command that was: `plan`, or `study`, which also trains, fits and reports."""
    constancy: "Constancy | None" = None
    """Whether the optimum is one number over budgets and sizes; null where the fit did not ask."""
    reuse: "tuple[Reuse, ...]" = ()
    """What repeated data cost, by scheme; empty where no run has a fresh twin."""
    comparisons: "tuple[Comparison, ...]" = ()
    """Laws fitted to the same runs, where several were."""

    @cached_property
    def runs(self) -> list[Run]:
        """Every planned run."""
        return [run for arm in self.arms for run in arm.runs]

    @cached_property
    def records(self) -> list[RunRecord]:
        """Every record there is, whatever its state."""
        return [run.record for run in self.runs if run.record]

    @cached_property
    def table(self) -> "RunTable":
        """The finished runs as the input of a fit. Raises UsageError where there is no record."""
        from fits.runs.table import from_records

        return from_records([flatten(record) for record in self.records], source="runs.csv")

    @cached_property
    def series(self) -> "list[Series]":
        """The arms that one curve of r_a is drawn through, with that curve; only what has finished runs."""
        from reports.study.arm_series import read_series

        return read_series(self)

    @property
    def moe(self) -> list[Arm]:
        """The MoE arms that are compared; those at other learning rates are not."""
        return [arm for arm in self.arms if not arm.is_dense and arm.is_compared]

    def at(self, C: float) -> list[Arm]:
        """Return the arms that are compared at budget C."""
        return [arm for arm in self.arms if arm.budget == C and arm.is_compared]

    @property
    def dense(self) -> list[Arm]:
        """The dense arms that are compared; controls of another N are not."""
        return [arm for arm in self.arms if arm.is_dense and arm.is_compared]

    @property
    def answering(self) -> "list[FitResult]":
        """The fits that the answer rests on: one law with an optimum, one fit for each series."""
        return [fit for fit in self.fits if fit.optimum and fit.law == self.fits[0].law]

    @property
    def interval_of(self) -> str | None:
        """The curve whose interval the answers give, with an article: a cubic; null where none has an interval."""
        optima = (fit.optimum for fit in self.answering)
        found = dict.fromkeys(optimum.basis for optimum in optima if optimum is not None and optimum.basis)
        return " or ".join(f"a {basis}" for basis in found) or None

    @property
    def budgets(self) -> list[float]:
        """Budgets C that were asked for, in their order, of the arms that are planned."""
        return list(dict.fromkeys(arm.budget for arm in self.arms))

    @property
    def totals(self) -> list[float]:
        """N that was asked for; where none was, that of the arms."""
        return list(self.question.totals or dict.fromkeys(float(arm.spec.N) for arm in self.arms))

    @property
    def seeds(self) -> list[int]:
        """Seeds of the finished runs."""
        return sorted({run.spec.training.seed for run in self.runs if run.done})

    @property
    def corpus(self) -> str:
        """Name of the corpus."""
        return next((arm.spec.data.name for arm in self.arms if arm.spec.data), "no corpus")

    @property
    def source(self) -> str:
        """Where the numbers come from: measured here, or simulated."""
        simulated = any("simulated" in record.flags for record in self.records)
        return "simulated" if simulated else "measured here"

    @property
    def command_folder(self) -> str:
        """How commands name the study: as it was given, or below studies/ where that was a path of this machine."""
        from shlex import quote

        return quote(self.given or f"studies/{self.folder}")


def mean_of(values: Iterable[float | None]) -> float | None:
    """Return the mean of the numbers among `values`; None where there are none."""
    numbers = [value for value in values if value is not None]
    return fmean(numbers) if numbers else None


def read_evidence(study: Study) -> Evidence:
    """Read a study for its report.

    Raises UsageError where there is no study or no run of it has a record, and for a corrupt file.
    """
    pairs = read_records(study)
    asked = study.asked()
    folder = study.folder.resolve().name
    if not any(record for _, record in pairs):
        raise UsageError(
            f"no run of {study.folder} has ended yet, so there is nothing to report;"
            f" train them with: python -m scaling.sweep {study.folder} --go"
        )
    runs = [_run(study, spec, record) for spec, record in pairs]
    now = runs_csv([record for _, record in pairs if record is not None])
    given = None if study.folder.is_absolute() else str(study.folder)
    return Evidence(
        folder=folder,
        given=given,
        question=asked.question,
        refused=asked.refused,
        notes=asked.notes,
        arms=tuple(_arms(runs)),
        runs_hash=bytes_hash(now.encode()),
        command=asked.command,
        verb=asked.verb,
        **_fitted(study),
    )


def _run(study: Study, spec: RunSpec, record: RunRecord | None) -> Run:
    path = study.run_folder(spec.run_id) / "metrics.jsonl"
    if not path.is_file():
        return Run(spec=spec, record=record, gap="it has no metrics.jsonl")
    try:
        lines, torn = read_jsonl(path)
    except UsageError:
        return Run(spec=spec, record=record, gap="its metrics.jsonl cannot be read")
    points = list(_points(lines))
    gap = "its last line is torn" if torn else None
    tokens, losses = tuple(point[0] for point in points), tuple(point[1] for point in points)
    on_the_way = {"evaluations": _numbers(lines, "val_loss"), "speeds": _numbers(lines, "tokens_per_s")}
    return Run(spec=spec, record=record, tokens=tokens, losses=losses, gap=gap, **on_the_way)


def _numbers(lines: list[object], name: str) -> tuple[float, ...]:
    """Return a number of the lines that have it."""
    found = (line.get(name) for line in lines if isinstance(line, dict))
    return tuple(float(value) for value in found if isinstance(value, int | float) and math.isfinite(value))


def _points(lines: list[object]) -> Iterator[tuple[float, float]]:
    for line in lines:
        if isinstance(line, dict):
            D, loss = line.get("D"), line.get("loss")
            if isinstance(D, int | float) and isinstance(loss, int | float) and D > 0 and math.isfinite(loss):
                yield float(D), float(loss)


def _arms(runs: list[Run]) -> Iterator[Arm]:
    cells: dict[object, list[Run]] = {}
    for run in runs:
        spec = run.spec
        key = (spec.arm, spec.shape, spec.router, replace(spec.training, seed=0), spec.budget)
        cells.setdefault(key, []).append(run)
    stands_for = _budgets([run.spec.budget for run in runs])
    several = len({(run.spec.arm, stands_for[run.spec.budget]) for run in runs}) > len({run.spec.arm for run in runs})
    used: set[tuple[str, float]] = set()
    for members in cells.values():
        spec, C = members[0].spec, stands_for[members[0].spec.budget]
        name = f"{spec.arm} ({spec.run_id[:6]})" if (spec.arm, C) in used else spec.arm
        used.add((spec.arm, C))
        yield Arm(name=name, label=f"{name} at C {flops(C)}" if several else name, runs=tuple(members), budget=C)


def _budgets(budgets: list[float]) -> dict[float, float]:
    """Return for each C the smallest C of its budget; where D was given, C differs a little between arms."""
    from fits.runs.budgets import groups_of

    groups = groups_of(budgets).tolist()
    smallest = {group: min(C for C, at in zip(budgets, groups, strict=True) if at == group) for group in set(groups)}
    return {C: smallest[group] for C, group in zip(budgets, groups, strict=True)}


def _fitted(study: Study) -> "dict[str, Any]":
    """Return the fits and findings of the study by field of Evidence.

    Fits with an optimum come first, the cubic before the quadratic and others, smaller budgets before larger ones.
    """
    from fits.study import read_fits

    found = read_fits(study.fits)
    if found is None:
        return {"fits": ()}

    def place(fit: "FitResult") -> tuple[bool, int, float, str]:
        laws = ("cubic", "quadratic", fit.law)
        return fit.optimum is None, laws.index(fit.law), fit.series.C or 0.0 if fit.series else 0.0, fit.name

    return {
        "fits": tuple(sorted(found.fits, key=place)),
        "constancy": found.constancy,
        "reuse": found.reuse,
        "comparisons": found.comparison,
    }
