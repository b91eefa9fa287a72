"""What a sweep would submit now: planned runs minus finished and submitted ones, packed into jobs, within the caps."""

from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from functools import cached_property

from jobs import snapshot
from jobs.failures import FAILURES
from jobs.machine import visible_gpus
from jobs.record import FINAL
from jobs.sweep import executors, slurm
from jobs.sweep.cluster import Cluster
from jobs.sweep.packing import generations, pack, split
from jobs.sweep.run_times import RunTimes, measured_times
from jobs.sweep.status import RunStatus, status
from jobs.sweep.submitted import SubmittedJobs, submitted_jobs
from planners.records.errors import warn
from planners.study import Study


@dataclass(frozen=True, kw_only=True)
class JobArray:
    """The jobs of one call of the executor; they can start together."""

    packs: tuple[tuple[str, ...], ...]
    """Run ids of each job; on this machine all workers share one pack."""
    predicted_s: tuple[float, ...]
    """Seconds that each pack is predicted to take."""
    generation: int = 0
    """0: its runs wait for no parent; n: it starts after the arrays of generation n - 1."""


@dataclass(frozen=True, kw_only=True)
class JobPlan:
    """What a sweep would do now."""

    statuses: tuple[RunStatus, ...]
    """Every planned run."""
    submitted: SubmittedJobs
    """Jobs that are already submitted."""
    times: RunTimes
    """Predicts how long runs take."""
    arrays: tuple[JobArray, ...]
    """What would be submitted, parents first."""
    workers: int
    """Number of workers on this machine; number of jobs on Slurm."""
    withheld: tuple[str, ...]
    """Why some runs would not be submitted, one sentence per cap."""
    is_full: bool = False
    """Whether the cap on jobs (`max_jobs`) holds runs back."""
    devices: float = 1
    """Devices of a run; a fraction where runs share one."""

    @cached_property
    def run_ids(self) -> list[str]:
        """Runs that would be submitted."""
        return [run_id for array in self.arrays for one in array.packs for run_id in one]

    @property
    def chosen(self) -> list[RunStatus]:
        """Status of the runs that would be submitted, in plan order."""
        ids = set(self.run_ids)
        return [run for run in self.statuses if run.spec.run_id in ids]

    @property
    def device_s(self) -> float:
        """Predicted device-seconds of the runs that would be submitted."""
        return sum(remaining_s(run, self.times) * self.devices for run in self.chosen)

    @property
    def device_s_used(self) -> float:
        """Device-seconds that the study has taken so far."""
        return sum(run.device_s for run in self.statuses)

    @property
    def device_s_left(self) -> float:
        """Predicted device-seconds of all runs without a final record."""
        return sum(remaining_s(run, self.times) * self.devices for run in unfinished(self.statuses))


def remaining_s(run: RunStatus, times: RunTimes) -> float:
    """Return the predicted seconds left for a run; a failed run continues from its checkpoint."""
    if run.state in FINAL:
        return 0.0
    return times.seconds(run.spec) * (1 - min(1.0, run.D_seen / run.spec.training.D))


def unfinished(statuses: Sequence[RunStatus]) -> list[RunStatus]:
    """Return the runs without a final record."""
    return [run for run in statuses if run.state not in FINAL]


def wanted(statuses: Sequence[RunStatus], *, retry: bool | Set[str]) -> list[RunStatus]:
    """Return the runs to train: waiting ones, and failed ones that `retry` asks for (True: all; else their ids)."""
    retried = retry if isinstance(retry, Set) else {run.spec.run_id for run in statuses if retry}
    return [run for run in statuses if run.state == "waiting" or (run.state == "failed" and run.spec.run_id in retried)]


