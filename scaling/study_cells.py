"""The series of a study with all their planned runs, and the cells that further runs could be made of."""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from fits.runs.series import SeriesKey, series
from fits.runs.table import RunTable
from jobs.record import RunRecord, read_records
from jobs.sweep.run_times import RunTimes, measured_times
from planners import RunSpec, Study, UsageError
from planners.arm_settings import AddedRuns
from planners.grid import make_plan
from planners.question import Question
from scaling.study_table import runs_of

SAME_RATE = 0.01
"""Difference of ln r_a up to which a further arm is one that the study has."""


@dataclass(frozen=True, kw_only=True)
class NamedCell:
    """An arm at one budget, as `scaling.plan --add` takes it."""

    arm: str
    """Its name."""
    spec: RunSpec
    """One of its runs, with any seed."""
    is_new: bool = False
    """Whether the study has no such arm yet."""

    @property
    def x(self) -> float:
        """ln r_a, rounded so that equal rates are equal numbers."""
        return round(math.log(self.spec.r_a), 9)


@dataclass(frozen=True, kw_only=True)
class PlannedSeries:
    """A series of the fits with the planned runs that belong to it."""

    key: SeriesKey
    """What tells it from the others."""
    table: RunTable
    """Its finished runs."""
    specs: tuple[RunSpec, ...]
    """Its planned runs, finished or not."""

    @cached_property
    def cells(self) -> tuple[NamedCell, ...]:
        """Its arms."""
        first: dict[str, RunSpec] = {}
        for spec in self.specs:
            first.setdefault(spec.arm, spec)
        return tuple(NamedCell(arm=arm, spec=spec) for arm, spec in first.items())


class PlannedStudy:
    """A study with its records, series and predicted times. Raises UsageError if no run has ended."""

    def __init__(self, study: Study):
        self.study = study
        self.question = study.asked().question
        self.records: list[tuple[RunSpec, RunRecord | None]] = read_records(study)
        self.table = runs_of(study)
        planned, done = study.forecast(), [record for _, record in self.records if record is not None]
        self.times: RunTimes = measured_times(done, gpu=bool(planned and planned.device), planned=planned)

    def device_hours(self, spec: RunSpec) -> float:
        """Return the predicted device-hours of a run."""
        return self.times.seconds(spec) * self.times.devices / 3600

    def series(self) -> tuple[PlannedSeries, ...]:
        """Return the series on fresh data."""
        specs = {spec.run_id: spec for spec, _ in self.records}
        found = []
        for key, part in series(self.table).items():
            if key.reuse in (None, "fresh"):
                kinds = {_kind(specs[str(run_id)]) for run_id in part.frame["run_id"]}
                own = (spec for spec, _ in self.records if spec.role in ("matched", "given") and _kind(spec) in kinds)
                found.append(PlannedSeries(key=key, table=part, specs=tuple(own)))
        return tuple(found)

    def free_seeds(self) -> Iterator[int]:
        """Yield seeds that no run of the study has."""
        return itertools.count(max(spec.training.seed for spec, _ in self.records) + 1)

    def further_cells(self, one: PlannedSeries, beyond: tuple[bool, bool]) -> tuple[NamedCell, ...]:
        """Return arms between the rates of a series that can be planned, and beyond its lowest and highest if `beyond`.

        There are none where the name of an arm would stand for several.
        """
        asked = self.question
        if len(asked.totals) != 1 or any(len(varied.values) > 1 for varied in asked.vary) or asked.hold == "aspect":
            return ()
        C, names = one.specs[0].budget, _further_names(asked, one, beyond)
        if not names:
            return ()
        trial = replace(asked, added=tuple(AddedRuns(arm=name, seeds=(0,)) for name in names), budgets=(C,))
        known = {cell.x for cell in one.cells}
        try:
            runs = make_plan(replace(trial, controls=(), repeat=(), tune=(), lr_check=(), seeds=(0,))).runs
        except UsageError:
            return ()
        cells = [NamedCell(arm=run.arm, spec=run, is_new=True) for run in runs if not run.shape.is_dense]
        fresh = [cell for cell in cells if all(abs(cell.x - x) > SAME_RATE for x in known)]
        return tuple(replace(cell, arm=_name_of(cell, names)) for cell in fresh)


def _kind(spec: RunSpec) -> tuple[object, ...]:
    """Return what the runs of a series share."""
    return spec.budget, spec.series, spec.target.get("N"), spec.epochs > 1


def _further_names(asked: Question, one: PlannedSeries, beyond: tuple[bool, bool]) -> list[str]:
    """Return the names of arms between neighbouring rates and beyond the ends: values of K, or rates."""
    moe = sorted((cell.spec for cell in one.cells if not cell.spec.shape.is_dense), key=lambda spec: spec.r_a)
    if len(moe) < 2 or len({spec.shape.d_expert for spec in moe}) > 1:
        return []
    if asked.activations:
        rates = [spec.r_a for spec in moe]
        return [f"{rate:.3g}" for rate in _between(rates, beyond) if 0.001 < rate < 0.95]
    K = [spec.shape.top_k for spec in moe]
    return [f"K{k}" for k in dict.fromkeys(round(k) for k in _between(K, beyond)) if k >= 1 and k not in K]


def _between(values: list[float] | list[int], beyond: tuple[bool, bool]) -> list[float]:
    """Return the geometric means of neighbours, and beyond an end one step half as far as the last one."""
    steps = [math.sqrt(a * b) for a, b in itertools.pairwise(values)]
    low, high = values[0] / math.sqrt(values[1] / values[0]), values[-1] * math.sqrt(values[-1] / values[-2])
    return [*[low][: beyond[0]], *steps, *[high][: beyond[1]]]


def _name_of(cell: NamedCell, names: list[str]) -> str:
    """Return the name under which an arm was asked for: its label, or the rate nearest to it."""
    if cell.arm in names:
        return cell.arm
    return min(names, key=lambda name: abs(float(name) - (cell.spec.target.get("r_a") or cell.spec.r_a)))
