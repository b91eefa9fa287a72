"""The submitted jobs of a study: which submissions have jobs that are alive, or may be."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from jobs.machine import boot_id, host
from jobs.processes import command_line, processes_with, start_of
from jobs.sweep import slurm
from jobs.sweep.ledger import Job, Ledger, Submission
from jobs.sweep.slurm import Unreachable
from planners.study import Study

RUNNING = ("RUNNING", "COMPLETING", "STOPPED", "SUSPENDED", "SIGNALING", "STAGE_OUT")
"""States of a Slurm job that has started and not ended."""


@dataclass(frozen=True, kw_only=True)
class LiveSubmission:
    """An open submission and its jobs that are alive."""

    submission: Submission
    """What the ledger says."""
    jobs: dict[str, str]
    """State of each living job by its id: pending or running."""
    packs: frozenset[int]
    """The packs that these jobs train; all packs if unknown."""
    unknown: str | None = None
    """Why its jobs cannot be checked; null if they can."""

    @property
    def run_ids(self) -> set[str]:
        """Runs that its jobs will train."""
        return {run_id for number in self.packs for run_id in self.submission.packs[number]}

    @property
    def is_out_of_reach(self) -> bool:
        """Whether this machine can never check it: processes of another machine, or Slurm jobs without Slurm here."""
        return self.unknown is not None and (self.submission.executor != "slurm" or not slurm.is_installed())


@dataclass(frozen=True, kw_only=True)
class SubmittedJobs:
    """All submissions of a study, by whether their jobs are alive. Computed once; it does not follow later changes."""

    alive: tuple[LiveSubmission, ...] = ()
    """Submissions with a job that is alive, or may be."""
    finished: tuple[tuple[Submission, dict[str, str]], ...] = ()
    """Submissions whose jobs have ended since the ledger was written, with the last states of jobs not completed."""
    past: tuple[Submission, ...] = ()
    """Submissions that the ledger knows to be over."""

    @cached_property
    def run_ids(self) -> set[str]:
        """Runs that a living job will train."""
        return {run_id for one in self.alive for run_id in one.run_ids}

    @cached_property
    def retried(self) -> dict[str, int]:
        """Failed runs that a living job trains again, each with the attempts it had before."""
        return {run_id: count for one in self.alive for run_id, count in one.submission.retry.items()}

    @cached_property
    def local_pids(self) -> tuple[int, ...]:
        """Process ids of the jobs on this machine."""
        return tuple(int(id) for one in self.alive if one.submission.executor != "slurm" for id in one.jobs)

    @cached_property
    def running_job(self) -> dict[str, str]:
        """Run id to id of the running Slurm job that has the run in its pack; the job may be at another of its runs."""
        return {
            run_id: id
            for one in self.alive
            if one.submission.executor == "slurm"
            for id, state in one.jobs.items()
            if state == "running"
            for run_id in one.submission.packs[pack_of(one.submission, id)]
        }

    @cached_property
    def n_jobs(self) -> int:
        """Number of jobs that are alive, or may be."""
        return sum(len(one.jobs) or len(one.packs) for one in self.alive)

    @cached_property
    def last_state(self) -> dict[str, str]:
        """Job id to last state in Slurm, of jobs that are over and did not complete."""
        over = [states for _, states in self.finished] + [one.states or {} for one in self.past]
        return {id: state for states in over for id, state in states.items()}

    @property
    def unknown(self) -> list[str]:
        """Which jobs cannot be checked and what to do about them, one sentence each."""
        advice = {True: "--cancel gives them up", False: "the sweep waits until it answers"}
        return list(dict.fromkeys(f"{one.unknown}; {advice[one.is_out_of_reach]}" for one in self.alive if one.unknown))


def submitted_jobs(study: Study) -> SubmittedJobs:
    """Return the submitted jobs, from the ledger, the processes of this machine and one query of the scheduler.

    The ledger of a copied study also lists the jobs of the original; they train nothing here and are not ours to end.
    """
    submissions = Ledger(study).own()
    still_open = [one for one in submissions if one.is_open]
    on_slurm = [one for one in still_open if one.executor == "slurm"]
    checked = [*map(_on_this_machine, (one for one in still_open if one.executor != "slurm")), *_on_slurm(on_slurm)]
    over = [one.submission for one in checked if not one.packs]
    return SubmittedJobs(
        alive=tuple(one for one in checked if one.packs),
        finished=tuple(_with_last_states(over)),
        past=tuple(one for one in submissions if one not in still_open),
    )


def write_finished(study: Study, jobs: SubmittedJobs) -> None:
    """Write to the ledger which submissions have ended, so that they are not checked again. Needs the study's lock."""
    for submission, states in jobs.finished:
        Ledger(study).ended(submission.id, "none of its jobs is alive", states)


