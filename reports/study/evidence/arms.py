"""The runs of a study by arm, and its series: the arms through which one curve of r_a is drawn.

A run is what was planned, what became of it, and its loss curve. Series of one budget differ in N, in how data is
repeated, or in what else was varied.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from fits.compare.samples import sd
from fits.result import FitResult
from fits.runs.same_budget import groups_of, same_budget
from fits.runs.series import SeriesKey, series
from fits.runs.table import RunTable
from jobs.record import RunRecord
from planners.records.files import appended_rows
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
        lines = appended_rows(path)
    except OSError:
        return Run(spec=spec, record=record, gap="its metrics.jsonl cannot be read")
    points, odd = list(_points(lines)), lines.count(None)
    return Run(
        spec=spec,
        record=record,
        tokens=tuple(point[0] for point in points),
        losses=tuple(point[1] for point in points),
        gap=f"{odd} of its {len(lines)} lines cannot be read" if odd else None,
        evaluations=_numbers(lines, "val_loss"),
        speeds=_numbers(lines, "tokens_per_s"),
    )


def _numbers(lines: Sequence[object], name: str) -> tuple[float, ...]:
    """Return a number of the lines that have it."""
    found = (line.get(name) for line in lines if isinstance(line, dict))
    return tuple(float(value) for value in found if isinstance(value, int | float) and math.isfinite(value))


def _points(lines: Sequence[object]) -> Iterator[tuple[float, float]]:
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
    groups = groups_of(budgets).tolist()
    smallest = {group: min(C for C, at in zip(budgets, groups, strict=True) if at == group) for group in set(groups)}
    return {C: smallest[group] for C, group in zip(budgets, groups, strict=True)}


@dataclass(frozen=True, kw_only=True)
class Series:
    """Arms with finished runs that share budget, N and how data is repeated."""

    key: SeriesKey | None = None
    """What distinguishes it from the other series; null where the arms only share a budget."""
    table: RunTable | None = None
    """Its finished runs as the input of a fit; null where the arms only share a budget."""
    arms: tuple[Arm, ...]
    """The arms that are compared, in the order of the plan. A fresh dense arm belongs to every reuse of its budget."""
    controls: tuple[Arm, ...] = ()
    """Dense arms of another N that were planned for comparison."""
    fit: FitResult | None = None
    """The curve fitted to the MoE arms."""

    @property
    def moe(self) -> list[Arm]:
        """The MoE arms, lowest rate first."""
        return sorted((arm for arm in self.arms if not arm.is_dense), key=lambda arm: arm.spec.r_a)

    @property
    def dense(self) -> list[Arm]:
        """The dense arms of the same N."""
        return [arm for arm in self.arms if arm.is_dense]

    @property
    def curve(self) -> FitResult:
        """The curve fitted to the MoE arms. Raises ValueError where nothing has been fitted."""
        if self.fit is None:
            raise ValueError(f"no curve has been fitted to {self.heading}")
        return self.fit

    @property
    def C(self) -> float:
        """The budget, FLOPs."""
        return self.arms[0].budget

    @property
    def N(self) -> float:
        """The size that the question asks for, else that of the first arm."""
        return self.arms[0].spec.target.get("N", float(self.arms[0].spec.N))

    @property
    def repeats(self) -> bool:
        """Whether its MoE arms see their data more than once."""
        return any(arm.spec.epochs > 1 for arm in self.moe)

    @property
    def heading(self) -> str:
        """Its name for a reader: `C = 1e12 FLOPs, strict reuse`."""
        key = self.key or SeriesKey()
        told = any((key.label, key.C, key.D, key.N))
        return (key if told else replace(key, C=self.C)).heading


def heading(series: Series, among: Sequence[Series]) -> str:
    """Return the name of a series for a reader; `fresh data` is added where others of `among` repeat theirs."""
    fresh = not (series.key and series.key.reuse) and not series.repeats and any(other.repeats for other in among)
    return f"{series.heading}, fresh data" if fresh else series.heading


def read_series(arms: Sequence[Arm], table: RunTable, fits: Sequence[FitResult]) -> list[Series]:
    """Return the series of the finished runs that have MoE arms, in the order of their budgets.

    `table` holds the finished runs of `arms`; `fits` are the curves, of one law, that belong to the series.
    """
    found = []
    for key, part in series(table).items():
        ids = set(part.frame["run_id"])
        members = [arm for arm in arms if any(record.spec.run_id in ids for record in arm.done)]
        compared = _with_dense([arm for arm in members if arm.is_compared], arms)
        if any(not arm.is_dense for arm in compared):
            controls = _controls(compared, members, arms)
            fit = next((fit for fit in fits if fit.series == key), None)
            found.append(Series(key=key, table=part, arms=compared, controls=controls, fit=fit))
    return found


def at_budget(arms: Iterable[Arm], C: float) -> list[Arm]:
    """Return the arms that are compared at budget C."""
    return [arm for arm in arms if arm.budget == C and arm.is_compared]


def _with_dense(members: Sequence[Arm], arms: Sequence[Arm]) -> tuple[Arm, ...]:
    """Return `members` with the dense arm of their budget and size, where what was varied does not concern it."""
    if not members or any(arm.is_dense for arm in members):
        return tuple(members)
    dense = (arm for arm in at_budget(arms, members[0].budget) if arm.is_dense and arm.done and not arm.spec.series)
    return (*(arm for arm in dense if _same_size(arm.spec, members[0].spec)), *members)


def _same_size(one: RunSpec, other: RunSpec) -> bool:
    """Return whether two arms have one N: the N of the question, or else their own to 5 %."""
    asked = (one.target.get("N"), other.target.get("N"))
    return asked[0] == asked[1] if any(asked) else same_budget(one.N, other.N)


def _controls(compared: tuple[Arm, ...], members: Sequence[Arm], arms: Sequence[Arm]) -> tuple[Arm, ...]:
    """Return the controls that repeat their data as the MoE arms do, since each reuse has its own.

    A given dense arm of another N and the same budget is a control too.
    """
    repeats = any(arm.spec.epochs > 1 for arm in compared)
    own = [arm for arm in members if arm.spec.role == "control"]
    own += [arm for arm in at_budget(arms, compared[0].budget) if arm.is_dense and arm.spec.role == "given"]
    return tuple(arm for arm in own if (arm.spec.epochs > 1) == repeats and arm not in compared)
