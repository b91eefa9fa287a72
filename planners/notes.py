"""Sentences for the reader of a plan: what it can and cannot identify, and what moves along its rates."""

from collections.abc import Iterable, Iterator, Sequence

from planners.grid_cells import GridCell
from planners.matching.controls import CHINCHILLA, USUAL_RATIO
from planners.matching.frame import ALPHA
from planners.question import Question
from planners.recipes import RECIPES, SMALL, STEP_LAW
from planners.records.quantity import format_flops, format_quantity
from planners.spec import RunSpec

PlannedCell = tuple[GridCell, RunSpec]
"""A run and the cell that it was planned for."""
TOO_FEW, TOO_MANY = 2.0, 400.0
"""Tokens per parameter of a dense arm outside of which a plan says what would change them."""
MANY_SEEDS = 20
"""Largest single seed that a reader may have meant as a number of seeds."""
DISAGREEMENT = 2.0
"""Ratio of the results of two recipes above which a plan says that they disagree."""


def notes(question: Question, planned: Sequence[PlannedCell]) -> Iterator[str]:
    """Yield the notes on a plan, one or two sentences each."""
    runs = [run for _, run in planned]
    matched = [run for run in runs if run.role == "matched"]
    moe = [run for run in matched if not run.shape.is_dense]
    if question.is_matched:
        yield from _axes(question, matched, moe)
        yield from _moving(question, moe)
        yield from _bent(moe)
    yield from _controls(planned)
    yield from _tokens_per_parameter(matched)
    if len(question.seeds) == 1 and 2 <= question.seeds[0] <= MANY_SEEDS:
        number = question.seeds[0]
        several = ",".join(map(str, range(number)))
        yield f"--seeds {number} is one seed, numbered {number}; {number} seeds are --seeds {several}."
    if len(question.seeds) == 1:
        yield "One seed per arm: the plan cannot separate seed noise from the effect of r_a."
    yield from _extrapolated(planned)
    yield from _disagreements(planned)
    most = max(run.epochs for run in runs)
    if most > 4:
        yield f"Unique tokens are repeated up to {most:.3g} times; beyond about 4 epochs repetition is known to hurt."
    if not question.corpora:
        yield "The plan names no corpus, so it cannot be trained; plan again with --data stdlib, text:PATH or hf:NAME."


def _axes(question: Question, matched: Sequence[RunSpec], moe: Sequence[RunSpec]) -> Iterator[str]:
    """Say what each axis of the grid identifies."""
    per_parameter = [run.training.D / run.N for run in matched]
    span = f"D/N runs from {min(per_parameter):.3g} to {max(per_parameter):.3g}"
    if not moe:
        return
    if question.match == "N=D":
        yield "D and N are equal, so C follows the rate: a higher rate always costs more, and no rate is best for a C."
    elif question.match == "C=D":
        yield f"C and D are equal, so N follows the rate: lower rates are larger models. {span}."
    elif len({run.target.get("r_a", run.shape.top_k) for run in moe}) < 2:
        return
    elif len(question.budgets) == 1:
        (C,) = question.budgets
        others = ",".join(format_flops(C * factor) for factor in (1 / 3, 1, 3))
        yield (
            f"One line at a fixed C confounds r_a with tokens per parameter: {span} along it. Several budgets, such as"
            f" --budget {others}, can separate the two."
        )
    else:
        yield (
            f"A grid of r_a x C with {len(question.budgets)} budgets: along one budget r_a and tokens per parameter"
            " move together; along one arm only tokens per parameter move. A law of both can separate the two; one"
            f" curve of r_a per budget cannot. {span}."
        )


def _tokens_per_parameter(matched: Sequence[RunSpec]) -> Iterator[str]:
    """Say where the dense arm has absurdly few or many tokens, with the C or the N that would change it."""
    dense = {(run.N, run.training.D): run for run in matched if run.shape.is_dense}
    ratios = {run.training.D / run.N: run for run in dense.values()}
    for ratio, run in sorted(ratios.items()):
        if ratio in (min(ratios), max(ratios)) and not TOO_FEW <= ratio <= TOO_MANY:
            C = run.flops_per_token[run.flops_convention] * USUAL_RATIO * run.N
            N = run.N * (ratio / USUAL_RATIO) ** 0.5  # C is about proportional to D / N * N^2
            what = "too large for" if ratio < TOO_FEW else "small for"
            yield (
                f"The dense arm of N {format_quantity(run.N)} has {ratio:.3g} tokens per parameter, so it is {what} its"
                f" compute; {USUAL_RATIO:g} (arXiv 2203.15556) needs --budget {C:.2g} at this N, or about"
                f" --total-params {format_quantity(N, 2)} at C = {format_flops(run.C)}."
            )


