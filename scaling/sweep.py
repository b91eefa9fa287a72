"""python -m scaling.sweep studies/x --go

Train the runs of a study that have no record yet: on this machine, or on a cluster through submitit.
"""

import argparse
import sys

from jobs.record import collect
from jobs.run.logs import run_log
from jobs.sweep.cluster import Cluster
from jobs.sweep.job_plan import begun_with_other_code, plan_jobs
from jobs.sweep.status import status
from jobs.sweep.submit import cancel
from jobs.sweep.until_done import train_until_done, waits
from planners import Study
from scaling import cli, cluster_flags, sweep_text
from scaling.flags import add_flags
from scaling.live_table import LiveTable, say

EXAMPLE = "python -m scaling.sweep studies/x --go"


def arguments() -> cli.Parser:
    """Return the parser of this command."""
    parser = cli.parser("sweep", EXAMPLE)
    add = parser.add_argument
    add("study", help="folder of the study")
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--go", action="store_true", help="train; without it, only show what would be done")
    action.add_argument("--status", action="store_true", help="show the state of each run, and nothing else")
    action.add_argument("--cancel", action="store_true", help="end all jobs of this study; runs keep their checkpoints")
    action.add_argument("--forget", action="store_true", help="give up jobs of a scheduler that does not answer")
    action.add_argument("--log", metavar="RUN_ID", help="show the last lines that a run wrote")
    add("--retry", action="store_true", help="train failed runs again too")
    add(
        "--wait",
        action=argparse.BooleanOptionalAction,
        help="wait for the jobs, with a live table; Ctrl-C leaves them running (default: on Slurm return at once; here"
        " wait, and Ctrl-C ends the workers with a checkpoint)",
    )
    add_flags(parser, cluster_flags.FLAGS)
    return parser


def act(flags: cli.Flags) -> int:
    """Do what the flags say; without --go only show it."""
    study = Study(flags.study)
    cluster = cluster_flags.with_planned_gpus(study, cluster_flags.cluster(flags))
    if flags.log is not None:
        return show_log(study, flags)
    if flags.cancel or flags.forget:
        return end(study, flags)
    if not flags.status:
        cluster_flags.warn_without_gpus(study, cluster)
    if flags.go:
        return go(study, cluster, flags)
    plan = plan_jobs(study, cluster, retry=flags.retry)
    if flags.json:
        cli.print_json(sweep_text.summary(plan))
    else:
        sweep_text.show_sweep(study, plan, cluster, flags)
    open_runs = any(run.state != "done" for run in plan.statuses)
    return cli.GAPS if (flags.status and open_runs) or plan.withheld else cli.DONE


def go(study: Study, cluster: Cluster, flags: cli.Flags) -> int:
    """Submit, wait if asked, and show the result. The exit code is GAPS if runs were withheld or are not done."""
    if not agrees_to_other_code(study):
        return cli.FAILED
    table = LiveTable(quiet=flags.json)
    result = train_until_done(study, cluster, wait=flags.wait, retry=flags.retry, watch=table, say=say)
    collect(study)
    plan = plan_jobs(study, cluster)
    if flags.json:
        cli.print_json(sweep_text.summary(plan, result))
    else:
        sweep_text.show_sweep(study, plan, cluster, flags, result)
    # without a wait, submitting was all that was asked
    unfinished = waits(cluster, flags.wait) and any(run.state != "done" for run in plan.statuses)
    return cli.GAPS if result.withheld or unfinished else cli.DONE


def agrees_to_other_code(study: Study) -> bool:
    """Ask a person whether begun runs may continue with other code; without a terminal they do, with a warning."""
    half = begun_with_other_code(status(study))  # refuses a folder without a plan before anything is written to it
    if not half or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return True
    print(
        f"{len(half)} runs were begun with other code than this, and their losses will mix the two (flag mixed_code);"
        " continue them? [y/N] ",
        end="",
        file=sys.stderr,
        flush=True,
    )
    if sys.stdin.readline().strip().lower() in ("y", "yes"):
        return True
    folders = " ".join(str(study.run_folder(run.spec.run_id) / "checkpoint") for run in half[: sweep_text.SHOWN])
    print(f"nothing was started; to train them anew, first remove: {folders}", file=sys.stderr)
    return False


def end(study: Study, flags: cli.Flags) -> int:
    """Cancel all jobs of the study, or give up the ones that cannot be checked."""
    study.runs()  # refuses a folder without a plan before anything is written to it
    count, troubles = cancel(study, forget=flags.forget)
    if flags.json:
        cli.print_json({"jobs": count, "troubles": troubles})
    else:
        asked = f"{count} jobs were asked to end; their runs keep their checkpoints"
        print("jobs that can be checked continue" if flags.forget else asked)
        for trouble in troubles:
            print(trouble, file=sys.stderr)
        sweep_text.show_next(study, flags, "--status")
    return cli.GAPS if troubles and not flags.forget else cli.DONE


def show_log(study: Study, flags: cli.Flags) -> int:
    """Print the last lines that a run wrote."""
    run_id = cli.find_run(study, flags.log).run_id
    lines = run_log(study, run_id)
    if flags.json:
        cli.print_json({"run_id": run_id, "lines": lines})
    else:
        print("\n".join(lines) or f"run {run_id} has written nothing yet")
    return cli.DONE


if __name__ == "__main__":
    sys.exit(cli.run(act, arguments()))
