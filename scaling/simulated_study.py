"""A study filled with losses from a known truth: would its plan find the optimum?

The records say `simulated`, and so does every page made from them. Real and simulated runs are never mixed.
"""

import math
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from jobs.record import Environment, RunRecord, collect, planned, read_records, write_record
from jobs.sweep.status import status
from jobs.sweep.study_lock import study_lock
from jobs.sweep.submit import LOCK
from jobs.sweep.submitted import submitted_jobs
from planners import RunSpec, Study, UsageError
from planners.records.json import to_json
from planners.records.notebook_repr import NotebookRepr
from planners.records.text_table import percentage, text_table
from planners.records.version import VERSION

if TYPE_CHECKING:
    from fits.simulate.coverage import Noise
    from fits.simulate.simulated_study import SimulatedSeries

SIMULATED = "simulated"
"""Flag of a record whose loss is simulated."""


@dataclass(frozen=True, kw_only=True, repr=False)
class SimulatedStudy(NotebookRepr):
    """Losses drawn for a plan, and what fits find in them. `str()` of it is what the command prints."""

    folder: str
    """Folder of the study."""
    n: int
    """Runs whose losses were drawn."""
    law: str
    """Name of the truth."""
    truth: dict[str, float]
    """Its parameters."""
    noise: "Noise"
    """The noise of a run and of a seed, nats per token."""
    fitted: str
    """Name of the curve that was fitted."""
    found: "tuple[SimulatedSeries, ...]"
    """The answer in each series."""

    def as_json(self) -> dict[str, Any]:
        """Return the object of --json."""
        return {
            "simulated": True,
            **{name: to_json(getattr(self, name)) for name in ("law", "truth", "noise", "found")},
        }

    def __repr__(self) -> str:
        return f"<SimulatedStudy {self.folder}: {self.n} runs, truth {self.law}>"

    def __str__(self) -> str:
        numbers = ", ".join(f"{name} {value:.3g}" for name, value in self.truth.items())
        lines = [
            f"SIMULATED: the losses of {self.n} runs in {self.folder} are drawn, not measured",
            f"truth: {self.law}, {numbers}",
            f"noise: {self.noise.family}, SD {self.noise.sd:g} nats a run, {self.noise.seed_sd:g} a seed",
            "",
            *map(_written, self.found),
        ]
        if self.found and (score := self.found[0].score):
            lines += [
                "",
                f"{score.studies} studies like this one, fitted with the {self.fitted}:",
                _shares(self.found),
            ]
        return "\n".join(lines)


def simulate_study(
    study: "str | os.PathLike[str]",
    *,
    noise: "Noise | float",
    law: str = "cubic",
    params: Mapping[str, float] | None = None,
    fit: str = "cubic",
    repeats: int = 200,
    seed: int = 0,
) -> SimulatedStudy:
    """Write a simulated record for every run of `study`, fit them, and repeat that in memory.

    `noise` is the SD of a run's loss and of what its seed adds, in nats per token, or a Noise. `law` and `params` are
    the truth (`fits.simulate.truth.truth_of`); `fit` is the curve that is fitted to find that truth; `repeats` is the
    number of further simulated studies, 0 for none; `seed` is the seed of the draws. Raises UsageError if a run was
    trained, and for a truth, a curve or a noise that is impossible.

    >>> asked = Question(study="drawn", total_params=3e6, budgets=(1e15,), activations=(1, 0.5, 0.2))
    >>> Study("studies/drawn").write(make_plan(asked))
    True
    >>> made = simulate_study("studies/drawn", noise=0.01, fit="quadratic", repeats=0)
    >>> print(str(made).splitlines()[0])
    SIMULATED: the losses of 3 runs in studies/drawn are drawn, not measured
    """
    from fits import from_records
    from fits.laws import curves
    from fits.simulate.coverage import Noise
    from fits.simulate.simulated_study import simulate_study as simulate_table
    from fits.simulate.truth import truth_of
    from scaling.study_table import margin_of

    study = Study(study)
    study.check_links()
    _refuse_real(study)
    noise = noise if isinstance(noise, Noise) else Noise(sd=noise, seed_sd=noise)
    if fit not in curves():
        raise UsageError(f"--fit {fit!r} is not a curve of r_a; choose one of {', '.join(curves())}")
    specs = study.runs()
    table = from_records([{**planned(spec), "loss": 1.0, "state": "done"} for spec in specs], source=SIMULATED)
    truth = truth_of(law, params or {}, table)
    margin = margin_of(study)
    written, found = simulate_table(table, truth, noise, fit, studies=repeats, seed=seed, margin=margin)
    with study_lock(study.folder / LOCK):  # no sweep may submit the runs meanwhile
        _refuse_real(study)
        _write(study, specs, written.numbers("loss").tolist())
    return SimulatedStudy(
        folder=str(study.folder), n=len(specs), law=law, truth=truth.params, noise=noise, fitted=fit, found=found
    )


