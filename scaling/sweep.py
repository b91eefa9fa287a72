"""python -m scaling.sweep studies/x --go

Train the runs of a study that have no record yet: on this machine, or on a cluster through submitit.
"""

import argparse
import sys
from collections.abc import Sequence

from jobs.record import collect
from jobs.run.logs import run_log
from jobs.sweep.cluster import Cluster
from jobs.sweep.job_plan import decide
from jobs.sweep.status import RunStatus
from jobs.sweep.submit import cancel
from jobs.sweep.until_done import Trained, train, waits
from planners import Study, UsageError
from scaling import cli, clusters, live_table, sweep_text

EXAMPLE = "python -m scaling.sweep studies/x --go"


def arguments() -> cli.Parser:
    """Return the parser of this command."""
    parser = cli.parser("sweep", EXAMPLE)
    add = parser.add_argument
    add("study", help="folder of the study")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--go", action="store_true", help="train; without it only what would be done is shown")
    what.add_argument("--status", action="store_true", help="show where each run stands, and nothing else")
    what.add_argument("--cancel", action="store_true", help="end all jobs of this study; runs keep their checkpoints")
    what.add_argument("--log", metavar="RUN_ID", help="show the last lines that a run wrote")
    add("--retry", action="store_true", help="train failed runs again too")
    add(
        "--wait",
        action=argparse.BooleanOptionalAction,
        help="stay, with a live table; Ctrl-C leaves the jobs running (default: return at once on slurm; here stay, and"
        " Ctrl-C ends the workers with a checkpoint)",
    )
    clusters.add_flags(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return cli.run(act, arguments(), argv)


def act(flags: cli.Flags) -> int:
    """Show, or do and show."""
    study, cluster = Study(flags.study), clusters.cluster(flags)
    if flags.log is not None:
        return show_log(study, flags)
    if flags.cancel:
        return end(study, flags)
    if not flags.status:
        clusters.warn_without_gpus(study, cluster)
    if flags.go:
        return go(study, cluster, flags)
    order = decide(study, cluster, retry=flags.retry)
    if flags.json:
        cli.print_json(sweep_text.summary(order, cluster))
    else:
        sweep_text.show(study, order.statuses)
        (sweep_text.show_status if flags.status else sweep_text.show_order)(study, order, cluster, flags)
    open_runs = any(run.state != "done" for run in order.statuses)
    return cli.GAPS if (flags.status and open_runs) or order.withheld else cli.DONE


def go(study: Study, cluster: Cluster, flags: cli.Flags) -> int:
    """Submit, follow where asked, and show what came of it."""
    study.runs()  # a folder without a study is refused before anything is written to it
    trained = train(study, cluster, wait=flags.wait, retry=flags.retry, **live_table.shown(quiet=flags.json))
    collect(study)
    order = decide(study, cluster)
    if flags.json:
        cli.print_json(sweep_text.summary(order, cluster, trained))
    else:
        sweep_text.show(study, order.statuses)
        sweep_text.show_trained(study, order, trained, flags)
    if trained.withheld:
        return cli.GAPS
    return _code(order.statuses, trained, cluster, flags)


def _code(statuses: Sequence[RunStatus], trained: Trained, cluster: Cluster, flags: cli.Flags) -> int:
    """Return the exit code of a sweep without a cap reached; without a wait submitting is all that was asked."""
    if not waits(cluster, flags.wait):
        return cli.DONE
    return cli.GAPS if any(run.state != "done" for run in statuses) else cli.DONE


def end(study: Study, flags: cli.Flags) -> int:
    """End what is in flight."""
    study.runs()  # a folder without a study is refused before anything is written to it
    count, troubles = cancel(study)
    if flags.json:
        cli.print_json({"jobs": count, "troubles": troubles})
    else:
        print(f"{count} jobs were asked to end; their runs keep their checkpoints")
        for trouble in troubles:
            print(trouble, file=sys.stderr)
        sweep_text.show_next(study, flags, "--status")
    return cli.GAPS if troubles else cli.DONE


def show_log(study: Study, flags: cli.Flags) -> int:
    """Show what a run wrote last."""
    found = [spec.run_id for spec in study.runs() if spec.run_id.startswith(flags.log)]
    if len(found) != 1:
        raise UsageError(f"{len(found)} runs of {study.folder} begin with {flags.log!r}; --status lists them")
    lines = run_log(study, found[0])
    if flags.json:
        cli.print_json({"run_id": found[0], "lines": lines})
    else:
        print("\n".join(lines) or f"run {found[0]} has written nothing yet")
    return cli.DONE


if __name__ == "__main__":
    sys.exit(main())
