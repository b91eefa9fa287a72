"""python -m scaling.plan --budget 1e18,3e18,1e19 --total-params 100M --activation 1,0.5,0.3,0.2,0.1 -o studies/x

Compute runs whose arms have equal N, C or D (`--match`) at several activation rates, and show the error of each match.
"""

import sys
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from planners import Plan, Question, Study, UsageError
from planners.plan_text import plan_summary, refusals, residuals
from planners.records.json import to_json
from scaling import cli, forecasts, plan_flags
from scaling.api import make_plan
from scaling.flags import add_flags
from scaling.help_text import width, wrapped

if TYPE_CHECKING:
    from jobs.engines.export import Export

EXAMPLE = "python -m scaling.plan --budget 1e18,3e18 --total-params 100M --activation 1,0.5,0.3,0.2,0.1 --seq-len 2048"

OUTPUTS = ("out", "json", "wide", "reuse", "export", "changed", "weights")
"""Flags that do not change the plan."""


def arguments() -> cli.Parser:
    """Return the parser of this command."""
    parser = cli.parser("plan", EXAMPLE)
    add_flags(parser, (*plan_flags.ALL_FLAGS, *forecasts.FLAGS))
    add = parser.add_argument
    add(
        "--export",
        metavar="ENGINE",
        help="also write each run for hf, megatron, torchtitan or olmo-core: STUDY/ENGINE/",
    )
    add("--changed", action="store_true", help="with --export: replace what the engine lacks, and list it")
    add("--weights", action="store_true", help="with --export: also write our initial weights (needs torch)")
    add("--wide", action="store_true", help="show every run and every column, however long the lines")
    add("--reuse", metavar="STUDY", action="append", help="with -o: copy the finished runs that this study also plans")
    add(
        "--show-data",
        metavar="NAME",
        help="only print three examples of each domain of a corpus, as a person reads them",
    )
    add(
        "-o",
        "--out",
        metavar="STUDY",
        help="write the study here, or widen the one that is here; without it nothing is written",
    )
    return parser


def act(flags: cli.Flags) -> int:
    """Plan, show, and write if a folder is given."""
    if flags.show_data is not None:
        return show_data(flags)
    for flag in ("export", "reuse"):
        if getattr(flags, flag) and flags.out is None:
            raise UsageError(f"--{flag} writes into the study; name it with -o studies/NAME")
    if not flags.export and (flags.changed or flags.weights):
        raise UsageError("--changed and --weights belong to --export ENGINE; add it, or drop them")
    question, defaults = plan_flags.question(flags)
    study = Study(flags.out) if flags.out is not None else None
    plan, tuned = wider_plan(question, study), list[str]()
    if source := plan_flags.tuning_study(flags):
        from scaling.tuned_recipes import with_tuned

        question, tuned = with_tuned(plan, source)
        plan = wider_plan(question, study)
    plan = replace(plan, notes=(*tuned, *plan.notes))
    made = forecasts.forecasts(flags, plan.runs)
    exported = exports(flags, plan) if flags.export else None  # before anything is written
    outcome = _write(flags, study, plan) if study else ""
    kept = forecasts.stored(flags, made)
    if study and kept:
        study.write_forecast(kept)
    if flags.json:
        cli.print_json({**as_json(plan), "defaults": to_json(defaults), **forecasts.as_json(flags, plan.runs, made)})
    for line in () if flags.json else refusals(plan):  # first: what is missing must not scroll away
        print(wrapped(line), file=sys.stderr, flush=True)
    for default in defaults:
        cli.say(f"default: {default}", flags)
    cli.say(plan_summary(plan, None if flags.wide else width()), flags)
    if made:
        cli.say(forecasts.text(flags, plan.runs, made), flags)
    for sentence in (*(f"not exported: {one}" for one in exported.refused), *exported.changed) if exported else ():
        print(sentence, file=sys.stderr)
    if study is None:
        cli.say("\nnothing was written; add -o studies/NAME to keep this plan", flags)
    else:
        cli.say(f"\n{outcome}", flags)
        if exported:
            paths = exported.write(study.folder / flags.export, weights=flags.weights)
            cli.say(f"exported: {len(paths)} runs in {study.folder / flags.export}", flags)
        trained = cli.command("sweep", study.folder, "--go")
        simulated = cli.command("simulate", study.folder, "--noise", "0.01")
        cli.say(f"next: {trained if plan.question.corpora else simulated}", flags)
    return cli.GAPS if plan.refused or (exported and exported.refused) else cli.DONE


def show_data(flags: cli.Flags) -> int:
    """Print examples of a corpus."""
    from jobs.corpora.examples import examples

    found = list(examples(flags.show_data))
    if flags.json:
        cli.print_json({"examples": [{"domain": domain, "text": text} for domain, text in found]})
    for domain, text in found:
        cli.say(f"{domain}: {text}", flags)
    return cli.DONE


def exports(flags: cli.Flags, plan: Plan) -> "Export":
    """Return the runs of the plan for the engine of --export."""
    from jobs.engines.export import export_runs

    return export_runs(plan.runs, flags.export, devices=forecasts.devices_of(flags), changed=flags.changed)


def wider_plan(question: Question, study: Study | None) -> Plan:
    """Return the plan of a question; one that widens `study` keeps the shapes of its runs where it can.

    More rates may suit another width of the experts. The width of the old ones is then fixed. Raises UsageError if the
    study holds another question.
    """
    is_held = study is not None and study.holds(question)
    plan = make_plan(question)
    if study is None or is_held or not study.plan_path.is_file() or question.moe.d_expert or question.moe.granularity:
        return plan
    old = study.runs()
    widths = {run.shape.d_expert for run in old if run.role == "matched" and not run.shape.is_dense}
    if len(widths) != 1 or {run.run_id for run in old} <= {run.run_id for run in plan.runs}:
        return plan
    return make_plan(replace(question, moe=replace(question.moe, d_expert=widths.pop())))


def _write(flags: cli.Flags, study: Study, plan: Plan) -> str:
    """Write or widen the study, copy finished runs into it, and return what was done."""
    words = cli.spelled(flags, (name for name in vars(flags) if name not in OUTPUTS))
    held = {run.run_id for run in study.runs()} if study.plan_path.is_file() else set()
    with _lock(study) if held and not study.holds(plan.question) else nullcontext():
        written = study.write(plan, cli.command("plan", *words))
    new = len(plan.runs) - len(held)
    said = f"widened: {study.folder}, {len(held)} runs stay and {new} are new" if held else f"wrote: {study.folder}"
    if not written:
        more = f", which holds {-new} further runs" if new < 0 else ""
        said = f"unchanged: {study.folder}{more}"
    for other in flags.reuse or ():
        from jobs.copied_runs import copy_finished

        copied = copy_finished(study, Study(other))
        said += f"\ncopied: {len(copied)} finished runs of {other}"
    return said


def _lock(study: Study) -> AbstractContextManager[Any]:
    """Return the lock of a study, under which no sweep submits runs of the old plan."""
    from jobs.sweep.study_lock import study_lock
    from jobs.sweep.submit import LOCK

    return study_lock(study.folder / LOCK)


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
    sys.exit(cli.run(act, arguments()))
