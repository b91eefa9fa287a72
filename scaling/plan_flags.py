"""The flags of `scaling.plan` that describe the question, and the Question that they make."""

import statistics
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from planners import Question, Router, Study, UsageError, preset
from planners.architecture.flops import CONVENTIONS
from planners.arm_settings import arm_recipes, by_arm, parse_added
from planners.defaults import Default, PerParameter, completed
from planners.matching.equal_params import HOLDS
from planners.matching.frame import Geometry
from planners.presets import PRESETS
from planners.presets.sized import SIZES as PRESET_SIZES
from planners.question import ALL, GRIDS, MATCHES
from planners.recipes import RECIPES
from planners.records.quantity import format_quantity, parse_count, parse_counts, parse_quantities, parse_quantity
from planners.spec import PRECISIONS, SCHEDULES
from planners.varied_fields import Varied, parse_varied
from scaling import cli
from scaling.flags import REPEATED, SWITCH, Flag, values


def _words(text: str, name: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(item.strip() for item in text.split(",")))


def _tokens(text: str, name: str) -> int:
    """Return a whole number of tokens, which may be written 50M."""
    number = parse_quantity(text, name)
    if number < 1:
        raise UsageError(f"{name} {text!r} is less than one token")
    return round(number)


def _unique_tokens(text: str, name: str) -> tuple[str | int, ...]:
    return tuple(item if item[0].isalpha() else _tokens(item, name) for item in _words(text, name))


def _budgets(text: str, name: str) -> tuple[float | PerParameter, ...]:
    """Return budgets in FLOPs; `20N` is 20 tokens per parameter of the dense arm."""
    return tuple(
        PerParameter(ratio=parse_quantity(item[:-1], name)) if item.endswith("N") else parse_quantity(item, name)
        for item in _words(text, name)
    )


def _slope(text: str, name: str) -> float | Path:
    return Path(text) if text.endswith(".json") else parse_quantity(text, name)


