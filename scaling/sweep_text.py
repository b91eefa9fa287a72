"""What a sweep shows: runs, jobs, device-hours, failures, what is withheld and why, and the next command."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from jobs.failures import FAILURES
from jobs.run.logs import newest_log
from jobs.sweep.cluster import Cluster
from jobs.sweep.job_plan import Order, unfinished
from jobs.sweep.status import STATES, RunStatus
from jobs.sweep.until_done import Trained
from planners import Study
from planners.records.quantity import format_quantity
from scaling import cli, clusters
from scaling.live_table import doubts, duration

SHOWN = 12
"""Jobs of a dry run that are listed at most, and reasons of runs that did not end well."""


def show(study: Study, statuses: Sequence[RunStatus]) -> None:
    """Print one line a run, then the reason of each run that did not end well."""
    header = ("run", "arm", "seed", "state", "D", "of", "loss", "tokens/s", "seconds", "left", "attempts")
    rows = [_row(run) for run in statuses]
    used = [i for i in range(len(header)) if i < 9 or any(row[i] is not None for row in rows)]
    print(cli.table([header[i] for i in used], [[row[i] for i in used] for row in rows]))
    left_alone = (run for run in statuses if not run.in_flight)
    bad = [(run, run.record.error) for run in left_alone if run.record is not None and run.record.error]
    for run, error in bad[:SHOWN]:
        where = study.run_folder(run.spec.run_id)
        print(f"{run.state}: {run.spec.arm} seed {run.spec.training.seed}: {error} ({where})")
    if len(bad) > SHOWN:
        print(f"… and {len(bad) - SHOWN} more; --json has all")


def _row(run: RunStatus) -> list[Any]:
    spec = run.spec
    loss = None if run.loss is None else f"{run.loss:.4f}" + ("" if run.state == "done" else " (train)")
    return [
        spec.run_id,
        spec.arm,
        spec.training.seed,
        "simulated" if _simulated(run) else run.state,
        format_quantity(run.D_seen),
        format_quantity(spec.training.D),
        loss,
        format_quantity(run.tokens_per_s) if run.tokens_per_s else None,
        f"{run.wall_s:.1f}" if run.wall_s else None,
        duration(run.eta_s) if run.eta_s is not None and run.state == "running" else None,
        (len(run.attempts) if len(run.attempts) > 1 else None),
    ]


def _simulated(run: RunStatus) -> bool:
    return run.record is not None and "simulated" in run.record.flags


def show_order(study: Study, order: Order, cluster: Cluster, flags: cli.Flags) -> None:
    """Print what --go would do: the jobs, their runs, predicted time, device-hours, what is in flight and withheld."""
    left = unfinished(order.statuses)
    if not left:
        _show_end(study, order.statuses)
        return
    print()
    packs = [(one, s, array) for array in order.arrays for one, s in zip(array.packs, array.predicted_s, strict=True)]
    if cluster.kind == "slurm" and packs:
        rows = [
            (number, len(one), duration(seconds), "after its parents" if array.generation else None)
            for number, (one, seconds, array) in enumerate(packs[:SHOWN], 1)
        ]
        print(cli.table(("job", "runs", "predicted", "starts"), rows))
        print(f"… and {len(packs) - SHOWN} more\n" if len(packs) > SHOWN else "")
    chosen = set(order.run_ids)
    cost = sum(run.spec.C for run in order.statuses if run.spec.run_id in chosen)
    print(
        f"{len(order.run_ids)} of {len(order.statuses)} runs to train in {order.workers} jobs ({cluster.kind}),"
        f" {cost:.3g} FLOPs, {_hours(order.device_s)} predicted ({order.clock.source}),"
        f" {_hours(order.device_s_used)} used; nothing was started"
    )
    _show_flight(order)
    _show_withheld(order.withheld)
    failed = any(run.state == "failed" for run in left)
    retry = flags.retry or (failed and not order.run_ids)
    show_next(study, flags, "--go", *(["--retry"] if retry else []))


def show_status(study: Study, order: Order, cluster: Cluster, flags: cli.Flags) -> None:
    """Print the sums: what was used and is left, failures by class with what helps, and what is in flight."""
    if not unfinished(order.statuses):
        _show_end(study, order.statuses)
        return
    states = Counter(run.state for run in order.statuses)
    print("\n" + ", ".join(f"{states[state]} {state}" for state in STATES if states[state]))
    speed = sum(run.tokens_per_s or 0.0 for run in order.statuses if run.state == "running")
    eta = _eta_s(order)
    print(
        f"{_hours(order.device_s_used)} used, {_hours(order.device_s_left)} left ({order.clock.source})"
        + (f", {format_quantity(speed)} tokens/s" if speed else "")
        + (f", about {duration(eta)} at the present pace" if eta is not None else "")
    )
    for name, count in _failures(order).items():
        print(f"{count} {name}: {FAILURES[name].advice}")
    _show_flight(order)
    _show_withheld(order.withheld)
    failed = any(run.state == "failed" for run in order.statuses)
    show_next(study, flags, "--go", *(["--retry"] if failed and not order.run_ids else []))


def show_trained(study: Study, order: Order, trained: Trained, flags: cli.Flags) -> None:
    """Print what was submitted or is missing, and the next command."""
    left = unfinished(order.statuses)
    if not left:
        _show_end(study, order.statuses)
        return
    print()
    n_runs = len({run_id for one in trained.submitted for run_id in one.run_ids})
    n_jobs = sum(len(one.jobs or ()) for one in trained.submitted)
    failed = [run for run in left if run.state == "failed"]
    if any(run.in_flight or run.state == "running" for run in left):
        already = f"; {trained.followed} were in flight already" if trained.followed else ""
        print(f"submitted {n_runs} runs in {n_jobs} jobs{already}")
        _show_withheld(trained.withheld)
        show_next(study, flags, "--status")
        return
    print(f"{len(failed)} of {len(order.statuses)} runs failed, {len(left) - len(failed)} have not ended")
    if len(failed) < len(left) and not trained.withheld:
        print("\n".join(newest_log(study)))
    _show_withheld(trained.withheld)
    show_next(study, flags, "--go", *(["--retry"] if failed else []))


def show_next(study: Study, flags: cli.Flags, *words: str) -> None:
    """Print the next command, with the flags of where and how that this one was given."""
    again = cli.spelled(flags, (*(["wait"] if "--go" in words else []), *clusters.FLAGS))
    print(f"next: {cli.command('sweep', study.folder, *words, *again)}")


def _show_end(study: Study, statuses: Sequence[RunStatus]) -> None:
    diverged = sum(run.state == "diverged" for run in statuses)
    print(f"\nall {len(statuses)} runs ended" + (f", {diverged} of them diverged" if diverged else ""))
    if any(map(_simulated, statuses)):
        clear = cli.command("simulate", study.folder, "--clear")
        print(f"simulated, not trained; to train them first: {clear}")
    print(f"next: {cli.command('fit', study.folder)}")


def _failures(order: Order) -> dict[str, int]:
    """Return the classes of last failures, those left out that a job is to try again after."""
    tried_again = {run.spec.run_id for run in order.statuses if run.record and run.in_flight}
    return dict(Counter(run.failure for run in order.statuses if run.failure and run.spec.run_id not in tried_again))


def _show_flight(order: Order) -> None:
    flying = [run for run in order.statuses if run.in_flight]
    if flying:
        running = sum(run.state == "running" for run in flying)
        print(f"{len(flying)} runs in flight in {order.flight.n_jobs} jobs, {running} of them training")
    for line in doubts(order.flight.unknown):
        print(line)


def _show_withheld(withheld: Sequence[str]) -> None:
    for reason in withheld:
        print(f"withheld: {reason}")


def _hours(seconds: float) -> str:
    return f"{format_quantity(seconds / 3600)} device-hours"


def _eta_s(order: Order) -> float | None:
    """Return the seconds until all runs ended, with as many at once as there are now; null where none is training."""
    running = [run for run in order.statuses if run.state == "running"]
    if not running:
        return None
    longest = max((run.eta_s or 0.0 for run in running), default=0.0)
    return max(longest, order.device_s_left / order.devices / len(running))


def summary(order: Order, cluster: Cluster, trained: Trained | None = None) -> dict[str, Any]:
    """Return what --json prints: runs, jobs and totals."""
    arrays = trained.submitted if trained else order.arrays
    jobs = [
        {"runs": list(one), "predicted_s": seconds}
        for array in arrays
        for one, seconds in zip(array.packs, array.predicted_s, strict=True)
    ]
    states = Counter(run.state for run in order.statuses)
    totals: dict[str, Any] = {state: states[state] for state in STATES}
    totals |= {
        "wall_s": sum(run.record.wall_s for run in order.statuses if run.record),
        "device_hours_used": order.device_s_used / 3600,
        "device_hours_left": order.device_s_left / 3600,
        "device_hours_submitted": order.device_s / 3600 if trained is None else None,
        "predicted": order.clock.source,
        "eta_s": _eta_s(order),
        "jobs_in_flight": order.flight.n_jobs,
        "failures": _failures(order),
        "withheld": list(trained.withheld if trained else order.withheld),
        "unknown": order.flight.unknown,
    }
    ids = [job.id for one in trained.submitted for job in one.jobs or ()] if trained else []
    return {"runs": [_run_json(run) for run in order.statuses], "jobs": jobs, "job_ids": ids, "totals": totals}


def _run_json(run: RunStatus) -> dict[str, Any]:
    return {
        "run_id": run.spec.run_id,
        "arm": run.spec.arm,
        "seed": run.spec.training.seed,
        "state": run.state,
        "in_flight": run.in_flight,
        "D_seen": run.D_seen,
        "loss": run.loss,
        "tokens_per_s": run.tokens_per_s,
        "wall_s": run.wall_s,
        "eta_s": run.eta_s,
        "attempts": len(run.attempts),
        "failure": run.failure,
        "error": run.record.error if run.record else None,
    }
