"""What is in flight: submitted, and with a job that is alive or cannot be known to be dead."""

from collections.abc import Iterable
from dataclasses import dataclass

from jobs.processes import boot, command_line, host, processes_with
from jobs.sweep import slurm as scheduler
from jobs.sweep.ledger import Job, Ledger, Submission
from jobs.sweep.slurm import Unreachable
from planners.study import Study


@dataclass(frozen=True, kw_only=True)
class Alive:
    """An open submission, now."""

    submission: Submission
    """What the ledger says."""
    jobs: dict[str, str]
    """State of each of its jobs that is alive, by id: pending, running or unknown."""
    packs: frozenset[int]
    """The packs that these jobs train; all of them where it cannot be told."""
    unknown: str | None = None
    """Why it cannot be told whether anything is alive; null where it can."""

    @property
    def run_ids(self) -> set[str]:
        """Runs that are in flight."""
        return {run_id for number in self.packs for run_id in self.submission.packs[number]}

    @property
    def is_out_of_reach(self) -> bool:
        """Whether it can never be told from this machine: another one's processes, Slurm's jobs where no Slurm is."""
        return self.unknown is not None and (self.submission.executor != "slurm" or not scheduler.can_be_asked())


@dataclass(frozen=True, kw_only=True)
class Flight:
    """All that is in flight in a study, and what has landed since the ledger was last written."""

    alive: tuple[Alive, ...] = ()
    """Submissions with a job that is alive, or may be."""
    landed: tuple[tuple[Submission, dict[str, str]], ...] = ()
    """Open submissions of which nothing is alive, with the last states of jobs that did not end well."""
    past: tuple[Submission, ...] = ()
    """Those that the ledger knows to be over."""

    @property
    def run_ids(self) -> set[str]:
        """Runs that are in flight."""
        return {run_id for one in self.alive for run_id in one.run_ids}

    @property
    def retried(self) -> dict[str, int]:
        """The failed runs that are trained again, each with the attempts that it had."""
        return {run_id: count for one in self.alive for run_id, count in one.submission.retry.items()}

    @property
    def here(self) -> tuple[int, ...]:
        """Jobs at work on this machine, by their process ids."""
        return tuple(int(id) for one in self.alive if one.submission.executor != "slurm" for id in one.jobs)

    @property
    def at_work(self) -> dict[str, str]:
        """Runs of Slurm jobs that are running, each with its job, which may be at another one and elsewhere."""
        return {
            run_id: id
            for one in self.alive
            if one.submission.executor == "slurm"
            for id, state in one.jobs.items()
            if state == "running"
            for run_id in one.submission.packs[pack_of(one.submission, id)]
        }

    @property
    def n_jobs(self) -> int:
        """Jobs that are alive, or may be."""
        return sum(len(one.jobs) or len(one.packs) for one in self.alive)

    @property
    def unknown(self) -> list[str]:
        """What could not be asked, and what to do about it, one sentence each."""
        advice = {True: "--cancel gives them up", False: "they are waited for until it answers"}
        return list(dict.fromkeys(f"{one.unknown}; {advice[one.is_out_of_reach]}" for one in self.alive if one.unknown))

    def state_of_job(self) -> dict[str, str]:
        """Return the last known states of jobs that are over."""
        over = [states for _, states in self.landed] + [one.states or {} for one in self.past]
        return {id: state for states in over for id, state in states.items()}


def in_flight(study: Study) -> Flight:
    """Return what is in flight, by the ledger, the processes of this machine and one query of the scheduler."""
    submissions = Ledger(study).read()
    still_open = [one for one in submissions if one.is_open]
    slurm = [one for one in still_open if one.executor == "slurm"]
    looks = [*map(_here, (one for one in still_open if one.executor != "slurm")), *_on_slurm(slurm)]
    over = [one.submission for one in looks if not one.packs]
    return Flight(
        alive=tuple(one for one in looks if one.packs),
        landed=tuple(_with_states(over)),
        past=tuple(one for one in submissions if not one.is_open),
    )


def land(study: Study, flight: Flight) -> None:
    """Write what has landed into the ledger, so that nobody asks again. The study's lock is held."""
    for submission, states in flight.landed:
        Ledger(study).ended(submission.id, "none of its jobs is alive", states)


def _here(submission: Submission) -> Alive:
    """Look for the processes of a submission: workers of this machine carry its id in their command line."""
    every = frozenset(range(len(submission.packs)))
    if submission.host != host():
        why = f"processes on {submission.host} cannot be asked from {host()}"
        return Alive(submission=submission, jobs={}, packs=every, unknown=why)
    if submission.boot != boot():
        return Alive(submission=submission, jobs={}, packs=frozenset())
    found = list(map(str, processes_of(submission)))
    controllers = [job.id for job in submission.jobs or () if job.id in found]
    return Alive(
        submission=submission, jobs=dict.fromkeys(controllers or found, "running"), packs=every if found else NONE
    )


NONE: frozenset[int] = frozenset()


def processes_of(submission: Submission) -> list[int]:
    """Return the processes of this machine that belong to a submission; of one that debug runs, its own.

    Whoever looks at its files names the id too, but starts no module of submitit, and is no sbatch.
    """
    if submission.executor == "debug":
        return [submission.pid] if "python" in (command_line(submission.pid) or "") else []
    return processes_with(submission.id, {"local": "-m submitit.", "slurm": "sbatch "}[submission.executor])


def _on_slurm(submissions: list[Submission]) -> list[Alive]:
    try:
        listed = scheduler.alive(one.name for one in submissions)
    except Unreachable as error:
        why = f"the scheduler cannot be asked ({error})"
        return [
            Alive(submission=one, jobs={}, packs=frozenset(range(len(one.packs))), unknown=why) for one in submissions
        ]
    return [_queued(one, listed[one.name]) for one in submissions]


def _queued(submission: Submission, jobs: dict[str, str]) -> Alive:
    """Return what the queue holds of a submission; where its second line is missing, sbatch may be at work still."""
    if not jobs and submission.jobs is None and submission.host == host() and submission.boot == boot():
        found = processes_of(submission)
        every = frozenset(range(len(submission.packs))) if found else NONE
        return Alive(submission=submission, jobs=dict.fromkeys(map(str, found), "pending"), packs=every)
    packs = frozenset(pack_of(submission, id) for id in jobs)
    states = {id: "running" if state in RUNNING else "pending" for id, state in jobs.items()}
    return Alive(submission=submission, jobs=states, packs=packs)


RUNNING = ("RUNNING", "COMPLETING", "STOPPED", "SUSPENDED", "SIGNALING", "STAGE_OUT")


def pack_of(submission: Submission, job_id: str) -> int:
    """Return which pack a job trains: by its number in the array."""
    index = job_id.partition("_")[2]
    return int(index) if index.isdigit() and int(index) < len(submission.packs) else 0


def jobs_of(submission: Submission, job_ids: Iterable[str]) -> tuple[Job, ...]:
    """Return the jobs of a submission as the ledger keeps them."""
    shared = len(submission.packs) == 1
    return tuple(Job(id=id, pack=0 if shared else pack_of(submission, id)) for id in job_ids)


def _with_states(over: list[Submission]) -> list[tuple[Submission, dict[str, str]]]:
    """Add the last states of jobs that did not end well, by one query of the scheduler's accounts."""
    slurm = [one for one in over if one.executor == "slurm"]
    states = scheduler.last_states([one.name for one in slurm], min(one.time for one in slurm)) if slurm else {}
    good = ("COMPLETED", "")
    return [(one, {id: s for id, s in states.get(one.name, {}).items() if s not in good}) for one in over]