def _moving(question: Question, moe: Sequence[RunSpec]) -> Iterator[str]:
    """Say what is not constant along the rates."""
    varied = {varied.field for varied in question.vary if len(varied.values) > 1}
    if question.hold == "aspect":
        yield "The backbone shrinks with r_a at fixed aspect ratios, so width, depth and mu move along the rates."
    elif question.match == "C=D":
        yield "All MoE arms have one width, depth, K and d_expert; the number of experts, and mu with it, follows r_a."
    elif question.activations and any(question.top_ks) and len({run.shape.d_expert for run in moe}) > 1:
        yield "K is fixed, so d_expert follows r_a and granularity drifts along the rates."
    elif not varied and len({run.shape.d_expert for run in moe if run.target["N"] == moe[0].target["N"]}) > 1:
        yield "d_expert differs between the MoE arms, so granularity drifts along the rates."


def _bent(moe: Sequence[RunSpec]) -> Iterator[str]:
    """Say where the dense layers of MoE arms are far from their usual width."""
    alphas = [run.shape.d_ff / run.shape.d_model for run in moe if run.shape.n_layers > run.shape.n_moe_layers]
    if alphas and (min(alphas) < ALPHA / 2 or max(alphas) > ALPHA * 2):
        span = f"{min(alphas):.2g}" if min(alphas) == max(alphas) else f"{min(alphas):.2g} to {max(alphas):.2g}"
        yield f"Dense layers of MoE arms take up what whole experts leave of N: d_ff / d_model is {span}, not {ALPHA}."


def _controls(planned: Sequence[PlannedCell]) -> Iterator[str]:
    """Say what dense controls are, and where the law behind the compute-optimal one was not fitted."""
    controls = [(cell, run) for cell, run in planned if run.role == "control"]
    if controls:
        yield "Dense controls have another N than the matched arms; exclude them from fits over r_a."
    optimal = [run.budget for cell, run in controls if cell.control and cell.control.is_optimal]
    if optimal:
        yield "Compute-optimal N follows Chinchilla's law as arXiv 2404.10102 fits it, whose N counts embeddings."
    low, high = CHINCHILLA.C_fitted
    out = sorted({C for C in optimal if not low <= C <= high})
    if out:
        at = ", ".join(map(format_flops, out))
        limits = f"{format_flops(low)} to {format_flops(high)}"
        yield f"That law was fitted from {limits} FLOPs: at C = {at} its N is an extrapolation."


def _extrapolated(planned: Sequence[PlannedCell]) -> Iterator[str]:
    """Say where Step Law decides the learning rate of models smaller than those it was fitted on."""
    ruled = [run for cell, run in planned if cell.recipe == "step-law" and cell.overrides.lr is None]
    small = sorted({run.N for run in ruled if run.role != "given" and STEP_LAW.smallest_N > run.N})
    if small:
        sizes = " to ".join(dict.fromkeys(map(format_quantity, (small[0], small[-1]))))
        fitted = f"Step Law was fitted on models of {format_quantity(STEP_LAW.smallest_N)} parameters and more"
        yield f"{fitted}: at N {sizes} its learning rate is an extrapolation, which --lr-check tests."


def _disagreements(planned: Iterable[PlannedCell]) -> Iterator[str]:
    """Say where recipes differ by more than `DISAGREEMENT` in learning rate or batch, with the widest case.

    Compared are the recipes made for models of the run's size, and the run's own.
    """
    worst: dict[str, tuple[float, str]] = {}
    own = [(cell, run) for cell, run in planned if run.role not in ("lr_check", "tuning")]
    cases = {(run.shape, run.training.D): (cell.recipe, run) for cell, run in own}
    for recipe, run in cases.values():
        C = float(run.training.D * run.flops_per_token["li2025"])
        made_for = ("small-scale",) if run.N < SMALL else ("step-law", "joint-moe", "ling")
        names = dict.fromkeys((*made_for, recipe))
        values = {name: RECIPES[name].rule(run.shape, run.training.D, C) for name in names}
        for index, what in enumerate(("learning rate", "batch")):
            low, high = (pick(names, key=lambda name: values[name][index]) for pick in (min, max))
            ratio = values[high][index] / values[low][index]
            if ratio > max(DISAGREEMENT, worst.get(what, (0.0,))[0]):
                span = ", ".join(f"{name} {format_quantity(values[name][index])}" for name in (low, high))
                worst[what] = (ratio, f"{run.arm} with D {format_quantity(run.training.D)}: {span}")
    for what, (ratio, case) in worst.items():
        yield f"Recipes disagree on the {what} by up to {ratio:.1f}x ({case})."
