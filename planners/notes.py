"""What a plan does and does not identify, and what moves in it, for the reader."""

from collections.abc import Iterator, Sequence

from planners.matching.controls import CHINCHILLA
from planners.matching.frame import ALPHA
from planners.question import Question
from planners.recipes import STEP_LAW, disagreements
from planners.records.quantity import format_flops, format_quantity
from planners.spec import RunSpec


def notes(question: Question, runs: Sequence[RunSpec]) -> Iterator[str]:
    """Return one sentence or two for each thing that a reader of the plan should know."""
    matched = [run for run in runs if run.role == "matched"]
    moe = [run for run in matched if not run.shape.is_dense]
    if question.is_matched:
        yield from _axes(question, matched, moe)
        yield from _moving(question, moe)
        yield from _bent(moe)
    yield from _controls(runs)
    if len(question.seeds) == 1:
        yield "One seed per arm: noise between seeds cannot be told from the effect of r_a."
    yield from _extrapolated(question, runs)
    yield from disagreements([run for run in runs if run.role not in ("lr_check", "tuning")])
    most = max(run.epochs for run in runs)
    if most > 4:
        yield f"Unique tokens are repeated up to {most:.3g} times; beyond about 4 epochs repeating is known to hurt."
    if question.data is None:
        yield "No corpus is named, so the plan cannot be trained; plan again with --data stdlib, text:PATH or hf:NAME."


def _axes(question: Question, matched: Sequence[RunSpec], moe: Sequence[RunSpec]) -> Iterator[str]:
    """Say what each axis of the grid identifies."""
    per_parameter = [run.training.D / run.N for run in matched]
    span = f"D/N runs from {min(per_parameter):.3g} to {max(per_parameter):.3g}"
    if not moe:
        return
    if question.match == "N=D":
        yield "D and N are equal, so C follows the rate: a higher rate always costs more, and none can be best for a C."
    elif question.match == "C=D":
        yield f"C and D are equal, so N follows the rate: lower rates are larger models. {span}."
    elif len({run.target.get("r_a", run.shape.top_k) for run in moe}) < 2:
        return
    elif len(question.budgets) == 1:
        (C,) = question.budgets
        others = ",".join(format_flops(C * factor) for factor in (1 / 3, 1, 3))
        yield (
            f"One line at a fixed C confounds r_a with tokens per parameter: {span} along it. Several budgets, such as"
            f" --budget {others}, could tell the two apart."
        )
    else:
        yield (
            f"A grid of r_a x C with {len(question.budgets)} budgets: along one budget r_a and tokens per parameter"
            " move together, along one arm tokens per parameter move alone, so that a law of both could tell the two"
            f" apart; curves of r_a, one a budget, do not. {span}."
        )


def _moving(question: Question, moe: Sequence[RunSpec]) -> Iterator[str]:
    """Say what is not held along the rates."""
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


def _controls(runs: Sequence[RunSpec]) -> Iterator[str]:
    """Say what dense controls are, and where the law behind the compute-optimal one was not fitted."""
    controls = [run for run in runs if run.role == "control"]
    if controls:
        yield "Dense controls have another N than the matched arms; no fit over r_a should count them."
    optimal = [run.budget for run in controls if run.arm.startswith("dense optimal")]
    if optimal:
        yield "Compute-optimal N is by Chinchilla's law as arXiv 2404.10102 fits it, whose N counts embeddings."
    out = sorted({C for C in optimal if not CHINCHILLA.C_fitted[0] <= C <= CHINCHILLA.C_fitted[1]})
    if out:
        limits = " to ".join(map(format_flops, CHINCHILLA.C_fitted))
        at = ", ".join(map(format_flops, out))
        yield f"That law was fitted from {limits} FLOPs: at C = {at} its N is an extrapolation."


def _extrapolated(question: Question, runs: Sequence[RunSpec]) -> Iterator[str]:
    """Say where Step Law decides the learning rate of models smaller than those it was fitted on."""
    ruled = [run for run in runs if run.recipe == "step-law" and run.role != "given" and question.lr is None]
    small = sorted({run.N for run in ruled if STEP_LAW.smallest_N > run.N})
    if small:
        sizes = " to ".join(format_quantity(N) for N in dict.fromkeys((small[0], small[-1])))
        fitted = f"Step Law was fitted on models of {format_quantity(STEP_LAW.smallest_N)} parameters and more"
        yield f"{fitted}: at N {sizes} its learning rate is an extrapolation, which --lr-check tests."
