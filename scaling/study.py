"""python -m scaling.study smoke

Plan, train, fit and report a preset, in order; a second call continues where the first stopped.
"""

import sys
from dataclasses import replace
from pathlib import Path

from jobs.sweep.cluster import Cluster
from jobs.sweep.job_plan import plan_jobs
from jobs.sweep.status import status
from planners import Plan, Question, Study, UsageError, preset
from planners.plan_text import plan_summary
from planners.presets import PRESETS, SIZED
from planners.presets.sized import SIZES
from planners.records.quantity import format_flops, parse_count, parse_quantities
from scaling import cli, cluster_flags, live_table, sweep_text
from scaling.api import fit_study, make_plan, sweep_study, write_report
from scaling.flags import add_flags
from scaling.help_text import width

EXAMPLE = "python -m scaling.study smoke"


def arguments() -> cli.Parser:
    """Return the parser of this command."""
    parser = cli.parser("study", EXAMPLE)
    parser.add_argument("preset", help=f"what to study: {', '.join(PRESETS)}")
    parser.add_argument("--size", metavar="SIZE", help=f"size of a preset that has several: {', '.join(SIZES)}")
    parser.add_argument("--seeds", metavar="N", help="seeds of each arm; more than a study has are added to it")
    parser.add_argument("-o", "--out", metavar="STUDY", help="folder of the study (default: studies/PRESET)")
    parser.add_argument(
        "--budget", metavar="C,…", help="another compute per run, in FLOPs (default: the folder's, else the preset's)"
    )
    parser.add_argument("--data", metavar="NAME", help="another corpus: text:PATH, hf:NAME (default: the preset's)")
    parser.add_argument("--eval-windows", metavar="W", help="validation windows (default: the preset's)")
    add_flags(parser, cluster_flags.FLAGS)
    return parser


def act(flags: cli.Flags) -> int:
    """Do the stages that are not done yet; runs that failed or are missing leave gaps."""
    asked, cluster = preset(flags.preset, flags.size), cluster_flags.cluster(flags)
    study = Study(flags.out or Path("studies") / asked.study)
    asked = question(asked, study, flags)
    if not study.holds(asked):
        plan = _plan(asked, flags)
        words = cli.spelled(flags, ("size", "seeds", "budget", "data", "eval_windows"))
        study.write(plan, cli.command("study", flags.preset, *words), verb="study")
        cli.say(f"{plan_summary(plan, width())}\n", flags)
    if any(run.record is None for run in status(study)):
        cli.say(expected_time(study, cluster), flags)
        wait = True if cluster.kind == "slurm" else None
        table = live_table.LiveTable(quiet=flags.json)
        result = sweep_study(study, cluster, wait=wait, watch=table, say=live_table.say)
        for reason in result.withheld:
            cli.say(f"withheld: {reason}", flags)
    if not flags.json:
        sweep_text.show(study, status(study))
        print()
    if not asked.claims:
        cli.say(f"{fit_study(study)}\n", flags)
    return cli.show_report(write_report(study), flags)


def _plan(asked: Question, flags: cli.Flags) -> Plan:
    """Return the plan of a preset. A corpus that is out of reach is refused with the size that needs no network."""
    try:
        return make_plan(asked)
    except UsageError as error:
        if flags.size is None and flags.data is None and "laptop" in SIZED.get(flags.preset, ())[1:]:
            raise UsageError(f"{error}; or add --size laptop, which needs no network") from error
        raise


def question(asked: Question, study: Study, flags: cli.Flags) -> Question:
    """Return the preset's question with what the flags change; a study that exists keeps its own budgets."""
    if flags.data and any(setting.data for setting in asked.settings):
        raise UsageError(f"the settings of {flags.preset} name their corpora, so --data cannot be given; leave it out")
    asked = replace(asked, study=study.folder.name, data=flags.data or asked.data)
    if flags.seeds is not None:
        asked = asked.with_seeds(parse_count(flags.seeds, "--seeds"))
    if flags.eval_windows is not None:
        asked = replace(asked, eval_windows=parse_count(flags.eval_windows, "--eval-windows"))
    if flags.budget is not None:
        return replace(asked, budgets=parse_quantities(flags.budget, "--budget"))
    if study.question_path.is_file():
        return replace(asked, budgets=study.asked().question.budgets)
    return asked


def expected_time(study: Study, cluster: Cluster) -> str:
    """Return a sentence with the time that the runs to train are expected to take; empty without such runs."""
    jobs = plan_jobs(study, cluster)
    if not jobs.run_ids:
        return ""
    cost = sum(run.spec.C for run in jobs.chosen)
    return (
        f"training {len(jobs.run_ids)} runs, {format_flops(cost)} FLOPs, in about"
        f" {live_table.duration(jobs.device_s / jobs.workers)}: an estimate for {jobs.workers} jobs at once,"
        f" {jobs.times.source}; --budget changes it\n"
    )


if __name__ == "__main__":
    sys.exit(cli.run(act, arguments()))
