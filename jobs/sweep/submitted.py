"""The submitted jobs of a study: which submissions have jobs that are alive, or may be."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from jobs.machine import boot_id, host
from jobs.processes import command_line, processes_with, start_of
from jobs.run.attempts import Attempt, began, read_attempts
from jobs.sweep import slurm
from jobs.sweep.ledger import Job, Ledger, Submission
from jobs.sweep.slurm import Unreachable
from planners.study import Study

RUNNING = ("RUNNING", "COMPLETING", "STOPPED", "SUSPENDED", "SIGNALING", "STAGE_OUT")
"""States of a Slurm job that has started and not ended."""
ASKED = ("COMPLETED", "CANCELLED", "PREEMPTED", "REQUEUED")
"""States of a Slurm job that ended as somebody asked; that is not an attempt of its runs."""
UNKNOWN = "Slurm's accounting does not say why"


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
    finished: tuple[Submission, ...] = ()
    """Submissions whose jobs have ended since the ledger was written, with what it will say of them."""
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
        over = (*self.finished, *self.past)
        return {id: state for one in over for id, state in (one.states or {}).items()}

    @cached_property
    def died(self) -> dict[str, list[str]]:
        """Run id to the jobs that ended before they could train the run, one sentence each."""
        found: dict[str, list[str]] = {}
        for one in (*self.past, *self.finished):
            for id, state in (one.died or {}).items():
                for run_id in one.packs[pack_of(one, id)]:
                    found.setdefault(run_id, []).append(f"job {id} ended before its worker began: {state}")
        return found

    @property
    def unknown(self) -> list[str]:
        """Which jobs cannot be checked and what to do about them, one sentence each."""
        advice = {True: "--cancel gives them up", False: "the sweep waits until it answers, or --forget gives them up"}
        return list(dict.fromkeys(f"{one.unknown}; {advice[one.is_out_of_reach]}" for one in self.alive if one.unknown))


def submitted_jobs(study: Study) -> SubmittedJobs:
    """Return the submitted jobs, from the ledger, the processes of this machine and one query of the scheduler.

    The ledger of a copied study also lists the jobs of the original; they train nothing here and are not ours to end.
    """
    submissions = Ledger(study).own()
    still_open = [one for one in submissions if one.is_open]
    on_slurm = [one for one in still_open if one.executor == "slurm"]
    here = [_on_this_machine(study, one) for one in still_open if one.executor != "slurm"]
    checked = [*here, *_on_slurm(on_slurm)]
    over = [one.submission for one in checked if not one.packs]
    return SubmittedJobs(
        alive=tuple(one for one in checked if one.packs),
        finished=tuple(_finished(study, over)),
        past=tuple(one for one in submissions if one not in still_open),
    )


def write_finished(study: Study, jobs: SubmittedJobs) -> None:
    """Write to the ledger which submissions have ended, so that they are not checked again. Needs the study's lock."""
    for one in jobs.finished:
        Ledger(study).ended(one.id, "none of its jobs is alive", one.states or {}, one.died or {})


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


def _on_this_machine(study: Study, submission: Submission) -> LiveSubmission:
    """Look for the worker processes of a submission."""
    if submission.host != host():
        return _all_alive(submission, {}, f"processes on {submission.host} cannot be checked from {host()}")
    if submission.boot != boot_id():  # the machine has restarted since, so none of its processes is left
        return _over(submission)
    found = list(map(str, processes_of(submission)))
    if not found or _waits_in_vain(study, submission):
        return _over(submission)
    # a worker outlives its controller, so any process counts; if a controller is left, it stands for its worker
    controllers = [job.id for job in submission.jobs or () if job.id in found]
    return _all_alive(submission, dict.fromkeys(controllers or found, "running"))


def _waits_in_vain(study: Study, submission: Submission) -> bool:
    """Whether a sweep was killed after it started its first process and before it gave it work (submitit's pickle).

    Such a process waits for a minute and ends. Without the folder, which anybody may remove, nothing can be said.
    """
    folder = study.cluster / submission.id
    is_half = submission.executor == "local" and submission.jobs is None
    return is_half and folder.is_dir() and not any(folder.glob("*_submitted.pkl"))


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


def _finished(study: Study, over: list[Submission]) -> Iterator[Submission]:
    """Yield submissions with the last states of jobs that did not complete, by one query of Slurm's accounting."""
    on_slurm = [one for one in over if one.executor == "slurm"]
    since = min((one.time for one in on_slurm), default="")
    states = slurm.last_states([one.name for one in on_slurm], since) if on_slurm else {}
    for one in over:
        known = states.get(one.name, {})
        bad = {id: state for id, state in known.items() if state not in ("COMPLETED", "")}
        yield replace(one, states=bad, died=_died(study, one, known) if one in on_slurm else {})


def _died(study: Study, submission: Submission, states: dict[str, str]) -> dict[str, str]:
    """Return the Slurm jobs that ended before their worker began and were not asked to, with their last states."""
    folder = study.cluster / submission.id
    if submission.cancelled or not folder.is_dir():
        return {}
    ids = {job.id for job in submission.jobs or ()} | set(states)
    silent = {id: states.get(id) or UNKNOWN for id in sorted(ids) if not began(folder, id).exists()}
    return {
        id: state
        for id, state in silent.items()
        if not state.startswith(ASKED)
        and not any(one.job == id for run in submission.packs[pack_of(submission, id)] for one in _attempts(study, run))
    }


def _attempts(study: Study, run_id: str) -> list[Attempt]:
    return read_attempts(study.run_folder(run_id))
