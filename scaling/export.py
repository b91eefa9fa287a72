"""python -m scaling.export studies/x 9493454f655c -o models/x

Write a trained model as a Hugging Face folder, or runs as recipes of another training engine.
"""

import sys
from pathlib import Path

from planners import Study, UsageError
from planners.records.quantity import parse_count
from scaling import cli

EXAMPLE = "python -m scaling.export studies/x 9493454f655c -o models/x"


def arguments() -> cli.Parser:
    """Return the parser of this command."""
    parser = cli.parser("export", EXAMPLE)
    add = parser.add_argument
    add("study", help="folder of the study")
    add("run_id", nargs="?", help="the run; the first digits of its id suffice (with --engine default: all runs)")
    add("-o", "--out", metavar="DIR", help="folder to write (with --engine default: STUDY/ENGINE)")
    add("--init", action="store_true", help="the initial weights instead of the trained ones")
    add("--engine", metavar="NAME", help="recipes for hf, megatron, torchtitan or olmo-core instead of a model")
    add("--devices", metavar="W", help="with --engine: GPUs that share each run (default 1)")
    add("--changed", action="store_true", help="with --engine: replace what the engine lacks, and list it")
    add("--weights", action="store_true", help="with --engine: also write our initial weights (needs torch)")
    return parser


def act(flags: cli.Flags) -> int:
    """Write the model folder, or the recipes."""
    study = Study(flags.study)
    if flags.engine is not None:
        return recipes(study, flags)
    if flags.run_id is None or flags.out is None:
        raise UsageError("give the run and the folder: RUN_ID -o models/x; or --engine NAME for recipes of all runs")
    if flags.changed or flags.weights or flags.devices:
        raise UsageError("--devices, --changed and --weights belong to --engine NAME; add it, or drop them")
    from jobs.engines.checkpoint_folder import export_checkpoint

    spec, folder = cli.find_run(study, flags.run_id), Path(flags.out)
    remarks = export_checkpoint(study, spec, folder, initial=flags.init)
    if flags.json:
        cli.print_json({"run_id": spec.run_id, "folder": str(folder), "remarks": remarks})
    for remark in remarks:
        print(f"remark: {remark}", file=sys.stderr)
    cli.say(f"wrote: {folder}, {spec.arm} seed {spec.training.seed} as a Hugging Face model", flags)
    return cli.GAPS if remarks else cli.DONE


def recipes(study: Study, flags: cli.Flags) -> int:
    """Write recipes of planned runs for another engine."""
    from jobs.engines.export import export_runs

    if flags.init:
        raise UsageError("--init writes a model folder; with --engine, --weights writes the initial weights")
    runs = study.runs() if flags.run_id is None else [cli.find_run(study, flags.run_id)]
    devices = 1 if flags.devices is None else parse_count(flags.devices, "--devices")
    export = export_runs(runs, flags.engine, devices=devices, changed=flags.changed)
    folder = Path(flags.out) if flags.out else study.folder / flags.engine
    paths = export.write(folder, weights=flags.weights)
    if flags.json:
        found = {"folders": [str(path) for path in paths], "refused": export.refused, "changed": export.changed}
        cli.print_json(found)
    for sentence in (*(f"not exported: {one}" for one in export.refused), *export.changed):
        print(sentence, file=sys.stderr)
    cli.say(f"exported: {len(paths)} runs in {folder}", flags)
    return cli.GAPS if export.refused else cli.DONE


if __name__ == "__main__":
    sys.exit(cli.run(act, arguments()))
