"""What a sweep would submit now: wanted minus done minus in flight, in jobs of a sensible length, within its caps."""

from collections.abc import Sequence, Set
from dataclasses import dataclass, replace

from jobs import snapshot
from jobs.failures import FAILURES
from jobs.machine import visible_gpus
from jobs.record import FINAL
from jobs.sweep import executors, slurm
from jobs.sweep.cluster import Cluster
from jobs.sweep.packing import Clock, generations, learn, pack, split
from jobs.sweep.status import RunStatus, status
from jobs.sweep.submitted import Flight, in_flight
from planners.records.errors import warn
from planners.study import Study


@dataclass(frozen=True, kw_only=True)
class Array:
    """What one call of the executor would take: packs of runs that start together."""

    packs: tuple[tuple[str, ...], ...]
    """Run ids of each job; on this machine all workers share one."""
    predicted_s: tuple[float, ...]
    """Seconds that each is expected to take."""
    generation: int = 0
    """0: no parent is waited for; n: starts after the arrays of generation n - 1."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a sweep would do now."""

    statuses: tuple[RunStatus, ...]
    """Every planned run."""
    flight: Flight
    """What is in flight."""
    clock: Clock
    """What predicts times."""
    arrays: tuple[Array, ...]
    """What would be submitted, parents first."""
    workers: int
    """Processes that would share the pack, on this machine; jobs, on Slurm."""
    withheld: tuple[str, ...]
    """Why runs that are wanted are not submitted, one sentence a cap."""
    is_full: bool = False
    """Whether the cap on jobs in flight keeps some of them back."""

    @property
    def run_ids(self) -> list[str]:
        """Runs that would be submitted."""
        return [run_id for array in self.arrays for one in array.packs for run_id in one]

    @property
    def device_s(self) -> float:
        """Device-seconds that they are expected to take."""
        chosen = set(self.run_ids)
        return sum(self.seconds(run) * self.devices for run in self.statuses if run.spec.run_id in chosen)

    @property
    def device_s_used(self) -> float:
        """Device-seconds that the study has taken."""
        return sum(run.device_s for run in self.statuses)

    @property
    def device_s_left(self) -> float:
        """Device-seconds that its runs without a final record are expected to take."""
        return sum(self.seconds(run) * self.devices for run in unfinished(self.statuses))

    devices: float = 1
    """Devices of a run; a part of one where runs share it."""

    def seconds(self, run: RunStatus) -> float:
        """Return the seconds that a run is expected to take from where it stands."""
        return remaining_s(run, self.clock)


def remaining_s(run: RunStatus, clock: Clock) -> float:
    """Return the seconds that a run is expected to take from where it stands; a failed one starts at its checkpoint."""
    if run.state in FINAL:
        return 0.0
    return clock.seconds(run.spec) * (1 - min(1.0, run.D_seen / run.spec.training.D))


def unfinished(statuses: Sequence[RunStatus]) -> list[RunStatus]:
    """Return the runs that have no final record."""
    return [run for run in statuses if run.state not in FINAL]


def wanted(statuses: Sequence[RunStatus], *, retry: bool | Set[str]) -> list[RunStatus]:
    """Return the runs to train: those that wait, and failed ones where asked; nobody is at either.

    `retry` asks for all that failed, or for those with these ids.
    """
    asked = retry if isinstance(retry, Set) else {run.spec.run_id for run in statuses if retry}
    return [run for run in statuses if run.state == "waiting" or (run.state == "failed" and run.spec.run_id in asked)]


def decide(study: Study, cluster: Cluster, *, retry: bool | Set[str] = False) -> Order:
    """Return what a sweep would submit now. It reads and asks, and changes nothing."""
    flight = in_flight(study)
    statuses = status(study, flight)
    clock = learn(
        (run.record for run in statuses if run.record),
        gpu=bool(visible_gpus() if cluster.kind == "local" else cluster.gpus_per_run),
        flops_per_s=cluster.flops_per_s,
        devices=cluster.execution.devices,
    )
    withheld: list[str] = []
    runs = wanted(statuses, retry=retry)
    runs = _with_attempts(runs, cluster, withheld)
    runs = _with_parents(runs, statuses, withheld)
    runs = _affordable(runs, statuses, clock, cluster, withheld)
    arrays, workers = _arranged(runs, flight, clock, cluster, withheld)
    if arrays:
        _warn_of_other_code(statuses)
    return Order(
        statuses=tuple(statuses),
        flight=flight,
        clock=clock,
        arrays=arrays,
        workers=workers,
        withheld=tuple(withheld),
        is_full=_is_full(
            len(runs) - sum(len(one) for array in arrays for one in array.packs), workers, flight, cluster
        ),
        devices=cluster.devices_of_run,
    )


def _warn_of_other_code(statuses: Sequence[RunStatus]) -> None:
    """Say where runs of the study were trained with other sources than those that are about to be submitted."""
    where = [run.record.environment for run in statuses if run.record and run.record.environment.code]
    others = [one for one in where if one.code != snapshot.code()]
    if others:
        commits = ", ".join(sorted({one.commit or "unknown" for one in others}))
        warn(
            f"{len(others)} runs of this study were trained with other code than this (commit {commits}); for one code"
            " throughout, train the others with that"
        )


