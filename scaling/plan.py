"""python -m scaling.plan --budget 1e18,3e18,1e19 --total-params 100M --activation 1,.5,.3,.2,.1 -o studies/x

Compute runs with equal N and equal C across activation rates, and show the residual of every equality.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from planners import Corpus, Plan, Question, Router, RunSpec, Study, UsageError, make_plan, preset
from planners.flops import CONVENTIONS
from planners.geometry import Geometry
from planners.presets import PRESETS
from planners.quantity import format_quantity, parse_count, parse_counts, parse_quantities, parse_quantity
from planners.recipes import RECIPES
from planners.records import to_json
from planners.spec import SCHEDULES
from scaling import cli, forecasts

_ROUTER = tuple(Router.__dataclass_fields__)
EXAMPLE = "python -m scaling.plan --budget 1e18,3e18 --total-params 100M --activation 1,.5,.3,.2,.1 --seq-len 2048"


def arguments() -> cli.Parser:
    """Return the parser of this command."""
    parser = cli.parser("plan", EXAMPLE)
    add = parser.add_argument
    add("--preset", help=f"start from a named question: {', '.join(PRESETS)}; flags override it")
    add("--budget", metavar="C,…", help="training compute in FLOPs, one or several: 1e18,3e18")
    add("--total-params", metavar="N", help="parameters without the vocabulary, equal for all arms: 100M")
    add("--activation", metavar="R,…", help="activation rates, 1 is the dense arm: 1,.5,.2; K follows")
    add(
        "--top-k",
        metavar="K,…",
        help="routed experts per token, 0 is the dense arm: 0,1,4; with --activation d_expert follows",
    )
    add("--seeds", metavar="S,…", help="seeds; each arm is trained once per seed (default 0)")
    add(
        "--data",
        metavar="NAME",
        help="corpus: stdlib, tinystories, synthetic, text:PATH, hf:NAME_OR_FILE[,config=,split=,field=], or several,"
        " as a=stdlib*0.7+b=text:PATH*0.3; tokens are bytes, or @bpe:SIZE, @gpt2, @PATH of a tokenizer.json;"
        " none: plan without",
    )
    add(
        "--unique-tokens",
        metavar="U",
        help="fresh (default), strict (what the dense arm consumes), loose (D/2), or a number",
    )
    add("--seq-len", metavar="T", help="context length in tokens (default 128)")
    add("--vocab-size", metavar="V", help="vocabulary of a plan without a corpus (default 256)")
    add("--flops", choices=CONVENTIONS, help="convention that C is matched under (default exact)")
    add("--align", metavar="W", help="widths are multiples of this (default 8)")
    add(
        "--recipe",
        choices=tuple(RECIPES),
        help="rule for learning rate and batch (default: the one tuned nearest to N)",
    )
    add("--lr", metavar="ETA", help="constant peak learning rate instead of the rule's")
    add("--batch-tokens", metavar="B", help="constant batch in tokens instead of the rule's")
    add("--schedule", choices=SCHEDULES, help="learning rate after warm-up instead of the recipe's")
    add("--weight-decay", metavar="W", help="weight decay instead of the recipe's; 0: none")
    for arm in ("", "dense-"):
        who = "the dense arm" if arm else "the MoE backbone"
        add(f"--{arm}d-model", metavar="D", help=f"width of {who} (default: matched)")
        add(f"--{arm}n-layers", metavar="L", help=f"depth of {who} (default: matched)")
        add(f"--{arm}n-heads", metavar="H", help=f"attention heads of {who} (default: by width)")
    add("--d-expert", metavar="D", help="width of one routed expert (default: matched)")
    add("--router", metavar="NAME=VALUE", action="append", help=f"router setting: {', '.join(_ROUTER)}")
    add("--precision", choices=("fp32", "bf16"), help="arithmetic of matrix products (default fp32)")
    add("--threads", metavar="T", help="CPU threads per run; part of a run's identity (default 1)")
    add("--eval-windows", metavar="W", help="validation windows that the loss is measured on (default 1024)")
    add("--eval-steps", metavar="S", help="steps between evaluations (default: one, at the end)")
    add("--patience", metavar="E", help="evaluations without a lower loss after which a run stops early")
    add("--margin", metavar="NATS", help="difference of loss that does not matter, fixed before the runs")
    forecasts.add_flags(parser)
    add("-o", "--out", metavar="STUDY", help="write the study here; without it nothing is written")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return cli.run(act, arguments(), argv)


def act(flags: cli.Flags) -> int:
    """Plan, show, and write where asked."""
    asked = question(flags)
    plan = make_plan(asked, corpus(asked.data))
    made = forecasts.forecasts(flags, plan.runs)
    study = Study(flags.out) if flags.out is not None else None
    words = cli.spelled(flags, (name for name in vars(flags) if name not in ("out", "json")))
    written = study.write(plan, cli.command("plan", *words)) if study else False
    if flags.json:
        lines = [run.to_line() for run in plan.runs]
        cli.print_json({"runs": lines, "refused": to_json(plan.refused), **forecasts.as_json(made)})
    else:
        show(plan)
        forecasts.show(flags, plan.runs, made)
    if study:
        cli.say(f"\n{'wrote' if written else 'unchanged'}: {study.folder}", flags)
        cli.say(f"next: {cli.command('sweep', study.folder, '--go')}", flags)
    else:
        cli.say("\nnothing was written; add -o studies/NAME to keep this plan", flags)
    return cli.GAPS if plan.refused else cli.DONE


def corpus(name: str | None) -> Corpus | None:
    """Return what the planner must know of the corpus, which is read for it."""
    if name is None:
        return None
    from jobs.corpora import describe

    try:
        return describe(name)
    except UsageError as error:
        raise UsageError(f"{error}; scaling.plan --data none plans without a corpus") from error


def question(flags: cli.Flags) -> Question:
    """Return what the flags ask, on top of the preset if one is named.

    Raises UsageError where budget, parameters or rates are missing.
    """
    asked = _given(flags)
    if flags.out is not None:
        asked["study"] = Path(flags.out).name
    start = None if flags.preset is None else preset(flags.preset)
    if "vocab_size" in asked and asked.get("data", start and start.data):
        raise UsageError("--vocab-size is for a plan without a corpus; the corpus brings its own")
    moe = _geometry(flags, "", start.moe if start else Geometry())
    dense = _geometry(flags, "dense_", start.dense if start else Geometry())
    if start is not None:
        if ("activations" in asked) != ("top_ks" in asked):  # one of the two replaces both of the preset
            asked = {"activations": (), "top_ks": (), **asked}
        return replace(start, **asked, moe=moe, dense=dense)
    for name, flag in (("budgets", "--budget"), ("total_params", "--total-params")):
        if name not in asked:
            raise UsageError(f"{flag} is missing; give it, or --preset NAME")
    return Question(**{"study": "plan", **asked, "moe": moe, "dense": dense})


def _geometry(flags: cli.Flags, prefix: str, start: Geometry) -> Geometry:
    """Return the sizes that flags fix, on top of those of a preset."""
    sizes = {}
    for size in ("d_model", "n_layers", "n_heads", "d_expert"):
        text = getattr(flags, prefix + size, None)
        if text is not None:
            sizes[size] = parse_count(text, "--" + (prefix + size).replace("_", "-"))
    return replace(start, **sizes)


def _given(flags: cli.Flags) -> dict[str, Any]:
    """Return the fields of the question that flags set."""

    def count(name: str) -> Any:
        return lambda text: parse_count(text, f"--{name}")

    def rates(text: str) -> tuple[float, ...]:
        return parse_quantities(text, "--activation")

    readers: dict[str, tuple[str, Any]] = {
        "budget": ("budgets", lambda text: parse_quantities(text, "--budget")),
        "total_params": ("total_params", lambda text: parse_quantity(text, "--total-params")),
        "activation": ("activations", rates),
        "top_k": ("top_ks", lambda text: parse_counts(text, "--top-k")),
        "seeds": ("seeds", lambda text: parse_counts(text, "--seeds")),
        "data": ("data", lambda text: None if text == "none" else text),
        "unique_tokens": ("unique_tokens", _unique_tokens),
        "seq_len": ("seq_len", count("seq-len")),
        "vocab_size": ("vocab_size", count("vocab-size")),
        "flops": ("flops_convention", str),
        "align": ("align", count("align")),
        "recipe": ("recipe", str),
        "lr": ("lr", lambda text: parse_quantity(text, "--lr")),
        "batch_tokens": ("batch_tokens", lambda text: _tokens(text, "--batch-tokens")),
        "schedule": ("schedule", str),
        "weight_decay": ("weight_decay", lambda text: _zero_or_more(text, "--weight-decay")),
        "precision": ("precision", str),
        "threads": ("threads", count("threads")),
        "eval_windows": ("eval_windows", count("eval-windows")),
        "eval_steps": ("eval_steps", count("eval-steps")),
        "patience": ("patience", count("patience")),
        "margin": ("margin", lambda text: parse_quantity(text, "--margin")),
    }
    given = {name: getattr(flags, name) for name in readers}
    found = {readers[name][0]: readers[name][1](text) for name, text in given.items() if text is not None}
    return {**found, "router": _router(flags.router)} if flags.router else found


def _router(settings: list[str]) -> Router:
    """Return the router of NAME=VALUE settings."""
    values: dict[str, Any] = {}
    for setting in settings:
        name, _, text = setting.partition("=")
        if name not in _ROUTER:
            raise UsageError(f"--router {setting!r} is not NAME=VALUE with one of {', '.join(_ROUTER)}")
        if name == "renormalise" and text not in ("true", "false"):
            raise UsageError(f"--router {setting!r} must be renormalise=true or renormalise=false")
        if name == "score":
            values[name] = text
        elif name == "renormalise":
            values[name] = text == "true"
        else:
            values[name] = _zero_or_more(text, f"--router {name}")
    return Router(**values)


def _zero_or_more(text: str, name: str) -> float:
    return 0.0 if text == "0" else parse_quantity(text, name)


def _unique_tokens(text: str) -> str | int:
    return text if text.isalpha() else _tokens(text, "--unique-tokens")


def _tokens(text: str, name: str) -> int:
    """Return a number of tokens; 50M is one too."""
    number = parse_quantity(text, name)
    if number < 1:
        raise UsageError(f"{name} {text!r} is less than one token")
    return round(number)


def show(plan: Plan) -> None:
    """Print the plan: one line a run with target, actual and residual, then what was refused and what it means."""
    question = plan.question
    N = "as given" if question.total_params is None else format_quantity(question.total_params)
    budgets = ", ".join(f"{C:g}" for C in question.budgets) or "as given"
    print(
        f"{len(plan.runs)} {'run' if len(plan.runs) == 1 else 'runs'}: N = {N}, C = {budgets} FLOPs"
        f" ({question.flops_convention}), T = {question.seq_len}, recipe {plan.runs[0].recipe}\n"
    )
    print(cli.table(HEADER, [_row(run) for run in plan.runs]))
    for note in plan.notes:
        print(f"\nnote: {note}")
    for cell in plan.refused:
        print(f"refused: {cell.cell}: {cell.reason}", file=sys.stderr)


HEADER = (
    "run", "arm", "seed", "N", "dN", "r_a", "dr_a", "C", "dC", "D", "D/N", "epochs", "experts", "d_expert", "batch",
    "lr", "steps",
)  # fmt: skip


def _row(run: RunSpec) -> list[Any]:
    shape, training, target = run.shape, run.training, run.target
    return [
        run.run_id,
        run.arm,
        training.seed,
        format_quantity(run.N, 4),
        _residual(run.N, target.get("N"), 2),
        f"{run.r_a:.4f}",
        _residual(run.r_a, target.get("r_a"), 1),
        f"{run.C:.4g}",
        _residual(run.C, target.get("C"), 2),
        format_quantity(training.D, 4),
        f"{training.D / run.N:.3g}",
        f"{run.epochs:.3g}",
        None if shape.is_dense else f"{shape.top_k}/{shape.n_experts}",
        shape.d_expert or None,
        training.batch_tokens,
        f"{training.lr:.3g}",
        training.steps,
    ]


def _residual(actual: float, target: float | None, digits: int) -> str | None:
    """Return the relative error against the target, where there is one."""
    return None if target is None else f"{actual / target - 1:+.{digits}%}"


if __name__ == "__main__":
    sys.exit(main())
