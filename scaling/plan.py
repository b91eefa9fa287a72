"""python -m scaling.plan --budget 1e18,3e18,1e19 --total-params 100M --activation 1,0.5,0.3,0.2,0.1 -o studies/x

Compute runs whose arms have equal N, C or D (`--match`) at several activation rates, and show the error of each match.
"""

import sys
from collections.abc import Sequence
from typing import Any

from planners import Plan, Study, UsageError
from planners.arm_configs import arm_configs
from planners.plan_text import plan_summary, refusals, residuals
from planners.records.json import to_json
from scaling import cli, forecasts, plan_flags
from scaling.api import make_plan

EXAMPLE = "python -m scaling.plan --budget 1e18,3e18 --total-params 100M --activation 1,0.5,0.3,0.2,0.1 --seq-len 2048"


def arguments() -> cli.Parser:
    """Return the parser of this command."""
    parser = cli.parser("plan", EXAMPLE)
    plan_flags.add_flags(parser)
    forecasts.add_flags(parser)
    add = parser.add_argument
    add("--export", choices=("hf",), help="also write each arm as a Hugging Face config.json: STUDY/hf/ARM/")
    add("-o", "--out", metavar="STUDY", help="write the study here; without it nothing is written")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return cli.run(act, arguments(), argv)


def act(flags: cli.Flags) -> int:
    """Plan, show, and write if a folder is given."""
    if flags.export and flags.out is None:
        raise UsageError("--export writes into the study; name it with -o studies/NAME")
    question, defaults = plan_flags.question(flags)
    plan = make_plan(question)
    made = forecasts.forecasts(flags, plan.runs)
    configs = arm_configs(plan.runs) if flags.export else None
    study = Study(flags.out) if flags.out is not None else None
    words = cli.spelled(flags, (name for name in vars(flags) if name not in ("out", "json", "export")))
    written = study.write(plan, cli.command("plan", *words)) if study else False
    kept = forecasts.stored(flags, made)
    if study and kept:
        study.write_forecast(kept)
    if flags.json:
        cli.print_json({**as_json(plan), "defaults": to_json(defaults), **forecasts.as_json(flags, plan.runs, made)})
    for default in defaults:
        cli.say(f"default: {default}", flags)
    cli.say(plan_summary(plan), flags)
    for line in () if flags.json else refusals(plan):
        print(line, file=sys.stderr)
    if made:
        cli.say(forecasts.text(flags, plan.runs, made), flags)
    for sentence in configs.lacking if configs else ():
        print(f"not exported: {sentence}", file=sys.stderr)
    if study is None:
        cli.say("\nnothing was written; add -o studies/NAME to keep this plan", flags)
    else:
        cli.say(f"\n{'wrote' if written else 'unchanged'}: {study.folder}", flags)
        if configs:
            paths = configs.write(study.folder / "hf")
            cli.say(f"exported: {len(paths)} configurations in {study.folder / 'hf'}", flags)
        trained = cli.command("sweep", study.folder, "--go")
        simulated = cli.command("simulate", study.folder, "--noise", "0.01")
        cli.say(f"next: {trained if plan.question.data else simulated}", flags)
    return cli.GAPS if plan.refused or (configs and configs.lacking) else cli.DONE


def as_json(plan: Plan) -> dict[str, Any]:
    """Return the object of --json without a forecast."""
    slope = plan.question.loss_slope
    return {
        "runs": [run.to_line() for run in plan.runs],
        "refused": to_json(plan.refused),
        "notes": list(plan.notes),
        "residuals": [{"run_id": run.run_id, **residuals(run, slope)} for run in plan.runs],
    }


if __name__ == "__main__":
    sys.exit(main())
