"""Where each run of a study stands: by its files, and by what is in flight."""

from collections.abc import Iterable
from dataclasses import dataclass

from jobs.execution import Execution
from jobs.failures import is_interruption, of_state
from jobs.record import RunRecord, readable_record
from jobs.run.attempts import Attempt, D_saved, read_attempts, spent
from jobs.run.worker import is_running
from jobs.sweep.submitted import Flight
from planners.records.files import last_row
from planners.spec import RunSpec
from planners.study import Study

STATES = ("done", "diverged", "failed", "running", "queued", "waiting")


@dataclass(frozen=True, kw_only=True)
class RunStatus:
    """One run, now."""

    spec: RunSpec
    """What was asked for."""
    state: str
    """done, diverged, running, queued: in flight, and not begun, interrupted or tried again; else failed where its last
    failure is tried again only if asked, with a record or (killed for memory) without one; else waiting."""
    record: RunRecord | None
    """Its record, once it ended."""
    D_seen: int
    """Tokens consumed so far."""
    loss: float | None
    """Validation loss of a run that is done, else the last training loss; nats per token."""
    tokens_per_s: float | None
    """Speed so far."""
    in_flight: bool = False
    """Whether a job is alive, or may be, that was submitted for it."""
    eta_s: float | None = None
    """Seconds of training that are left, of a run that has begun; from its last metrics line."""
    wall_s: float = 0.0
    """Seconds that it has taken, those that were lost to interruptions included as far as they are known."""
    device_s: float = 0.0
    """The same times the devices that each attempt had."""
    attempts: tuple[Attempt, ...] = ()
    """Attempts so far."""
    spent: int = 0
    """Attempts that count against the bound."""
    failure: str | None = None
    """Class of the last failure; null where there was none."""

    @property
    def is_trained(self) -> bool:
        """Whether it has weights to start another run from."""
        return self.state == "done" and self.record is not None and "simulated" not in self.record.flags

    @property
    def C_seen(self) -> float:
        """Training FLOPs spent so far; a run that ended counts whole."""
        return self.spec.C * (1.0 if self.record else self.D_seen / self.spec.training.D)


def status(study: Study, flight: Flight | None = None) -> list[RunStatus]:
    """Return the status of every planned run, in the order of the plan."""
    return statuses(study, study.runs(), flight)


def statuses(study: Study, specs: Iterable[RunSpec], flight: Flight | None = None) -> list[RunStatus]:
    """Return the status of runs; `flight` says what is in flight, nothing where it is not given."""
    flying = flight.run_ids if flight else set()
    at_work = flight.at_work if flight else {}
    job_states = flight.state_of_job() if flight else {}
    retried = flight.retried if flight else {}
    return [
        run_status(
            study,
            spec,
            spec.run_id in flying,
            job=at_work.get(spec.run_id),
            job_states=job_states,
            retried=retried.get(spec.run_id),
        )
        for spec in specs
    ]


def run_status(
    study: Study,
    spec: RunSpec,
    in_flight: bool = False,
    *,
    job: str | None = None,
    job_states: dict[str, str] | None = None,
    retried: int | None = None,
) -> RunStatus:
    """Return the status of one run. A record that cannot be read counts as none, with a warning.

    `job` is a running job of Slurm that is to train it, and does where the last attempt is this job's. A failed run is
    in flight only where a job is to try again after the `retried` attempts that it has had.
    """
    record = readable_record(study, spec)
    if record is not None and record.state != "failed":
        attempts = read_attempts(study.run_folder(spec.run_id))
        wall_s, device_s = _taken(attempts, record.wall_s, record.execution)
        return RunStatus(
            spec=spec,
            state=record.state,
            record=record,
            D_seen=record.D_seen,
            loss=record.loss,
            tokens_per_s=record.tokens_per_s,
            wall_s=wall_s,
            device_s=device_s,
            attempts=tuple(attempts),
            failure=record.failure,
        )
    return _open_status(study, spec, record, in_flight, job, job_states or {}, retried)


def _open_status(
    study: Study,
    spec: RunSpec,
    record: RunRecord | None,
    in_flight: bool,
    job: str | None,
    job_states: dict[str, str],
    retried: int | None,
) -> RunStatus:
    """Return the status of a run that may still be trained: without a record, or failed."""
    folder = study.run_folder(spec.run_id)
    attempts = read_attempts(folder)
    line = last_row(folder / "metrics.jsonl")
    is_begun = bool(attempts) and not attempts[-1].ended
    running = is_running(folder) or (is_begun and job is not None and attempts[-1].job == job)
    past = attempts[:-1] if running and is_begun else attempts
    in_flight = in_flight and (record is None or retried == len(attempts))
    failure = _last_failure(record, past, job_states)
    is_due = record is None and (failure is None or is_interruption(failure))
    resting = "queued" if in_flight else "waiting" if is_due else "failed"
    told = record.wall_s if record else line.get("wall_s") or 0.0
    wall_s, device_s = _taken(attempts, told, record.execution if record else None)
    return RunStatus(
        spec=spec,
        state="running" if running else resting,
        record=record,
        D_seen=record.D_seen if record else line.get("D", 0),
        loss=line.get("loss"),
        tokens_per_s=line.get("tokens_per_s"),
        in_flight=in_flight,
        eta_s=line.get("eta_s") if record is None else None,
        wall_s=wall_s,
        device_s=device_s,
        attempts=tuple(attempts),
        spent=spent(past, D_saved(folder, spec)) if past else 0,
        failure=failure,
    )


def _taken(attempts: list[Attempt], told_s: float, execution: Execution | None) -> tuple[float, float]:
    """Return seconds and device-seconds of a run: those of its attempts, or what it told itself where that is more."""
    told = execution.devices_of_run if execution else 1
    devices = [told if one.devices is None else one.devices for one in attempts]
    device_s = sum(one.wall_s * count for one, count in zip(attempts, devices, strict=True))
    return max(told_s, sum(one.wall_s for one in attempts)), max(told_s * (devices or [told])[-1], device_s)


def _last_failure(record: RunRecord | None, past: list[Attempt], job_states: dict[str, str]) -> str | None:
    if record is not None:
        return record.failure or "exception"
    if past and not past[-1].ended:  # killed; the scheduler may know why
        return of_state(job_states.get(past[-1].job or ""))
    return past[-1].failure if past else None
