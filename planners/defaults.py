"""What a plan takes where a person gives one number: each default with its reason and the flag that changes it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from planners.architecture.flops import flops_per_token
from planners.matching.arm import PlannedArm, Refusal
from planners.matching.controls import CHINCHILLA, USUAL_RATIO
from planners.matching.equal_params import match_dense, match_moe
from planners.question import Question
from planners.records.errors import UsageError
from planners.records.quantity import format_flops, format_quantity
from planners.variants import variants

RATES = (0.5, 0.3, 0.2, 0.14, 0.1, 0.07)
"""Rates of MoE arms on both sides of the published optimum of 0.2 (arXiv 2506.12119), highest first."""
NEXT_BEST = 0.17
"""Rate below the published optimum of a backbone that does not reach 0.14."""
LEAST = 300e3
"""Smallest default N; the backbones of smaller models reach no rate below 0.2."""
LARGE, MEDIUM = 50e6, 5e6
"""N from which a plan takes the context and vocabulary of language models, and N below which it takes the smallest."""
SEEDS = (0, 1, 2)


@dataclass(frozen=True, kw_only=True)
class Default:
    """A value that was not given."""

    flag: str
    """The flag that gives another value."""
    value: str
    """The value, as the flag takes it."""
    reason: str
    """Why this value."""

    def __str__(self) -> str:
        return f"{self.flag} {self.value}: {self.reason}"


@dataclass(frozen=True, kw_only=True)
class PerParameter:
    """A budget in tokens per parameter of the dense arm, which `20N` writes."""

    ratio: float
    """D / N of the dense arm."""


def completed(asked: Mapping[str, Any], *, gpu: bool = False) -> tuple[Question, tuple[Default, ...]]:
    """Return the question that `asked`, some fields of it, describes, and the defaults that complete it.

    Where N or the rates are missing, all of N, rates, context, vocabulary, precision and seeds have defaults that suit
    the budget; a question with both has the defaults of `Question`. `gpu` says whether the runs are planned for a GPU,
    which means bf16. The budgets of `asked` may hold `PerParameter`. Raises UsageError where neither N nor C nor D is
    given, and for N without a budget.
    """
    given = {"study": "plan", **asked}
    is_short = not (given.get("total_params") and (given.get("activations") or given.get("top_ks")))
    defaults: list[Default] = []
    if is_short and not given.get("arms"):
        _check_amounts(given)
        defaults += _fill(given, _size(given), gpu)
    elif gpu and "precision" not in given:
        defaults += _fill(given, {}, gpu)
    if any(isinstance(budget, PerParameter) for budget in given.get("budgets", ())):
        given["budgets"] = tuple(_compute(given))
        given["by_size"] = len(_sizes(given)) > 1
    if is_short and not given.get("arms") and not given.get("activations") and not given.get("top_ks"):
        rates, reason = _rates(given)
        given["activations"] = rates
        place = 1 if defaults and defaults[0].flag == "--total-params" else 0
        defaults.insert(
            place, Default(flag="--activation", value=",".join(f"{rate:g}" for rate in rates), reason=reason)
        )
    return Question(**given), tuple(defaults)


def _check_amounts(given: Mapping[str, Any]) -> None:
    """Refuse a question without any amount, and one that gives only half of what decides D."""
    if given.get("budgets") or given.get("tokens"):
        return
    if not given.get("total_params"):
        raise UsageError("give the training compute: --budget 1e20 is enough; or the parameters: --total-params 3B")
    first = _sizes(given)[0]
    each = format_flops(6 * USUAL_RATIO * first**2)
    raise UsageError(
        f"N {format_quantity(first)} alone does not say how long to train; give --budget {USUAL_RATIO:g}N"
        f" ({USUAL_RATIO:g} tokens per parameter of the dense arm, about {each} FLOPs), or a budget in FLOPs"
    )


def _size(given: dict[str, Any]) -> dict[str, tuple[Any, str]]:
    """Return the default of N, if N is missing and the question needs it: field -> value and reason."""
    if given.get("total_params") or "N" not in given.get("match", "N=C"):
        return {}
    if given.get("budgets"):
        if any(isinstance(budget, PerParameter) for budget in given["budgets"]):
            raise UsageError("a budget in tokens per parameter, such as 20N, needs the parameters; give --total-params")
        C = _middle(given["budgets"])
        optimal = CHINCHILLA.optimal_N(C)
        if optimal < LEAST:
            reason = (
                "the smallest model whose backbone reaches rates below 0.2; the compute optimum of a dense model is"
            )
            return {"total_params": (LEAST, f"{reason} {format_quantity(optimal, 2)} (arXiv 2404.10102)")}
        N = _with_low_rates(given, optimal)
        reason = f"near the compute optimum of a dense model at C = {format_flops(C)}, by Chinchilla's law as fitted in"
        outside = "" if CHINCHILLA.C_fitted[0] <= C <= CHINCHILLA.C_fitted[1] else "; an extrapolation of that law"
        return {"total_params": (N, f"{reason} arXiv 2404.10102{outside}")}
    D = _middle(given["tokens"])
    reason = f"{USUAL_RATIO:g} tokens per parameter (arXiv 2203.15556) at D = {format_quantity(D)}"
    return {"total_params": (float(f"{D / USUAL_RATIO:.2g}"), reason)}


def _with_low_rates(given: Mapping[str, Any], N: float) -> float:
    """Return the size nearest to N, in two digits, whose backbone reaches a rate below 0.2; N where none near it does.

    Widths of small models come in large steps, so not every size has such a backbone.
    """
    sizes = [float(f"{N * factor:.2g}") for factor in (1, 0.8, 1.3, 0.65, 1.6)]
    low = (size for size in sizes if _reaches(_trial({**given, "total_params": size}), size, NEXT_BEST))
    return next(low, sizes[0])


def _middle(values: tuple[float, ...]) -> float:
    """Return the middle of the budgets, the lower one of two."""
    return sorted(values)[(len(values) - 1) // 2]


FLAG_OF = {
    "total_params": "--total-params", "seq_len": "--seq-len", "vocab_size": "--vocab-size", "precision": "--precision",
    "seeds": "--seeds",
}  # fmt: skip


def _fill(given: dict[str, Any], found: dict[str, tuple[Any, str]], gpu: bool) -> Iterator[Default]:
    """Set the missing fields of `given` and yield their defaults; `found` is the default of N."""
    wanted = dict(found)
    sizes = given.get("total_params") or (found["total_params"][0] if found else None)
    short = not (given.get("total_params") and (given.get("activations") or given.get("top_ks")))
    if short:
        N = _middle(sizes if isinstance(sizes, tuple) else (sizes,)) if sizes else _implied(given)
        wanted |= _settings(N, has_corpus=given.get("data") is not None)
        wanted["seeds"] = (SEEDS, "three runs of each arm, so that sampling noise can be told from the effect of r_a")
    if gpu:
        wanted["precision"] = ("bf16", "a GPU is named")
    for name, (value, reason) in wanted.items():
        if name not in given:
            given[name] = value
            yield Default(flag=FLAG_OF[name], value=_written(name, value), reason=reason)


def _implied(given: Mapping[str, Any]) -> float:
    """Return about the N that C and D imply."""
    return float(_middle(given["budgets"]) / 6 / _middle(given["tokens"]))


def _settings(N: float, *, has_corpus: bool) -> dict[str, tuple[Any, str]]:
    """Return context, vocabulary and precision for models of N parameters: field -> value and reason."""
    scale = "language models of 50M parameters and more" if N >= LARGE else f"models of {format_quantity(N)}"
    T, vocabulary = (2048, 32_768) if N >= LARGE else (1024, 8192) if N >= MEDIUM else (128, 256)
    found: dict[str, tuple[Any, str]] = {"seq_len": (T, f"usual for {scale}")}
    if not has_corpus:
        reason = "so that the head is not most of the FLOPs" if N < LARGE else "no corpus is named, which has its own"
        found["vocab_size"] = (vocabulary, reason)
    if N >= LARGE:
        found["precision"] = ("bf16", f"{scale} are trained on GPUs")
    else:
        found["precision"] = ("fp32", "no GPU is named; --device NAME makes it bf16")
    return found


def _written(name: str, value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return format_quantity(value) if name == "total_params" else str(value)


def _compute(given: Mapping[str, Any]) -> Iterator[float]:
    """Yield the budgets in FLOPs, size by size. Tokens per parameter become C = M * ratio * N of the dense arm."""
    variant = variants(_trial(given))[0]
    asked = variant.question
    for N in _sizes(given):
        dense = match_dense(N, variant.frame, asked.dense)
        if isinstance(dense, Refusal):
            raise UsageError(f"no dense arm of {format_quantity(N)} parameters can be planned: {dense.reason}")
        C_at_ratio_1 = flops_per_token(dense.shape, asked.seq_len, asked.flops_convention) * dense.shape.N
        for budget in given["budgets"]:
            is_ratio = isinstance(budget, PerParameter)
            yield float(f"{C_at_ratio_1 * budget.ratio:.4g}") if is_ratio else budget


def _sizes(given: Mapping[str, Any]) -> tuple[float, ...]:
    """Return the values of N."""
    N = given["total_params"]
    return N if isinstance(N, tuple) else (N,)


def _trial(given: Mapping[str, Any]) -> Question:
    """Return the question with placeholders where it is not complete."""
    budgets = tuple(1e18 if isinstance(budget, PerParameter) else budget for budget in given.get("budgets", ()))
    rates = {} if given.get("activations") or given.get("top_ks") else {"activations": (1.0, *RATES)}
    return Question(**{**given, "budgets": budgets, **rates, "controls": (), "lr_check": (), "repeat": (), "tune": ()})


def _rates(given: Mapping[str, Any]) -> tuple[tuple[float, ...], str]:
    """Return the dense arm and the rates of RATES that the backbone reaches, and the reason."""
    reason = "a bracket around the published optimum of 0.2 (arXiv 2506.12119)"
    trial = _trial(given)
    if "N" not in trial.match:
        return (1.0, *RATES[:4]), reason
    reached = [rate for rate in RATES if all(_reaches(trial, N, rate) for N in trial.totals)]
    if 0.14 not in reached and all(_reaches(trial, N, NEXT_BEST) for N in trial.totals):
        reached = sorted((*reached, NEXT_BEST), reverse=True)
    if set(RATES) - set(reached):
        lost = ", ".join(f"{rate:g}" for rate in RATES if rate not in reached)
        reason += f"; {lost} cannot be reached by this backbone"
    if not reached:
        N = format_quantity(min(trial.totals))
        raise UsageError(f"no rate below 1 can be planned for N {N}; give more --total-params or a smaller --align")
    return (1.0, *reached), reason


def _reaches(trial: Question, N: float, rate: float) -> bool:
    rates = tuple(sorted({*RATES, rate}, reverse=True))
    variant = variants(replace(trial, activations=(1.0, *rates), top_ks=()))[0]
    try:
        found = match_moe(N, variant.frame, variant.question.moe, activations=rates, top_ks=(), hold=trial.hold)
    except UsageError:
        return False
    return isinstance(found[rates.index(rate)], PlannedArm)