FLAGS = (
    Flag(name="match", extra={"choices": MATCHES}, help="what is equal in all arms (default N=C)"),
    Flag(name="hold", extra={"choices": HOLDS},
         help="what MoE arms keep at lower rates: the backbone (default), or only its aspect ratios"),
    Flag(name="budget", sets="budgets", read=_budgets, metavar="C,…",
         help="training compute in FLOPs: 1e18,3e18; or tokens per parameter of the dense arm: 20N. Alone it is enough:"
              " what else is needed has defaults, which the plan prints"),
    Flag(name="tokens", read=parse_quantities, metavar="D,…",
         help="tokens consumed, with --match N=D or C=D, or for the arms of a preset"),
    Flag(name="total-params", read=parse_quantities, metavar="N,…",
         help="parameters without the vocabulary: 100M"),
    Flag(name="activation", sets="activations", read=parse_quantities, metavar="R,…",
         help="activation rates, 1 is the dense arm: 1,0.5,0.2; K follows"),
    Flag(name="top-k", sets="top_ks", read=parse_counts, metavar="K,…",
         help="routed experts per token, 0 is the dense arm: 0,1,4; with --activation, d_expert follows"),
    Flag(name="seeds", read=parse_counts, metavar="S,…",
         help="seeds; each arm is trained once per seed (default 0)"),
    Flag(name="own-seeds", extra=SWITCH,
         help="use other seeds at each budget, so that budgets are independent"),
    Flag(name="add", sets="added", read=lambda texts, flag: tuple(parse_added(text, flag) for text in texts),
         metavar="ARM[@C]=S,…", extra=REPEATED,
         help="further seeds of one arm, at one budget or all: K4=3,4, K4@1e18=3; another K or rate is planned too:"
              " K6=0,1,2, 0.17=0,1,2; may be repeated"),
    Flag(name="grid", extra={"choices": GRIDS},
         help="which pairs of N and C: full (all, default), or L: the first N at every C and every N at the first C"),
    Flag(name="controls", read=_words, metavar="X,…",
         help="extra dense arms of another N: optimal (compute-optimal at C), active:ARM (as many as are active in ARM:"
              " active:K4, active:0.2)"),
    Flag(name="lr-check", read=_words, metavar="ARM,…", extra={"nargs": "?", "const": ALL},
         help="also plan these arms (alone: all) at sqrt(2) and 1/sqrt(2) times their learning rate"),
    Flag(name="repeat", read=_words, metavar="ARM,…", extra={"nargs": "?", "const": ALL},
         help="also plan these arms (alone: all) on the unique tokens of the dense arm (strict reuse)"),
    Flag(name="tune", read=_words, metavar="ARM,…", extra={"nargs": "?", "const": ALL},
         help="plan these arms (alone: all) at 1/2 and 2 times their learning rate and 1/4 to 4 times their batch"),
    Flag(name="tune-at", read=parse_quantities, metavar="C,…", help="with --tune: only at these budgets"),
    Flag(name="tune-seeds", read=parse_counts, metavar="S,…", help="with --tune: these seeds instead of the arms' own"),
    Flag(name="data", read=lambda text, _: None if text == "none" else text, metavar="NAME",
         help="corpus: stdlib, prose, tinystories, synthetic, tasks, text:PATH, hf:NAME_OR_FILE[,config=,split=,field=]"
              " or several as a=stdlib*0.7+b=text:PATH*0.3; tokens are bytes, or @bpe:SIZE, @gpt2, @PATH of a"
              " tokenizer.json; none: plan without a corpus"),
    Flag(name="unique-tokens", read=_unique_tokens, metavar="U,…",
         help="unique tokens: fresh (default, U = D), strict (U of the dense arm), loose or D/2 (two epochs), D/4 …, or"
         " numbers"),
    Flag(name="seq-len", read=parse_count, metavar="T", help="context length in tokens (default 128)"),
    Flag(name="vocab-size", read=parse_count, metavar="V",
         help="vocabulary size of a plan without a corpus (default 256)"),
    Flag(name="flops", sets="flops_convention", extra={"choices": CONVENTIONS},
         help="convention in which C is counted and matched (default exact)"),
    Flag(name="align", read=parse_count, metavar="W", help="make widths multiples of this (default 8)"),
    Flag(name="recipe", metavar="RULE",
         help=f"rule for learning rate and batch: {', '.join(RECIPES)} (default: the rule tuned nearest to N), or"
              " from:STUDY, which takes each arm's best from a study with --tune"),
    Flag(name="lr", read=by_arm, metavar="ETA",
         help="peak learning rate instead of the rule's: 0.002, or by arm: K6=0.004,dense=0.002"),
    Flag(name="batch-tokens", read=by_arm, metavar="B",
         help="batch size in tokens instead of the rule's, for all arms or by arm"),
    Flag(name="schedule", extra={"choices": SCHEDULES},
         help="learning rate after warm-up instead of the recipe's"),
    Flag(name="weight-decay", read=partial(parse_quantity, zero=True), metavar="W",
         help="weight decay instead of the recipe's; 0: none"),
    Flag(name="precision", extra={"choices": PRECISIONS}, help="of matrix products (default fp32)"),
    Flag(name="threads", read=parse_count, metavar="T",
         help="CPU threads per run; part of the run id (default 1)"),
    Flag(name="eval-windows", read=parse_count, metavar="W",
         help="validation windows for the loss (default 1024)"),
    Flag(name="eval-steps", read=parse_count, metavar="S",
         help="steps between evaluations (default: one evaluation, at the end)"),
    Flag(name="patience", read=parse_count, metavar="E",
         help="stop a run early after this many evaluations without a lower loss"),
    Flag(name="margin", read=parse_quantity, metavar="NATS",
         help="difference of loss that does not matter; it is fixed before the runs"),
    Flag(name="loss-slope", read=_slope, metavar="S",
         help="decrease of the loss per unit of ln C, or the fits.json of a law of N and D; shows dC in nats"),
)  # fmt: skip
"""The flags in the order of the help."""


def _sizes(prefix: str, who: str) -> tuple[Flag, ...]:
    """Return the flags that fix the sizes of one kind of arm."""
    sizes = (
        ("d-model", "D", f"width of {who} (default: matched)"),
        ("n-layers", "L", f"depth of {who} (default: matched)"),
        ("n-heads", "H", f"attention heads of {who} (default: by width)"),
    )
    return tuple(
        Flag(name=prefix + size, sets=size.replace("-", "_"), read=parse_count, metavar=metavar, help=text)
        for size, metavar, text in sizes
    )


