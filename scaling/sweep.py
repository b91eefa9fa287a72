"""python -m scaling.sweep studies/x --go

Train the runs of a study that have no record yet: on this machine, or on a cluster through submitit.
"""

import sys
from collections.abc import Sequence
from typing import Any

from jobs.record import collect
from jobs.status import RunStatus, status
from jobs.submit import CLUSTERS, Cluster, follow, last_log, stop, submit, unfinished, wanted
from planners import Study
from planners.quantity import format_quantity, parse_count
from scaling import cli

EXAMPLE = "python -m scaling.sweep studies/x --go"


def arguments() -> cli.Parser:
    """Return the parser of this command."""
    parser = cli.parser("sweep", EXAMPLE)
    add = parser.add_argument
    add("study", help="folder of the study")
    add("--go", action="store_true", help="train; without it only what would be trained is shown")
    add(
        "--cluster",
        choices=CLUSTERS,
        default="local",
        help="where: this machine, Slurm, or this process (default local)",
    )
    add("--status", action="store_true", help="show where each run stands, and nothing else")
    add("--retry", action="store_true", help="train failed runs again too")
    add("--wait", action="store_true", help="with slurm: stay until the jobs end")
    add("--parallel", metavar="W", help="workers at once (default: one per GPU or core; 16 on Slurm)")
    add("--gpus", metavar="G", help="GPUs per worker (default: one where this machine has any)")
    add("--timeout-min", metavar="MIN", help="time limit of a Slurm job; it is requeued and continues (default 60)")
    add(
        "--slurm",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="any further sbatch option, such as partition=short",
    )
    cli.add_execution(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return cli.run(act, arguments(), argv)


def act(flags: cli.Flags) -> int:
    """Show, or train and show."""
    study, cluster = Study(flags.study), _cluster(flags)
    before = status(study)
    runs = [] if flags.status else wanted(before, retry=flags.retry)
    jobs: list[str] = []
    if runs and flags.go:
        jobs = train(study, runs, cluster, wait=flags.wait or cluster.kind != "slurm", quiet=flags.json)
        collect(study)
    after = status(study)
    if flags.json:
        cli.print_json(summary(after, jobs))
    else:
        show(study, after)
        for line in _next_steps(study, after, flags, len(runs)):
            print(line)
    if flags.go and cluster.kind == "slurm" and not flags.wait:
        return cli.DONE
    return cli.GAPS if (flags.go or flags.status) and any(run.state != "done" for run in after) else cli.DONE


def train(study: Study, runs: list[RunStatus], cluster: Cluster, *, wait: bool, quiet: bool = False) -> list[str]:
    """Submit workers, follow them where asked, and return the ids of their jobs.

    An interrupt stops workers of this machine at a checkpoint and is passed on.
    """
    jobs = submit(study, runs, cluster)
    try:
        if wait:
            follow(study, jobs, runs, quiet=quiet)
    except KeyboardInterrupt:
        if cluster.kind == "slurm":
            print("\nthe jobs go on; scancel ends them, --status shows them", file=sys.stderr)
        stop(jobs)
        raise
    return [job.job_id for job in jobs]


def summary(statuses: list[RunStatus], jobs: list[str]) -> dict[str, Any]:
    """Return what --json prints."""
    runs = [
        {
            "run_id": run.spec.run_id,
            "arm": run.spec.arm,
            "seed": run.spec.training.seed,
            "state": run.state,
            "D_seen": run.D_seen,
            "loss": run.loss,
            "tokens_per_s": run.tokens_per_s,
            "error": run.record.error if run.record else None,
        }
        for run in statuses
    ]
    states = [run.state for run in statuses]
    totals = {state: states.count(state) for state in ("done", "diverged", "failed", "running", "waiting")}
    wall_s = sum(run.record.wall_s for run in statuses if run.record)
    return {"runs": runs, "jobs": jobs, "totals": {**totals, "wall_s": wall_s}}


def show(study: Study, statuses: list[RunStatus]) -> None:
    """Print one line a run, then the reason of each run that did not end well."""
    header = ("run", "arm", "seed", "state", "D", "of", "loss", "tokens/s", "seconds")
    print(cli.table(header, [_row(run) for run in statuses]))
    for run in statuses:
        if run.record is not None and run.record.error:
            where = study.run_folder(run.spec.run_id)
            print(f"{run.state}: {run.spec.arm} seed {run.spec.training.seed}: {run.record.error} ({where})")


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
        f"{run.record.wall_s:.1f}" if run.record else None,
    ]


def _simulated(run: RunStatus) -> bool:
    return run.record is not None and "simulated" in run.record.flags


def _next_steps(study: Study, statuses: list[RunStatus], flags: cli.Flags, n_wanted: int) -> list[str]:
    """Return what to tell at the end: what would happen, what is missing, the next command."""
    left = unfinished(statuses)
    if not left:
        diverged = sum(run.state == "diverged" for run in statuses)
        ending = f", {diverged} of them diverged" if diverged else ""
        next_one = cli.command("fit", study.folder)
        clear = cli.command("simulate", study.folder, "--clear")
        simulated = [f"simulated, not trained; to train them first: {clear}"] if any(map(_simulated, statuses)) else []
        return [f"\nall {len(statuses)} runs ended{ending}", *simulated, f"next: {next_one}"]
    command = cli.command("sweep", study.folder)
    failed = [run for run in left if run.state == "failed"]
    lines = [""]
    if flags.go and flags.cluster == "slurm" and not flags.wait:
        lines += [f"submitted {n_wanted} runs", f"next: {command} --status"]
    elif flags.go:
        lines += [f"{len(failed)} of {len(statuses)} runs failed, {len(left) - len(failed)} have not ended"]
        lines += [last_log(study)] if len(failed) < len(left) else []
        lines += [f"next: {command} --go --retry"] if failed else [f"next: {command} --go"]
    else:
        cost = sum(run.spec.C for run in left)
        lines += [f"{len(left)} of {len(statuses)} runs to train, {cost:.3g} FLOPs; nothing was started"]
        lines += [f"next: {command} --go{' --retry' if failed else ''}"]
    return lines


def _cluster(flags: cli.Flags) -> Cluster:
    def count(name: str, least: int) -> int | None:
        text = getattr(flags, name)
        return None if text is None else parse_count(text, f"--{name.replace('_', '-')}", least=least)

    return Cluster(
        kind=flags.cluster,
        parallel=count("parallel", 1),
        gpus=count("gpus", 0),
        timeout_min=count("timeout_min", 1),
        slurm=tuple(flags.slurm),
        execution=cli.execution(flags),
    )


if __name__ == "__main__":
    sys.exit(main())
