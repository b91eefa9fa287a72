"""The worker: one process that trains runs until no free run is left. It is the callable that submitit pickles.

Every worker of a sweep gets the same list of runs and takes the free ones, so a fast worker takes more runs and a dead
worker holds nothing up. The process that holds the lock of a run owns the run.
"""

import os
import sys
import time
from typing import Any

from jobs import snapshot
from jobs.execution import Execution
from jobs.failures import ATTEMPTS, classify, is_interruption, stops_worker
from jobs.record import has_weights, read_or_set_aside
from jobs.run.attempts import D_saved, archive_record, attempt, counted, mark_worker, read_attempts
from jobs.run.end_signals import EndSignals
from jobs.run.error_text import first_line
from jobs.run.logs import LOG_MARK
from jobs.run.ranks import join
from jobs.run.run_lock import is_running, run_lock
from jobs.run.task_group import requeues_for_others, task_group
from jobs.run.train_one import is_end_of_job, train_and_record
from planners.spec import RunSpec
from planners.study import Study

POLL_S = 0.5
"""Seconds between looks at the runs of another task."""


class Worker:
    """`Worker(folder)(run_ids)` trains the free runs among `run_ids`, in their order.

    Args:
        folder: folder of the study.
        execution: how each run is carried out.
        attempts: most attempts per run.
        retry: failed runs to train again, each with the attempts it had when the job was submitted. A run that has
            failed once more since then is left alone.
        limit_s: seconds from the start until Slurm warns of the time limit; null if there is no limit.
        code: hash of the sources that this job must find (`jobs.snapshot`).
        devices: devices that a run occupies, a fraction where runs share one; null: those of `execution`.
    """

    def __init__(
        self,
        folder: str,
        execution: Execution | None = None,
        *,
        attempts: int = ATTEMPTS,
        retry: dict[str, int] | None = None,
        limit_s: float | None = None,
        code: str | None = None,
        devices: float | None = None,
    ):
        self.folder, self.execution = folder, execution or Execution()
        self.attempts, self.retry, self.limit_s = attempts, retry or {}, limit_s
        self.code = code
        self.devices = self.execution.devices if devices is None else devices
        self._reset()

    def __call__(self, run_ids: list[str]) -> int:
        """Return how many runs this worker ended. A failing run gets a record and does not stop the others."""
        self._reset()  # a requeued job calls the same pickled object again
        mark_worker()
        snapshot.check(self.code)
        study = Study(self.folder)
        position = {run_id: index for index, run_id in enumerate(run_ids)}
        runs = sorted((run for run in study.runs() if run.run_id in position), key=lambda run: position[run.run_id])
        _set_threads(runs)
        signals = EndSignals(self._stop)
        signals.listen()
        group = task_group(self.execution.devices)
        if group and group.rank > 0:
            join(study, self.execution, group, stop=lambda: self._stopping)
            return 0
        try:
            ended = self._train_all(study, runs)
        finally:
            if group:
                group.announce(None)
        if not group and requeues_for_others():
            self._wait_for_others(study, run_ids, signals)
        signals.requeue_if_asked()
        return ended

    def checkpoint(self, run_ids: list[str]) -> Any:
        """Return what submitit requeues after a time limit or preemption; each run has its own checkpoint."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, run_ids)

    def _reset(self) -> None:
        self._stopping, self._started = False, time.monotonic()
        self._interrupted: str | None = None

    def _train_all(self, study: Study, left: list[RunSpec]) -> int:
        """Train free runs until a whole pass over the list ends none; return how many ended."""
        ended = 0
        while left:
            outcomes = [(spec, self._train_if_free(study, spec)) for spec in left]
            left = [spec for spec, outcome in outcomes if outcome in ("left", "again")]
            ended += sum(outcome == "ended" for _, outcome in outcomes)
            # other workers have the rest, or the rest waits for a run of theirs, or this worker was asked to stop
            if not any(outcome in ("ended", "again") for _, outcome in outcomes):
                break
        return ended

    def _wait_for_others(self, study: Study, run_ids: list[str], signals: EndSignals) -> None:
        """Stay while another task of this job trains: only this task can requeue the job at a time limit."""
        folders = [study.run_folder(run_id) for run_id in run_ids]
        while not signals.received and any(map(is_running, folders)):
            time.sleep(POLL_S)

    def _train_if_free(self, study: Study, spec: RunSpec) -> str:
        """Train one run if it is free.

        Return `ended`, `gone` (it has a record, or no attempts left), `left` (to other workers or to the next sweep),
        or `again` (this worker tries again at once).
        """
        parent = spec.training.init_from
        if self._stopping or (parent is not None and not has_weights(study, parent)):
            return "left"
        try:
            with run_lock(study.run_folder(spec.run_id)) as held:
                if not held:
                    return "left"
                return self._train(study, spec) if self._is_due(study, spec) else "gone"
        except OSError as error:
            print(f"run {spec.run_id} is left for the next sweep: {error}", file=sys.stderr)
            self._stopping = self._stopping or stops_worker(error)
            return "left"

    def _is_due(self, study: Study, spec: RunSpec) -> bool:
        """Whether to train a run whose lock this worker holds; archives the failed record of a run to be retried.

        The record is read under the lock: another worker may have ended the run since this one chose it.
        """
        folder = study.run_folder(spec.run_id)
        record = read_or_set_aside(study, spec)
        past = read_attempts(folder)
        if record is not None and (record.state != "failed" or self.retry.get(spec.run_id) != len(past)):
            return False
        if counted(past, D_saved(folder, spec)) >= self.attempts:
            print(f"run {spec.run_id} has used its {self.attempts} attempts", file=sys.stderr)
            return False
        if record is not None:
            archive_record(study, record)
        return True

    def _train(self, study: Study, spec: RunSpec) -> str:
        """Train a run that is due. An interruption leaves the run without a record."""
        print(f"{LOG_MARK}{spec.run_id}", file=sys.stderr, flush=True)
        with attempt(study, spec, self.devices) as end:
            try:
                record = train_and_record(study, spec, execution=self.execution, stop=lambda step: self._stopping)
            except Exception as error:
                end.failure, end.error = classify(error), first_line(error)
                if not is_interruption(end.failure) or is_end_of_job(error):
                    raise
                return self._after_interruption(error, end.failure, spec)
            if record is None:
                end.failure = self._interrupted
                return "left"
            end.failure, end.error = record.failure, record.error
            return "ended"

    def _after_interruption(self, error: Exception, failure: str, spec: RunSpec) -> str:
        """Return what to do with an interrupted run: `again` after the loss of one of its processes, else `left`.

        A full disk or a failed GPU stops this worker, because its other runs would fail too.
        """
        print(f"run {spec.run_id} was interrupted: {first_line(error)}", file=sys.stderr)
        self._stopping = self._stopping or stops_worker(error)
        return "again" if failure == "node_lost" and not self._stopping else "left"

    def _stop(self, will_requeue: bool) -> None:
        """End the current run after its step, with a checkpoint. A job that will be requeued notes why."""
        self._stopping = True
        if will_requeue:
            # Slurm sends the same signal for both; only the time tells them apart
            timed_out = self.limit_s is not None and time.monotonic() - self._started >= 0.9 * self.limit_s
            self._interrupted = "timeout" if timed_out else "preempted"


def _set_threads(runs: list[RunSpec]) -> None:
    """Set the number of threads, which torch reads once, when it is loaded."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(max((run.training.threads for run in runs), default=1))