SIZES = {
    "moe": (
        *_sizes("", "the MoE backbone"),
        Flag(name="d-expert", read=parse_count, metavar="D", help="width of one routed expert (default: matched)"),
    ),
    "dense": _sizes("dense-", "the dense arm"),
}
"""Kind of arm -> flags that set fields of its `Geometry`."""
ALL_FLAGS = (
    Flag(name="preset", help=f"start from a named question, which other flags override: {', '.join(PRESETS)}"),
    Flag(name="size", metavar="SIZE", help=f"size of a preset that has several: {', '.join(PRESET_SIZES)}"),
    *FLAGS,
    *SIZES["moe"],
    *SIZES["dense"],
    Flag(
        name="router",
        metavar="NAME=VALUE",
        extra=REPEATED,
        help=f"router setting: {', '.join(Router.__dataclass_fields__)}",
    ),
    Flag(
        name="vary",
        metavar="FIELD=V,…",
        extra=REPEATED,
        help="cross these values of a field of the shape, router (router.NAME), training or recipe; a single value sets"
        " the field: norm=layernorm",
    ),
)
"""Every flag that `question` reads."""


def question(flags: cli.Flags) -> tuple[Question, tuple[Default, ...]]:
    """Return the question that the flags describe, and the defaults in it.

    A preset gives what the flags leave open; without one, the study that the folder of -o holds. Raises UsageError if a
    value cannot be read, something is missing, or flags contradict each other.
    """
    asked = values(flags, FLAGS)
    if flags.out is not None:
        asked["study"] = Path(flags.out).name
    if tuning_study(flags):
        asked.pop("recipe")  # each arm's own is known when the arms are
    start, held = _start(flags)
    _split_by_arm(asked, start)
    if "data" in asked and start is not None and any(setting.data for setting in start.settings):
        if asked["data"] is not None:
            raise UsageError(f"the settings of {start.study} name their corpora, so --data can only be none")
        asked["settings"] = tuple(replace(setting, data=None) for setting in start.settings)
    slope = asked.pop("loss_slope", None)
    if "vocab_size" in asked and asked.get("data", start and start.data):
        raise UsageError("--vocab-size is for a plan without a corpus; a corpus brings its own")
    asked["router"] = _router(flags.router or [], start.router if start else Router())
    own = {varied.field: varied for varied in map(parse_varied, flags.vary or [])}
    if len(own) < len(flags.vary or []):
        raise UsageError("a field is varied twice; give all its values in one --vary")
    asked["moe"] = _geometry(flags, "moe", start.moe if start else Geometry(), own)
    asked["dense"] = _geometry(flags, "dense", start.dense if start else Geometry(), own)
    freed: list[Default] = []
    if start is None:
        given = {**asked, "vary": tuple(own.values())}
    else:
        kept = {varied.field: varied for varied in start.vary}
        freed = [] if held else _free_sizes(flags, asked, start)
        asked["added"] = tuple(dict.fromkeys((*start.added, *asked.get("added", ()))))
        given = {**vars(start), **_reset(asked, start), **asked, "vary": tuple({**kept, **own}.values())}
    if given.get("data") and any(isinstance(budget, PerParameter) for budget in given.get("budgets", ())):
        from jobs.corpora import describe

        given["vocab_size"] = describe(given["data"]).vocab_size
    made, defaults = completed(given, gpu=flags.device is not None)
    if slope is not None:
        made = replace(made, loss_slope=fitted_slope(slope, made) if isinstance(slope, Path) else slope)
    return made, (*freed, *defaults)


def tuning_study(flags: cli.Flags) -> Study | None:
    """Return the study from which --recipe takes the best learning rates, or None."""
    kind, _, folder = (flags.recipe or "").partition(":")
    return Study(folder) if kind == "from" else None


def _start(flags: cli.Flags) -> tuple[Question | None, bool]:
    """Return the question that the flags change, and whether it is that of the study in the folder."""
    if flags.size and flags.preset is None:
        raise UsageError("--size is for a preset that has several sizes; name it with --preset")
    if flags.preset is not None:
        return preset(flags.preset, flags.size), False
    if flags.out is None or not Study(flags.out).question_path.is_file():
        return None, False
    return Study(flags.out).asked().question, True


