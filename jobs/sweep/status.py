"""The status of each run of a study, from its files and from the submitted jobs."""

from dataclasses import dataclass

from jobs.execution import Execution
from jobs.failures import class_of_state, is_interruption
from jobs.record import RunRecord, readable_record
from jobs.run.attempts import Attempt, D_saved, counted, read_attempts
from jobs.run.run_lock import is_running
from jobs.sweep.submitted import SubmittedJobs
from planners.records.files import last_numbers
from planners.spec import RunSpec
from planners.study import Study

STATES = ("done", "diverged", "failed", "running", "queued", "waiting")
"""States of a run:
done, diverged: it has a final record;
failed: its last failure is tried again only with --retry; killed for memory, it has no record;
running: a process is training it;
queued: a job is submitted that will start, resume or retry it;
waiting: no job is submitted for it."""
NO_JOBS = SubmittedJobs()


@dataclass(frozen=True, kw_only=True)
class RunStatus:
    """One run, now."""

    spec: RunSpec
    """The planned run."""
    state: str
    """One of `STATES`."""
    record: RunRecord | None
    """Its record, once it has ended."""
    D_seen: int
    """Tokens consumed so far."""
    loss: float | None
    """Validation loss if done, else the last training loss; nats per token."""
    tokens_per_s: float | None
    """Training speed so far."""
    has_job: bool = False
    """Whether a job that is alive, or may be, will train it."""
    eta_s: float | None = None
    """Seconds of training left, from the last metrics line; null unless it has started."""
    wall_s: float = 0.0
    """Seconds taken, including the known part of what interruptions lost."""
    device_s: float = 0.0
    """Device-seconds taken: the seconds of each attempt times its devices."""
    attempts: tuple[Attempt, ...] = ()
    """Attempts so far."""
    counted: int = 0
    """Attempts that count towards the limit."""
    failure: str | None = None
    """Class of the last failure; null if there was none."""
    died: tuple[str, ...] = ()
    """Its Slurm jobs that ended before their worker began, one sentence each; they count as attempts."""

    @property
    def error(self) -> str | None:
        """Why it failed, diverged or could not start, in one line; null if nothing is known."""
        if self.record is not None:
            return self.record.error
        return self.died[-1] if self.failure == "not_started" else None

    @property
    def is_trained(self) -> bool:
        """Whether it has weights that another run can start from."""
        return self.state == "done" and self.record is not None and not self.record.is_simulated

    @property
    def C_seen(self) -> float:
        """Training FLOPs spent so far; a run that has ended counts in full."""
        return self.spec.C * (1.0 if self.record else self.D_seen / self.spec.training.D)


def status(study: Study, jobs: SubmittedJobs = NO_JOBS) -> list[RunStatus]:
    """Return the status of every planned run, in plan order; without `jobs`, no run counts as queued."""
    return [run_status(study, spec, jobs) for spec in study.runs()]


def run_status(study: Study, spec: RunSpec, jobs: SubmittedJobs = NO_JOBS) -> RunStatus:
    """Return the status of one run. A record that cannot be read counts as missing, with a warning."""
    record = readable_record(study, spec)
    if record is None or record.state == "failed":
        return _open_status(study, spec, record, jobs)
    attempts = read_attempts(study.run_folder(spec.run_id))
    wall_s, device_s = _time_taken(attempts, record.wall_s, record.execution)
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


def _open_status(study: Study, spec: RunSpec, record: RunRecord | None, jobs: SubmittedJobs) -> RunStatus:
    """Return the status of a run that may still be trained: without a record, or failed."""
    folder = study.run_folder(spec.run_id)
    attempts = read_attempts(folder)
    line = last_numbers(folder / "metrics.jsonl")
    has_started = bool(attempts) and not attempts[-1].ended
    # on another machine the lock may look free; there a run is running if its last attempt is by a running job
    job = jobs.running_job.get(spec.run_id)
    running = is_running(folder) or (has_started and job is not None and attempts[-1].job == job)
    past = attempts[:-1] if running and has_started else attempts
    # a job retries a failed run once: if the run has more attempts than at submission, it has failed again
    has_job = spec.run_id in jobs.run_ids and (record is None or jobs.retried.get(spec.run_id) == len(attempts))
    died = tuple(jobs.died.get(spec.run_id, ()))
    failure = _last_failure(record, past, jobs) or ("not_started" if died and not attempts else None)
    is_due = record is None and (failure is None or is_interruption(failure))
    resting = "queued" if has_job else "waiting" if is_due else "failed"
    reported_s = record.wall_s if record else line.get("wall_s") or 0.0
    wall_s, device_s = _time_taken(attempts, reported_s, record.execution if record else None)
    return RunStatus(
        spec=spec,
        state="running" if running else resting,
        record=record,
        D_seen=record.D_seen if record else line.get("D", 0),
        loss=line.get("loss"),
        tokens_per_s=line.get("tokens_per_s"),
        has_job=has_job,
        eta_s=line.get("eta_s") if record is None else None,
        wall_s=wall_s,
        device_s=device_s,
        attempts=tuple(attempts),
        counted=len(died) + (counted(past, D_saved(folder, spec)) if past else 0),
        failure=failure,
        died=died,
    )


def _time_taken(attempts: list[Attempt], reported_s: float, execution: Execution | None) -> tuple[float, float]:
    """Return seconds and device-seconds of a run: the sum over its attempts, or what the run reported if that is more.

    Runs of older versions have no attempts, or attempts without devices.
    """
    default = execution.devices_of_run if execution else 1
    devices = [default if one.devices is None else one.devices for one in attempts]
    device_s = sum(one.wall_s * count for one, count in zip(attempts, devices, strict=True))
    return max(reported_s, sum(one.wall_s for one in attempts)), max(reported_s * (devices or [default])[-1], device_s)


def _last_failure(record: RunRecord | None, past: list[Attempt], jobs: SubmittedJobs) -> str | None:
    if record is not None:
        return record.failure or "exception"
    if past and not past[-1].ended:  # killed; the scheduler may know why
        return class_of_state(jobs.last_state.get(past[-1].job or ""))
    return past[-1].failure if past else None