def clear_simulated(study: "str | os.PathLike[str]") -> int:
    """Remove the simulated records of `study`, their table and their fits; return how many records there were.

    Raises UsageError if a run was trained.

    >>> asked = Question(study="cleared", total_params=3e6, budgets=(1e15,), activations=(1, 0.5, 0.2))
    >>> Study("studies/cleared").write(make_plan(asked))
    True
    >>> made = simulate_study("studies/cleared", noise=0.01, fit="quadratic", repeats=0)
    >>> clear_simulated("studies/cleared")
    3
    """
    from fits.study import written_files

    study = Study(study)
    study.check_links()
    with study_lock(study.folder / LOCK):
        _refuse_real(study)
        records = [spec for spec, record in read_records(study) if record is not None]
        for spec in records:
            (study.run_folder(spec.run_id) / "record.json").unlink()
        for path in (study.runs_csv, *written_files(study.fits)):
            path.unlink(missing_ok=True)
    return len(records)


def _refuse_real(study: Study) -> None:
    """Raise UsageError if a run was trained, is being trained, or has a job."""
    jobs = submitted_jobs(study)
    for run in status(study, jobs):
        real = run.record is not None and SIMULATED not in run.record.flags
        if real or run.has_job or run.state == "running" or (run.record is None and run.D_seen):
            raise UsageError(
                f"{study.folder} holds trained or submitted runs (run {run.spec.run_id} is {run.state}); they cannot be"
                " mixed with simulated ones, so plan the study again in another folder"
            )


def _write(study: Study, specs: list[RunSpec], losses: list[float]) -> None:
    """Write a flagged record for each run, and the table of all of them."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    where = Environment(
        version=VERSION,
        commit=None,
        code=SIMULATED,
        python=platform.python_version(),
        torch="none",
        device=SIMULATED,
        host=SIMULATED,
        started=now,
        ended=now,
    )
    for spec, loss in zip(specs, losses, strict=True):
        record = RunRecord(
            spec=spec,
            state="done",
            loss=loss,
            D_seen=spec.training.D,
            wall_s=0.0,
            environment=where,
            flags=(SIMULATED,),
        )
        write_record(study, record)
    collect(study)


def _written(each: "SimulatedSeries") -> str:
    """Return the true optimum next to the one that the fit to the written losses found."""
    optimum, name = each.written.optimum, f"{each.series}: " if each.series else ""
    said = "no optimum" if optimum is None else optimum.reason
    if optimum is not None and optimum.value is not None:
        lo, hi = (f"{end:.3g}" if end else "open" for end in (optimum.lo, optimum.hi))
        said = f"{optimum.value:.3g} (95 %: {lo} to {hi})"
    return f"{name}true r_a* {each.best:.3g}, this study finds: {said}"


def _shares(found: "tuple[SimulatedSeries, ...]") -> str:
    header = ["series", "converged", "edge", "not identified", "no minimum", "hold r_a*", "hold L*", "width"]
    rows = []
    for each in found:
        if each.score is not None:
            score, width = each.score, each.score.width
            shares = [percentage(share, 0) for share in score.statuses.values()]
            held = [None if share is None else percentage(share) for share in (score.held, score.loss_held)]
            rows.append([each.series or "all", *shares, *held, None if width is None else f"x{math.exp(width):.2f}"])
    note = "hold: share of the intervals that contain the truth; width: upper over lower end of the median interval"
    return f"{text_table(header, rows)}\n{note}"