def _split_by_arm(asked: dict[str, Any], start: Question | None) -> None:
    """Split learning rates and batches into one for all arms and those of single arms, which `start` may have too."""
    by_name = {name: asked.pop(name, {}) for name in ("lr", "batch_tokens")}
    asked |= {name: values[""] for name, values in by_name.items() if "" in values}
    if "batch_tokens" in asked:
        asked["batch_tokens"] = _tokens(f"{asked['batch_tokens']:.17g}", "--batch-tokens")
    own = {one.arm: one for one in (*(start.arm_recipes if start else ()), *arm_recipes(**by_name))}
    asked["arm_recipes"] = tuple(own.values())


def _free_sizes(flags: cli.Flags, asked: dict[str, Any], start: Question) -> list[Default]:
    """Drop from `asked` what a preset fixes for its N, widths and margin, if it asks for another N; return it."""
    if "total_params" in asked and start.arms and not (asked.get("activations") or asked.get("top_ks")):
        raise UsageError("the arms of this preset are given with their shapes, so drop --total-params, or give rates")
    N = asked.get("total_params", start.total_params)
    if (N if isinstance(N, tuple) else (N,)) == start.totals or not start.totals:
        return []
    sizes = " and ".join(map(format_quantity, start.totals))
    freed = []
    for arm, prefix in (("moe", ""), ("dense", "dense_")):
        for name, value in vars(getattr(start, arm)).items():
            if value is None or getattr(flags, prefix + name, None) is not None:
                continue
            asked[arm] = replace(asked[arm], **{name: None})
            flag = "--" + (prefix + name).replace("_", "-")
            freed.append(Default(flag=flag, value="matched", reason=f"the preset's {value:g} is for N {sizes}"))
    if start.margin is not None and "margin" not in asked:
        asked["margin"] = None
        reason = f"the preset's {start.margin:g} nats are for N {sizes}"
        freed.append(Default(flag="--margin", value="the worth of 5 % of C", reason=reason))
    return freed


def _reset(asked: dict[str, Any], start: Question) -> dict[str, Any]:
    """Return the preset fields that the given flags implicitly reset (for example --match N=D clears the budget)."""
    emptied: dict[str, Any] = {}
    if ("activations" in asked) != ("top_ks" in asked):  # either of them replaces both
        emptied |= {"activations": (), "top_ks": ()}
    if "match" in asked:  # a quantity that follows is not given
        amounts = {"N": ("total_params", None), "C": ("budgets", ()), "D": ("tokens", ())}
        emptied |= dict(amounts[letter] for letter in amounts if letter not in asked["match"])
    if "budgets" in asked or "tokens" in asked:  # the new amounts replace those of given arms
        emptied["arms"] = tuple(replace(arm, C=None, D=None) for arm in start.arms)
    return {name: value for name, value in emptied.items() if name not in asked}


def _router(settings: list[str], start: Router) -> Router:
    """Return the router `start` with the NAME=VALUE settings."""
    for setting in settings:
        varied = parse_varied(f"router.{setting}", flag="--router")
        if len(varied.values) > 1:
            raise UsageError(f"--router {setting!r} has several values; --vary router.{setting} crosses them")
        start = replace(start, **{varied.field.removeprefix("router."): varied.values[0]})
    return start


def _geometry(flags: cli.Flags, arm: str, start: Geometry, varied: dict[str, Varied]) -> Geometry:
    """Return the sizes that flags fix, and otherwise those of the preset `start` that are not varied."""
    prefix = "" if arm == "moe" else f"{arm}."
    kept = {name: None for name in vars(start) if prefix + name in varied}
    return replace(start, **{**kept, **values(flags, SIZES[arm])})


def fitted_slope(path: Path, question: Question) -> float:
    """Return the decrease of the loss in nats per unit of ln C, beta B / D^beta, from the law fitted in `path`.

    D = C / 6 N are the tokens of a dense arm at the geometric mean of the question's budgets and N. Raises UsageError
    for a fit without B and beta, and for a question without C and N.
    """
    from fits.study import read_fits

    found = read_fits(path)
    params = [fit.params for fit in found.fits if {"B", "beta"} <= set(fit.params)] if found else []
    B, beta = (params[0][name].value for name in ("B", "beta")) if params else (None, None)
    if B is None or beta is None:
        raise UsageError(f"{path} holds no fit with B and beta, which a slope needs; give a number")
    if not question.budgets or not question.totals:
        raise UsageError("a slope from a fit needs C and N; give --loss-slope as a number")
    D = statistics.geometric_mean(question.budgets) / 6 / statistics.geometric_mean(question.totals)
    return float(beta * B / D**beta)