def _with_parents(runs: list[RunStatus], statuses: Sequence[RunStatus], withheld: list[str]) -> list[RunStatus]:
    """Return the runs, parents first, without those whose parent is neither trained nor about to be."""
    by_id = {run.spec.run_id: run for run in statuses}
    coming = {run.spec.run_id for run in statuses if run.is_trained or run.state == "running" or run.in_flight}
    kept: list[RunStatus] = []
    for generation in generations([run.spec for run in runs]):
        for spec in generation:
            parent = spec.training.init_from
            if parent is None or parent in coming:
                kept.append(by_id[spec.run_id])
                coming.add(spec.run_id)
    if len(kept) < len(runs):
        withheld.append(
            f"{len(runs) - len(kept)} runs start from a run that failed, diverged, is simulated, withheld or not in the"
            " plan, and so leaves no weights; change the plan, or train that run first"
        )
    return kept


def _with_attempts(runs: list[RunStatus], cluster: Cluster, withheld: list[str]) -> list[RunStatus]:
    kept = [run for run in runs if run.spent < cluster.attempts]
    if len(kept) < len(runs):
        classes = sorted({run.failure for run in runs if run.spent >= cluster.attempts and run.failure})
        advice = "".join(f"; {name}: {FAILURES[name].advice}" for name in classes)
        withheld.append(
            f"{len(runs) - len(kept)} runs have had their {cluster.attempts} attempts{advice}; --attempts gives more"
        )
    return kept


def _affordable(
    runs: list[RunStatus], statuses: Sequence[RunStatus], clock: Clock, cluster: Cluster, withheld: list[str]
) -> list[RunStatus]:
    """Leave out what the cap on device-hours does not allow: from the first run on that it does not."""
    if cluster.max_device_hours is None:
        return runs
    devices = cluster.devices_of_run
    flying = [run for run in statuses if run.in_flight or run.state == "running"]
    hours = (sum(run.device_s for run in statuses) + sum(remaining_s(run, clock) * devices for run in flying)) / 3600
    kept = []
    for run in runs:
        hours += remaining_s(run, clock) * devices / 3600
        if hours > cluster.max_device_hours:
            break
        kept.append(run)
    if len(kept) < len(runs):
        withheld.append(
            f"{len(runs) - len(kept)} runs would take the study past {cluster.max_device_hours:g} device-hours"
            f" ({sum(run.device_s for run in statuses) / 3600:.3g} are used); --max-device-hours allows more"
        )
    return kept


def _arranged(
    runs: list[RunStatus], flight: Flight, clock: Clock, cluster: Cluster, withheld: list[str]
) -> tuple[tuple[Array, ...], int]:
    """Return the runs in arrays, and how many jobs that makes."""
    if not runs:
        return (), 0
    seconds = {run.spec.run_id: remaining_s(run, clock) for run in runs}
    room = None if cluster.max_jobs is None else max(0, cluster.max_jobs - flight.n_jobs)
    order = generations([run.spec for run in runs])
    if cluster.kind != "slurm":
        threads = max(run.spec.training.threads for run in runs)
        workers = executors.local_workers(cluster, len(runs), threads, len(flight.here))
        if not workers:
            withheld.append(f"{len(runs)} runs wait for the {len(flight.here)} workers that are busy on this machine")
            return (), 0
        workers = workers if room is None else min(workers, room)
        if not workers:
            withheld.append(_full(len(runs), flight, cluster))
            return (), 0
        shared = tuple(spec.run_id for specs in order for spec in sorted(specs, key=lambda spec: -spec.training.D))
        total = sum(seconds.values())
        return (Array(packs=(shared,), predicted_s=(max(total / workers, *seconds.values()),)),), workers
    arrays: list[Array] = []
    size = slurm.array_size()
    for number, specs in enumerate(order):
        packs = pack({spec.run_id: seconds[spec.run_id] for spec in specs}, 60 * cluster.pack, cluster.parallel or 1)
        arrays += [_array(some, seconds, number, cluster) for some in split(packs, size)]
    return _within(arrays, room, flight, cluster, withheld)


def _array(packs: list[list[str]], seconds: dict[str, float], generation: int, cluster: Cluster) -> Array:
    took = (sum(seconds[run_id] for run_id in one) / min(len(one), cluster.runs_per_gpu) for one in packs)
    return Array(packs=tuple(map(tuple, packs)), predicted_s=tuple(took), generation=generation)


def _within(
    arrays: list[Array], room: int | None, flight: Flight, cluster: Cluster, withheld: list[str]
) -> tuple[tuple[Array, ...], int]:
    """Leave out the jobs that the cap on jobs in flight does not allow."""
    kept: list[Array] = []
    left = room
    for array in arrays:
        taken = array.packs if left is None else array.packs[:left]
        if taken:
            kept.append(replace(array, packs=taken, predicted_s=array.predicted_s[: len(taken)]))
        left = None if left is None else left - len(taken)
    n_jobs = sum(len(array.packs) for array in kept)
    n_left = sum(len(one) for array in arrays for one in array.packs) - sum(
        len(one) for array in kept for one in array.packs
    )
    if n_left:
        withheld.append(_full(n_left, flight, cluster))
    return tuple(kept), n_jobs


def _is_full(n_left: int, n_jobs: int, flight: Flight, cluster: Cluster) -> bool:
    """Whether the cap on jobs in flight keeps runs back."""
    return n_left > 0 and cluster.max_jobs is not None and flight.n_jobs + n_jobs >= cluster.max_jobs


def _full(n_runs: int, flight: Flight, cluster: Cluster) -> str:
    return (
        f"{n_runs} runs wait: at most {cluster.max_jobs} jobs may be in flight and {flight.n_jobs} were before;"
        " the same command later submits them, --max-jobs allows more"
    )
