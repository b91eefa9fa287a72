"""What a sweep prints: runs, jobs, device-hours, failures, why runs are withheld, and the next command."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from jobs.failures import FAILURES
from jobs.run.logs import newest_log
from jobs.sweep.cluster import Cluster
from jobs.sweep.job_plan import JobPlan, is_under_way, unfinished
from jobs.sweep.status import STATES, RunStatus
from jobs.sweep.until_done import SweepResult
from planners import Study
from planners.records.quantity import format_quantity
from planners.records.text_table import fitted, text_table
from scaling import cli, cluster_flags
from scaling.help_text import width
from scaling.live_table import doubts, duration

SHOWN = 12
"""Most jobs of a dry run, and most reasons of failed runs, that are listed."""
HEADER = ("run", "arm", "seed", "state", "tokens", "of", "loss", "tokens/s", "seconds", "time left", "attempts")
RANKS = (0, 0, 0, 0, 4, 3, 1, 5, 6, 2, 7)
"""Ranks of the columns: the highest is left out first where the lines are too long."""
OPTIONAL = HEADER[9:]
"""Columns that are left out if no run has a value."""


def show_sweep(
    study: Study, plan: JobPlan, cluster: Cluster, flags: cli.Flags, result: SweepResult | None = None
) -> None:
    """Print the runs, then what was done (`result`), the status (--status), or what --go would do."""
    show(study, plan.statuses)
    if not unfinished(plan.statuses):
        _show_end(study, plan.statuses)
    elif result:
        _show_result(study, plan, result, flags)
    elif flags.status:
        _show_status(study, plan, flags)
    else:
        _show_plan(study, plan, cluster, flags)


def show(study: Study, statuses: Sequence[RunStatus]) -> None:
    """Print one line per run, then the reasons of runs that did not end well."""
    rows = [_row(run) for run in statuses]
    used = [i for i, name in enumerate(HEADER) if name not in OPTIONAL or any(row[i] is not None for row in rows)]
    ranks = [RANKS[i] for i in used]
    print(fitted([HEADER[i] for i in used], [[row[i] for i in used] for row in rows], ranks, width()))
    idle = (run for run in statuses if not run.has_job)
    bad = [(run, run.error) for run in idle if run.error]
    for run, error in bad[:SHOWN]:
        folder = study.run_folder(run.spec.run_id)
        print(f"{run.state}: {run.spec.arm} seed {run.spec.training.seed}: {error} ({folder})")
    if len(bad) > SHOWN:
        print(f"… and {len(bad) - SHOWN} more; --json lists all")


def _row(run: RunStatus) -> list[Any]:
    spec = run.spec
    loss = None if run.loss is None else f"{run.loss:.4f}" + ("" if run.state == "done" else " (train)")
    return [
        spec.run_id,
        spec.arm,
        spec.training.seed,
        "simulated" if run.record and run.record.is_simulated else run.state,
        format_quantity(run.D_seen),
        format_quantity(spec.training.D),
        loss,
        format_quantity(run.tokens_per_s) if run.tokens_per_s else None,
        f"{run.wall_s:.1f}" if run.wall_s else None,
        duration(run.eta_s) if run.eta_s is not None and run.state == "running" else None,
        len(run.attempts) if len(run.attempts) > 1 else None,
    ]


def _show_plan(study: Study, plan: JobPlan, cluster: Cluster, flags: cli.Flags) -> None:
    """Print what --go would do: jobs, runs, predicted time and device-hours; and which runs would be withheld."""
    print()
    if cluster.kind == "slurm" and plan.arrays:
        _show_jobs(plan)
    cost = sum(run.spec.C for run in plan.chosen)
    print(
        f"{len(plan.run_ids)} of {len(plan.statuses)} runs to train in {plan.workers} jobs ({cluster.kind}),"
        f" {cost:.3g} FLOPs, {_hours(plan.device_s)} predicted ({plan.times.source}),"
        f" {_hours(plan.device_s_used)} used; nothing was started"
    )
    _show_rest(study, plan, flags)


def _show_jobs(plan: JobPlan) -> None:
    jobs = [(one, s, array) for array in plan.arrays for one, s in zip(array.packs, array.predicted_s, strict=True)]
    rows = [
        (number, len(one), duration(seconds), "after its parents" if array.generation else None)
        for number, (one, seconds, array) in enumerate(jobs[:SHOWN], 1)
    ]
    print(text_table(("job", "runs", "predicted", "starts"), rows))
    print(f"… and {len(jobs) - SHOWN} more\n" if len(jobs) > SHOWN else "")


def _show_status(study: Study, plan: JobPlan, flags: cli.Flags) -> None:
    """Print the totals: runs by state, time used and left, failures with advice, and submitted jobs."""
    states = Counter(run.state for run in plan.statuses)
    print("\n" + ", ".join(f"{states[state]} {state}" for state in STATES if states[state]))
    speed = sum(run.tokens_per_s or 0.0 for run in plan.statuses if run.state == "running")
    eta = _eta_s(plan)
    print(
        f"{_hours(plan.device_s_used)} used, {_hours(plan.device_s_left)} left ({plan.times.source})"
        + (f", {format_quantity(speed)} tokens/s" if speed else "")
        + (f", about {duration(eta)} at the present pace" if eta is not None else "")
    )
    for name, count in _failures(plan).items():
        print(f"{count} {name}: {FAILURES[name].advice}")
    _show_rest(study, plan, flags)


def _show_rest(study: Study, plan: JobPlan, flags: cli.Flags) -> None:
    """Print the submitted and withheld runs, and the next command, which retries failed runs if no others are due."""
    runs = [run for run in plan.statuses if run.has_job]
    if runs:
        running = sum(run.state == "running" for run in runs)
        print(f"{len(runs)} runs in flight, submitted in {plan.submitted.n_jobs} jobs; {running} of them are training")
    for line in doubts(plan.submitted.unknown):
        print(line)
    _show_withheld(plan.withheld)
    failed = any(run.state == "failed" for run in plan.statuses)
    show_next(study, flags, "--go", *(["--retry"] if flags.retry or (failed and not plan.run_ids) else []))


def _show_result(study: Study, plan: JobPlan, result: SweepResult, flags: cli.Flags) -> None:
    """Print what was submitted or is missing, and the next command."""
    print()
    left = unfinished(plan.statuses)
    failed = [run for run in left if run.state == "failed"]
    if any(map(is_under_way, left)):
        print(result)
        show_next(study, flags, "--status")
        return
    print(f"{len(failed)} of {len(plan.statuses)} runs failed, {len(left) - len(failed)} have not ended")
    if len(failed) < len(left) and not result.withheld:
        print("\n".join(newest_log(study)))
    _show_withheld(result.withheld)
    show_next(study, flags, "--go", *(["--retry"] if failed else []))


def show_next(study: Study, flags: cli.Flags, *words: str) -> None:
    """Print the next command; it repeats the flags of this one that say where and how runs are trained."""
    again = cli.spelled(flags, (*(["wait"] if "--go" in words else []), *(flag.name for flag in cluster_flags.FLAGS)))
    print(f"next: {cli.command('sweep', study.folder, *words, *again)}")


def _show_end(study: Study, statuses: Sequence[RunStatus]) -> None:
    diverged = sum(run.state == "diverged" for run in statuses)
    print(f"\nall {len(statuses)} runs ended" + (f", {diverged} of them diverged" if diverged else ""))
    if any(run.record and run.record.is_simulated for run in statuses):
        clear = cli.command("simulate", study.folder, "--clear")
        print(f"simulated, not trained; to train them, first run: {clear}")
    print(f"next: {cli.command('fit', study.folder)}")


def _failures(plan: JobPlan) -> dict[str, int]:
    """Return how many runs last failed with each class, without failed runs that a job will try again."""
    tried_again = {run.spec.run_id for run in plan.statuses if run.record and run.has_job}
    return dict(Counter(run.failure for run in plan.statuses if run.failure and run.spec.run_id not in tried_again))


def _show_withheld(withheld: Sequence[str]) -> None:
    for reason in withheld:
        print(f"withheld: {reason}")


def _hours(seconds: float) -> str:
    return f"{format_quantity(seconds / 3600)} device-hours"


def _eta_s(plan: JobPlan) -> float | None:
    """Return the seconds until all runs have ended, with as many at once as now; null if none is training."""
    running = [run for run in plan.statuses if run.state == "running"]
    if not running:
        return None
    longest = max(run.eta_s or 0.0 for run in running)
    return max(longest, plan.device_s_left / plan.devices / len(running))


def summary(plan: JobPlan, result: SweepResult | None = None) -> dict[str, Any]:
    """Return what --json prints: runs, jobs and totals."""
    arrays = result.submitted if result else plan.arrays
    jobs = [
        {"runs": list(one), "predicted_s": seconds}
        for array in arrays
        for one, seconds in zip(array.packs, array.predicted_s, strict=True)
    ]
    states = Counter(run.state for run in plan.statuses)
    totals: dict[str, Any] = {state: states[state] for state in STATES}
    totals |= {
        "wall_s": sum(run.record.wall_s for run in plan.statuses if run.record),
        "device_hours_used": plan.device_s_used / 3600,
        "device_hours_left": plan.device_s_left / 3600,
        "device_hours_submitted": plan.device_s / 3600 if result is None else None,
        "predicted": plan.times.source,
        "eta_s": _eta_s(plan),
        "jobs_in_flight": plan.submitted.n_jobs,
        "failures": _failures(plan),
        "withheld": list(result.withheld if result else plan.withheld),
        "unknown": plan.submitted.unknown,
    }
    ids = [job.id for one in result.submitted for job in one.jobs or ()] if result else []
    return {"runs": [_run_json(run) for run in plan.statuses], "jobs": jobs, "job_ids": ids, "totals": totals}


def _run_json(run: RunStatus) -> dict[str, Any]:
    return {
        "run_id": run.spec.run_id,
        "arm": run.spec.arm,
        "seed": run.spec.training.seed,
        "state": run.state,
        "in_flight": run.has_job,
        "D_seen": run.D_seen,
        "loss": run.loss,
        "tokens_per_s": run.tokens_per_s,
        "wall_s": run.wall_s,
        "eta_s": run.eta_s,
        "attempts": len(run.attempts),
        "failure": run.failure,
        "error": run.error,
    }