def plan_jobs(study: Study, cluster: Cluster, *, retry: bool | Set[str] = False) -> JobPlan:
    """Return what a sweep would submit now. This reads files and asks the scheduler; it changes nothing.

    `retry` adds failed runs: all of them, or those with the given ids. Raises UsageError if the ledger cannot be read.
    """
    submitted = submitted_jobs(study)
    statuses = status(study, submitted)
    times = measured_times(
        (run.record for run in statuses if run.record),
        gpu=bool(visible_gpus() if cluster.kind == "local" else cluster.gpus_of_job),
        flops_per_s=cluster.flops_per_s,
        devices=cluster.execution.devices,
        planned=study.forecast(),
    )
    withheld: list[str] = []
    runs = _with_attempts_left(wanted(statuses, retry=retry), cluster, withheld)
    runs = _with_parents(runs, statuses, withheld)  # after the attempts: a child of a withheld run is withheld too
    runs = _affordable(runs, statuses, times, cluster, withheld)
    arrays, workers = _arranged(runs, submitted, times, cluster, withheld)
    if arrays:
        _warn_of_other_code(statuses)
    n_left = len(runs) - sum(len(one) for array in arrays for one in array.packs)
    return JobPlan(
        statuses=tuple(statuses),
        submitted=submitted,
        times=times,
        arrays=arrays,
        workers=workers,
        withheld=tuple(withheld),
        is_full=n_left > 0 and cluster.max_jobs is not None and submitted.n_jobs + workers >= cluster.max_jobs,
        devices=cluster.devices_of_run,
    )


def _warn_of_other_code(statuses: Sequence[RunStatus]) -> None:
    """Warn if runs of the study were trained with other sources than the current ones."""
    where = [run.record.environment for run in statuses if run.record and run.record.environment.code]
    others = [one for one in where if one.code != snapshot.code()]
    if half := len(begun_with_other_code(statuses)):
        warn(
            f"{half} runs were begun with other code than this and would continue with this one; their records will be"
            " flagged mixed_code: to train them with one code, remove their checkpoint folders first"
        )
    if others:
        commits = ", ".join(sorted({one.commit or "unknown" for one in others}))
        warn(
            f"{len(others)} runs of this study were trained with other code than this (commit {commits}); to use the"
            " same code for all runs, train the remaining ones with that commit"
        )


def begun_with_other_code(statuses: Sequence[RunStatus]) -> list[RunStatus]:
    """Return the runs that would continue from a checkpoint of other sources than the current ones."""
    begun = (run for run in statuses if run.record is None and run.D_seen and run.attempts)
    return [run for run in begun if run.attempts[-1].code not in (None, snapshot.code())]


def _with_attempts_left(runs: list[RunStatus], cluster: Cluster, withheld: list[str]) -> list[RunStatus]:
    kept = [run for run in runs if run.counted < cluster.attempts]
    if len(kept) < len(runs):
        classes = sorted({run.failure for run in runs if run.counted >= cluster.attempts and run.failure})
        advice = "".join(f"; {name}: {FAILURES[name].advice}" for name in classes)
        withheld.append(
            f"{len(runs) - len(kept)} runs have used their {cluster.attempts} attempts{advice}; --attempts allows more"
        )
    return kept


def _with_parents(runs: list[RunStatus], statuses: Sequence[RunStatus], withheld: list[str]) -> list[RunStatus]:
    """Return the runs, parents first, without those whose parent neither has weights nor will be trained."""
    by_id = {run.spec.run_id: run for run in statuses}
    coming = {run.spec.run_id for run in statuses if run.is_trained or run.state == "running" or run.has_job}
    kept: list[RunStatus] = []
    for generation in generations([run.spec for run in runs]):
        for spec in generation:
            parent = spec.training.init_from
            if parent is None or parent in coming:
                kept.append(by_id[spec.run_id])
                coming.add(spec.run_id)
    if len(kept) < len(runs):
        withheld.append(
            f"{len(runs) - len(kept)} runs start from the weights of a run that has none (it failed, diverged, is"
            " simulated, is withheld or is not in the plan); change the plan, or train that run first"
        )
    return kept