def processes_of(submission: Submission) -> list[int]:
    """Return the processes of this machine that belong to a submission; for debug, the process that submitted it.

    The id alone does not identify a worker: whoever reads its log has the id on the command line too.
    """
    if submission.executor == "debug":
        is_same = submission.pid_start is not None and start_of(submission.pid) == submission.pid_start
        return [submission.pid] if is_same and command_line(submission.pid) is not None else []
    return processes_with(submission.id, {"local": "-m submitit.", "slurm": "sbatch "}[submission.executor])


def pack_of(submission: Submission, job_id: str) -> int:
    """Return the number of the pack that a job trains: its index in the array."""
    index = job_id.partition("_")[2]
    return int(index) if index.isdigit() and int(index) < len(submission.packs) else 0


def jobs_of(submission: Submission, job_ids: Iterable[str]) -> tuple[Job, ...]:
    """Return the jobs of a submission as the ledger keeps them."""
    shared = len(submission.packs) == 1
    return tuple(Job(id=id, pack=0 if shared else pack_of(submission, id)) for id in job_ids)


def _on_this_machine(submission: Submission) -> LiveSubmission:
    """Look for the worker processes of a submission."""
    if submission.host != host():
        return _all_alive(submission, {}, f"processes on {submission.host} cannot be checked from {host()}")
    if submission.boot != boot_id():  # the machine has restarted since, so none of its processes is left
        return _over(submission)
    found = list(map(str, processes_of(submission)))
    if not found:
        return _over(submission)
    # a worker outlives its controller, so any process counts; if a controller is left, it stands for its worker
    controllers = [job.id for job in submission.jobs or () if job.id in found]
    return _all_alive(submission, dict.fromkeys(controllers or found, "running"))


def _on_slurm(submissions: list[Submission]) -> list[LiveSubmission]:
    try:
        listed = slurm.queued_jobs(one.name for one in submissions)
    except Unreachable as error:
        return [_all_alive(one, {}, f"the scheduler cannot be asked ({error})") for one in submissions]
    return [_in_queue(one, listed[one.name]) for one in submissions]


def _in_queue(submission: Submission, jobs: dict[str, str]) -> LiveSubmission:
    """Return what the queue holds of a submission; without a second line, its sbatch may still be at work."""
    if not jobs and submission.jobs is None and submission.host == host() and submission.boot == boot_id():
        found = processes_of(submission)
        return _all_alive(submission, dict.fromkeys(map(str, found), "pending")) if found else _over(submission)
    packs = frozenset(pack_of(submission, id) for id in jobs)
    states = {id: "running" if state in RUNNING else "pending" for id, state in jobs.items()}
    return LiveSubmission(submission=submission, jobs=states, packs=packs)


def _all_alive(submission: Submission, jobs: dict[str, str], unknown: str | None = None) -> LiveSubmission:
    every = frozenset(range(len(submission.packs)))
    return LiveSubmission(submission=submission, jobs=jobs, packs=every, unknown=unknown)


def _over(submission: Submission) -> LiveSubmission:
    return LiveSubmission(submission=submission, jobs={}, packs=frozenset())


def _with_last_states(over: list[Submission]) -> list[tuple[Submission, dict[str, str]]]:
    """Add the last states of jobs that did not complete, by one query of Slurm's accounting."""
    on_slurm = [one for one in over if one.executor == "slurm"]
    since = min((one.time for one in on_slurm), default="")
    states = slurm.last_states([one.name for one in on_slurm], since) if on_slurm else {}
    good = ("COMPLETED", "")
    return [(one, {id: s for id, s in states.get(one.name, {}).items() if s not in good}) for one in over]
