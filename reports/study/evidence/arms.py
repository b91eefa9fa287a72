"""The runs of a study by arm: what was planned, what became of it, and its loss curve."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from statistics import fmean

from jobs.record import RunRecord
from planners.records.errors import UsageError
from planners.records.files import read_jsonl
from planners.spec import RunSpec
from planners.study import Study
from reports.page.number_text import flops


@dataclass(frozen=True, kw_only=True)
class Run:
    """A planned run and what became of it."""

    spec: RunSpec
    """The run as planned."""
    record: RunRecord | None
    """Its outcome; null until it has one."""
    tokens: tuple[float, ...] = ()
    """Tokens consumed at each point of its loss curve."""
    losses: tuple[float, ...] = ()
    """Mean training loss between the point before and this one, nats per token."""
    gap: str | None = None
    """Why the loss curve is missing or incomplete; null where it is complete."""
    evaluations: tuple[float, ...] = ()
    """Validation losses of the evaluations during training."""
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
    """The runs of one cell of the plan: the same training with different seeds."""

    name: str
    """Unique among the arms of a budget: dense, K4."""
    label: str
    """Unique in the study: the name, and the budget where an arm has several."""
    runs: tuple[Run, ...]
    """One run for each seed, in the order of the plan."""
    budget: float
    """Budget of the arm, FLOPs; arms within 5 % share one."""

    @property
    def spec(self) -> RunSpec:
        """The spec of the first run; the runs of an arm differ in seed and identity only."""
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
        """Return the mean of a number of the finished runs, such as `loss`; None where no run has it."""
        return mean_of(getattr(record, name) for record in self.done)

    def sd(self, name: str) -> float | None:
        """Return the standard deviation of a number over seeds; None below two."""
        from fits.compare.samples import sd

        return sd([value for record in self.done if (value := getattr(record, name)) is not None])


def mean_of(values: Iterable[float | None]) -> float | None:
    """Return the mean of the numbers among `values`; None where there are none."""
    numbers = [value for value in values if value is not None]
    return fmean(numbers) if numbers else None


def read_arms(study: Study, pairs: Iterable[tuple[RunSpec, RunRecord | None]]) -> tuple[Arm, ...]:
    """Return the arms of a study, in the order of the plan. `pairs` are its runs with their records."""
    return tuple(_arms([_run(study, spec, record) for spec, record in pairs]))


def _run(study: Study, spec: RunSpec, record: RunRecord | None) -> Run:
    path = study.run_folder(spec.run_id) / "metrics.jsonl"
    if not path.is_file():
        return Run(spec=spec, record=record, gap="it has no metrics.jsonl")
    try:
        lines, torn = read_jsonl(path)
    except UsageError:
        return Run(spec=spec, record=record, gap="its metrics.jsonl cannot be read")
    points = list(_points(lines))
    return Run(
        spec=spec,
        record=record,
        tokens=tuple(point[0] for point in points),
        losses=tuple(point[1] for point in points),
        gap="its last line is torn" if torn else None,
        evaluations=_numbers(lines, "val_loss"),
        speeds=_numbers(lines, "tokens_per_s"),
    )


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