def _affordable(
    runs: list[RunStatus], statuses: Sequence[RunStatus], times: RunTimes, cluster: Cluster, withheld: list[str]
) -> list[RunStatus]:
    """Return the runs before the first one that would exceed the cap on device-hours."""
    if cluster.max_device_hours is None:
        return runs
    devices = cluster.devices_of_run
    used = sum(run.device_s for run in statuses)
    hours = (used + sum(remaining_s(run, times) * devices for run in statuses if is_under_way(run))) / 3600
    kept = []
    for run in runs:
        hours += remaining_s(run, times) * devices / 3600
        if hours > cluster.max_device_hours:
            break
        kept.append(run)
    if len(kept) < len(runs):
        withheld.append(
            f"{len(runs) - len(kept)} runs would exceed the cap of {cluster.max_device_hours:g} device-hours"
            f" ({used / 3600:.3g} are used); --max-device-hours allows more"
        )
    return kept


def is_under_way(run: RunStatus) -> bool:
    """Whether a run is being trained or a job is submitted for it."""
    return run.has_job or run.state == "running"


def _arranged(
    runs: list[RunStatus], submitted: SubmittedJobs, times: RunTimes, cluster: Cluster, withheld: list[str]
) -> tuple[tuple[JobArray, ...], int]:
    """Return the runs in arrays, and the number of workers (on this machine) or jobs (on Slurm)."""
    if not runs:
        return (), 0
    seconds = {run.spec.run_id: remaining_s(run, times) for run in runs}
    ordered = generations([run.spec for run in runs])
    room = None if cluster.max_jobs is None else max(0, cluster.max_jobs - submitted.n_jobs)
    if cluster.kind != "slurm":
        workers = _free_workers(runs, submitted, cluster, room, withheld)
        if not workers:
            return (), 0
        # all workers take from one list: parents first, then by tokens, so that no long run starts last
        shared = tuple(spec.run_id for specs in ordered for spec in sorted(specs, key=lambda spec: -spec.training.D))
        total = sum(seconds.values())
        return (JobArray(packs=(shared,), predicted_s=(max(total / workers, *seconds.values()),)),), workers
    arrays: list[JobArray] = []
    size = slurm.array_size()
    for number, specs in enumerate(ordered):
        packs = pack({spec.run_id: seconds[spec.run_id] for spec in specs}, 60 * cluster.pack, cluster.parallel or 1)
        arrays += [_array(some, seconds, number, cluster) for some in split(packs, size)]
    return _within(arrays, room, submitted, cluster, withheld)


def _free_workers(
    runs: list[RunStatus], submitted: SubmittedJobs, cluster: Cluster, room: int | None, withheld: list[str]
) -> int:
    """Return how many workers can be started on this machine; if none, say why in `withheld`."""
    threads = max(run.spec.training.threads for run in runs)
    busy = len(submitted.local_pids)
    workers = executors.local_workers(cluster, len(runs), threads, busy)
    if not workers:
        withheld.append(f"{len(runs)} runs wait for the {busy} workers that are busy on this machine")
    elif room == 0:
        withheld.append(_held_back(len(runs), submitted, cluster))
    return workers if room is None else min(workers, room)


def _array(packs: list[list[str]], seconds: dict[str, float], generation: int, cluster: Cluster) -> JobArray:
    took = (sum(seconds[run_id] for run_id in one) / min(len(one), cluster.runs_per_gpu) for one in packs)
    return JobArray(packs=tuple(map(tuple, packs)), predicted_s=tuple(took), generation=generation)


def _within(
    arrays: list[JobArray], room: int | None, submitted: SubmittedJobs, cluster: Cluster, withheld: list[str]
) -> tuple[tuple[JobArray, ...], int]:
    """Return the first `room` jobs (null: all) in their arrays, and their number."""
    kept: list[JobArray] = []
    n_jobs = n_held = 0
    for array in arrays:
        end = None if room is None else room - n_jobs
        if packs := array.packs[:end]:
            kept.append(replace(array, packs=packs, predicted_s=array.predicted_s[:end]))
        n_jobs += len(packs)
        n_held += sum(map(len, array.packs[len(packs) :]))
    if n_held:
        withheld.append(_held_back(n_held, submitted, cluster))
    return tuple(kept), n_jobs


def _held_back(n_runs: int, submitted: SubmittedJobs, cluster: Cluster) -> str:
    return (
        f"{n_runs} runs wait: the cap is {cluster.max_jobs} submitted jobs, and {submitted.n_jobs} were submitted"
        " before; the same command later submits the rest, or --max-jobs allows more"
    )
