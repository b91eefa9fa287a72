"""The evidence of a report: the question, the runs by arm and the fits of a study, read once."""

from dataclasses import dataclass
from functools import cached_property
from shlex import quote
from typing import Any

from fits.compare.compute_multiplier import ComputeMultiplier
from fits.compare.laws import Comparison
from fits.compare.verdict import Verdict, verdicts
from fits.drift.constancy import Constancy
from fits.predict.prediction import Prediction
from fits.predict.published_rates import PublishedRate
from fits.repeats.reuse import Reuse
from fits.result import FitResult
from fits.runs.table import RunTable, from_records
from fits.study import read_fits
from jobs.record import RunRecord, flatten, read_records
from planners.architecture.memory import memory
from planners.claims import claims_of
from planners.matching.arm import Refusal
from planners.question import Question
from planners.records.errors import UsageError
from planners.records.json import outcome_hash
from planners.study import Study
from reports.study.evidence.arms import Arm, Run, Series, at_budget, read_arms, read_series


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """A study in its present state."""

    folder: str
    """Name of the study's folder."""
    given: str | None
    """The folder as the user gave it, where it is relative; null where it is a path of this machine."""
    question: Question
    """What the study asks."""
    refused: tuple[Refusal, ...]
    """Cells that could not be planned."""
    notes: tuple[str, ...]
    """Notes of the plan."""
    arms: tuple[Arm, ...]
    """The runs by arm, in the order of the plan."""
    fits: tuple[FitResult, ...]
    """The fits, those that the answer rests on first; none where they were made from other runs than there are now."""
    outdated: str | None = None
    """Laws of the fits that were left out because the runs have changed since, as for --law; null without such fits."""
    runs_hash: str
    """Hash of runs.csv in its present state."""
    command: str | None
    """The command that planned the study, without its folder; null where it was planned from Python."""
    verb: str = "plan"
    """Which command that was: `plan`, or `study`, which also trains, fits and reports."""
    widened: tuple[str, ...]
    """The commands that widened it later, without its folder."""
    constancy: Constancy | None = None
    """Test of whether the optimum is constant over budgets and sizes; null where it was not made."""
    reuse: tuple[Reuse, ...] = ()
    """Cost of repeated data, by scheme; empty where no run on repeated data has a counterpart on fresh data."""
    comparisons: tuple[Comparison, ...] = ()
    """Comparisons of several laws fitted to the same runs."""
    predictions: tuple[Prediction, ...] = ()
    """What the fitted laws of several columns predict."""
    published: tuple[PublishedRate, ...] = ()
    """What publications recommend at the N and C of each optimum."""
    multipliers: tuple[ComputeMultiplier, ...] = ()
    """Compute of the dense arm over that of each MoE arm at equal loss."""
    no_multiplier: str | None = None
    """Why there is no compute multiplier; null where there is one."""

    @cached_property
    def runs(self) -> list[Run]:
        """Every planned run."""
        return [run for arm in self.arms for run in arm.runs]

    @cached_property
    def records(self) -> list[RunRecord]:
        """Every record, in any state."""
        return [run.record for run in self.runs if run.record]

    @cached_property
    def table(self) -> RunTable:
        """The finished runs as the input of a fit. Raises UsageError without a record."""
        return from_records([flatten(record) for record in self.records], source="runs.csv")

    @cached_property
    def series(self) -> list[Series]:
        """The series with finished runs: the arms through which one curve of r_a is drawn, with that curve.

        A study of claims has none.
        """
        if self.question.claims:
            return []
        return read_series(self.arms, self.table, self.answering) if any(arm.done for arm in self.moe) else []

    @cached_property
    def verdicts(self) -> tuple[Verdict, ...]:
        """The verdicts on the claims that the study tests; empty where it asks for the best rate."""
        return (
            verdicts(claims_of(self.question.claims), [_row(one) for one in self.records])
            if self.question.claims
            else ()
        )

    @property
    def moe(self) -> list[Arm]:
        """The MoE arms that are compared; those at other learning rates are not."""
        return [arm for arm in self.arms if not arm.is_dense and arm.is_compared]

    def at(self, C: float) -> list[Arm]:
        """Return the arms that are compared at budget C."""
        return at_budget(self.arms, C)

    @property
    def dense(self) -> list[Arm]:
        """The dense arms that are compared; controls of another N are not."""
        return [arm for arm in self.arms if arm.is_dense and arm.is_compared]

    @property
    def answering(self) -> list[FitResult]:
        """The fits that the answer rests on: one law with an optimum, one fit for each series."""
        return [fit for fit in self.fits if fit.optimum and fit.law == self.fits[0].law]

    @property
    def interval_of(self) -> str | None:
        """What the intervals of the answers assume: `a curve with one minimum`; null without an interval."""
        optima = (fit.optimum for fit in self.answering)
        found = dict.fromkeys(optimum.basis for optimum in optima if optimum is not None and optimum.basis)
        return " or ".join(found) or None

    @property
    def budgets(self) -> list[float]:
        """Budgets C of the planned arms, in their order."""
        return list(dict.fromkeys(arm.budget for arm in self.arms))

    @property
    def totals(self) -> list[float]:
        """Requested N, or the arms' N if none was requested."""
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
        """The folder in commands: as the user gave it, or below studies/ where that is a path of this machine."""
        return quote(self.given or f"studies/{self.folder}")


