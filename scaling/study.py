"""python -m scaling.study smoke

Plan, train, fit and report a preset, in order; a second call continues where the first stopped.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fits import fit_study
from jobs.sweep.status import status
from jobs.sweep.until_done import train_until_done
from planners import Study, make_plan, preset
from planners.presets import PRESETS
from planners.records.quantity import parse_count, parse_quantities
from scaling import cli, cluster_flags, live_table, plan, plan_text, report, rungs, sweep_text
from scaling.study_table import runs_of

EXAMPLE = "python -m scaling.study smoke"


def arguments() -> cli.Parser:
    """Return the parser of this command."""
    parser = cli.parser("study", EXAMPLE)
    parser.add_argument("preset", help=f"what to study: {', '.join(PRESETS)}")
    parser.add_argument("-o", "--out", metavar="STUDY", help="folder of the study (default: studies/PRESET)")
    parser.add_argument("--budget", metavar="C", help="another compute per run (laptop: default by measured speed)")
    parser.add_argument("--data", metavar="NAME", help="another corpus: text:PATH, hf:NAME (default: the preset's)")
    parser.add_argument("--eval-windows", metavar="W", help="validation windows (default: the preset's)")
    cluster_flags.add_flags(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return cli.run(act, arguments(), argv)


def act(flags: cli.Flags) -> int:
    """Do what is not done yet, stage by stage; runs that failed or are missing leave gaps."""
    asked, cluster = preset(flags.preset), cluster_flags.cluster(flags)
    study = Study(flags.out or Path("studies") / asked.study)
    asked = replace(asked, study=study.folder.name, data=flags.data or asked.data)
    if flags.eval_windows is not None:
        asked = replace(asked, eval_windows=parse_count(flags.eval_windows, "--eval-windows"))
    if flags.budget is not None:
        asked = replace(asked, budgets=parse_quantities(flags.budget, "--budget"))
    elif flags.preset == "laptop":
        asked, why = rungs.on_a_rung(asked, study)
        cli.say(why, flags)
    if not study.holds(asked):
        planned = make_plan(asked, plan.corpus(asked.data))
        words = cli.spelled(flags, ("budget", "data", "eval_windows"))
        study.write(planned, cli.command("study", flags.preset, *words), verb="study")
        if not flags.json:
            plan_text.show(planned)
            print()
    if any(run.record is None for run in status(study)):
        wait = True if cluster.kind == "slurm" else None
        result = train_until_done(
            study, cluster, wait=wait, watch=live_table.LiveTable(quiet=flags.json), say=live_table.say
        )
        for reason in result.withheld:
            cli.say(f"withheld: {reason}", flags)
    if not flags.json:
        sweep_text.show(study, status(study))
        print()
    fits = fit_study(runs_of(study), folder=study.fits, margin=asked.margin)
    cli.say(f"{fits}\n", flags)
    return report.write(study, study.report, flags)


if __name__ == "__main__":
    sys.exit(main())
