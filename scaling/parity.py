"""python -m scaling.parity studies/x --engine hf

Train the smallest arm for some steps in another engine and here, from the same weights and data, and compare.
"""

import sys

from planners import Study
from planners.records.errors import need_packages
from planners.records.quantity import parse_count
from planners.records.registry import look_up
from planners.records.text_table import text_table
from scaling import cli

EXAMPLE = "python -m scaling.parity studies/x --engine hf"


def arguments() -> cli.Parser:
    """Return the parser of this command."""
    parser = cli.parser("parity", EXAMPLE)
    add = parser.add_argument
    add("study", help="folder of the study")
    add("--engine", required=True, metavar="NAME", help="hf, megatron, torchtitan or olmo-core")
    add("--steps", default="10", metavar="S", help="optimizer steps (default 10)")
    return parser


def act(flags: cli.Flags) -> int:
    """Compare the loss curves, or write the run and print the command for a machine that can train it."""
    from jobs.engines import ENGINES
    from jobs.engines.curves import curves, lacking, smallest
    from jobs.engines.export import folder_name

    study, engine = Study(flags.study), look_up(ENGINES, flags.engine, "engine")
    run = smallest(engine, study.runs())
    steps = min(parse_count(flags.steps, "--steps", least=1), run.spec.training.steps)
    folder = study.folder / "parity" / f"{engine.name}-{folder_name(run.spec)}"
    for sentence in run.changed:
        print(f"changed: {sentence}", file=sys.stderr)
    if (reason := lacking(engine, run)) is not None:
        export = cli.command("export", study.folder, run.spec.run_id, "--engine", engine.name, "--changed", "--weights")
        print(f"not run here: {reason}; write the run with: {export} and start its run.sh on a GPU", file=sys.stderr)
        return cli.GAPS
    need_packages("training", "torch")
    theirs, ours = curves(engine, run, folder, steps)
    apart = max(abs(first - second) for first, second in zip(theirs, ours, strict=True))
    if flags.json:
        found = {"run_id": run.spec.run_id, "engine": engine.version, "theirs": theirs, "ours": ours, "apart": apart}
        cli.print_json(found)
    pairs = list(zip(theirs, ours, strict=True))
    rows = [[str(step), f"{a:.6f}", f"{b:.6f}", f"{a - b:+.1e}"] for step, (a, b) in enumerate(pairs, 1)]
    cli.say(text_table(("step", engine.name, "ours", "difference"), rows), flags)
    cli.say(f"\n{run.spec.arm} ({run.spec.run_id}): at most {apart:.1e} nats apart in {steps} steps", flags)
    return cli.DONE


if __name__ == "__main__":
    sys.exit(cli.run(act, arguments()))