def _row(record: RunRecord) -> dict[str, Any]:
    """Return the columns of a run that claims compare."""
    training = record.spec.training
    counted = memory(record.spec.shape, training.precision, training.batch_tokens).total
    return {**flatten(record), "memory_counted": counted}


def read_evidence(study: Study) -> Evidence:
    """Read a study for its report.

    Raises UsageError if the study does not exist or none of its runs has a record, and for a corrupt file.
    """
    pairs = read_records(study)
    asked = study.asked()
    folder = study.folder.resolve().name
    if not any(record for _, record in pairs):
        raise UsageError(
            f"no run of {study.folder} has ended yet, so there is nothing to report;"
            f" train them with: python -m scaling.sweep {study.folder} --go"
        )
    ended = [record for _, record in pairs if record is not None]
    now = outcome_hash({"run_id": one.spec.run_id, "arm": one.spec.arm, **vars(one)} for one in ended)
    given = None if study.folder.is_absolute() else str(study.folder)
    return Evidence(
        folder=folder,
        given=given,
        question=asked.question,
        refused=asked.refused,
        notes=asked.notes,
        arms=read_arms(study, pairs),
        runs_hash=now,
        command=asked.command,
        verb=asked.verb,
        widened=asked.widened,
        **_fitted(study, now),
    )


def _fitted(study: Study, runs_hash: str) -> "dict[str, Any]":
    """Return the fits and findings of the study by field of Evidence, if they were made from the runs with this hash.

    Fits with an optimum come first, the cubic before the quadratic and others, smaller budgets before larger ones.
    """
    found = read_fits(study.fits)
    if found is None:
        return {"fits": ()}
    if any(fit.data_hash not in (None, runs_hash) for fit in found.fits):
        return {"fits": (), "outdated": ",".join(dict.fromkeys(fit.law for fit in found.fits))}

    def place(fit: FitResult) -> tuple[bool, int, float, str]:
        laws = ("cubic", "quadratic", fit.law)
        return fit.optimum is None, laws.index(fit.law), fit.series.C or 0.0 if fit.series else 0.0, fit.name

    return {
        "fits": tuple(sorted(found.fits, key=place)),
        "constancy": found.constancy,
        "reuse": found.reuse,
        "comparisons": found.comparison,
        **{name: getattr(found, name) for name in ("predictions", "published", "multipliers", "no_multiplier")},
    }
