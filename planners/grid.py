"""From a question (budgets, rates, seeds) to a plan: the list of runs, what was refused, and what moves."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import ceil

from planners import flops
from planners.errors import UsageError
from planners.geometry import Frame
from planners.match import Arm, Refused, match_dense, match_moe
from planners.quantity import format_quantity
from planners.question import Corpus, CorpusDomain, GivenArm, Question
from planners.recipes import Hyperparameters, Overrides, default_recipe, disagreements, hyperparameters
from planners.spec import RunSpec, Training

MIN_STEPS = 20
"""Fewer optimizer steps than this are no training."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The answer of the planner."""

    question: Question
    """What was asked."""
    runs: tuple[RunSpec, ...]
    """Runs to train, by budget, seed and arm in the order asked for."""
    refused: tuple[Refused, ...]
    """Cells that cannot be had, each with its reason."""
    notes: tuple[str, ...]
    """What the plan does and does not identify, for the reader."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A run but for its seed: an arm at an amount of compute or of tokens."""

    arm: GivenArm
    """The shape and what stands in for the question's settings; either its C or its D is set."""
    target: dict[str, float]
    """What the run is held against: of N, C, D and r_a those that were asked for."""

    @property
    def name(self) -> str:
        """How a refusal names the cell."""
        amount = f"D {self.arm.D:g}" if self.arm.C is None else f"C {self.arm.C:g}"
        return f"{self.arm.label} at {amount}"


def make_plan(question: Question, corpus: Corpus | None = None) -> Plan:
    """Return the runs that answer `question` on `corpus`.

    Every matched arm has N = total_params within tolerance and C = budget within half a batch; D = C / M follows.
    Given arms are planned as they are. Raises UsageError where nothing can be planned.
    """
    if corpus is not None:
        question = replace(question, vocab_size=corpus.vocab_size)
    arms = list(_arms(question))
    found: list[RunSpec | Refused] = [arm for arm in arms if isinstance(arm, Refused)]
    matched = [_as_given(arm) for arm in arms if isinstance(arm, Arm)]
    everywhere = [arm for arm in question.arms if arm.C is None and arm.D is None]
    placed = [arm for arm in question.arms if arm.C is not None or arm.D is not None]
    for cells in [[_cell(question, replace(arm, C=C)) for arm in (*matched, *everywhere)] for C in question.budgets]:
        found += [_run(question, corpus, cell, seed, cells) for seed in question.seeds for cell in cells]
    found += [_run(question, corpus, _cell(question, arm), seed, []) for seed in question.seeds for arm in placed]
    runs, refused = _distinct(found)
    if not runs:
        raise UsageError(f"nothing can be planned: {refused[0].cell}: {refused[0].reason}")
    return Plan(question=question, runs=runs, refused=refused, notes=tuple(_notes(question, runs)))


def _arms(question: Question) -> Iterator[Arm | Refused]:
    N, frame = question.total_params, Frame(vocab_size=question.vocab_size, align=question.align)
    if N is None:
        return
    if question.wants_dense:
        yield match_dense(N, frame, question.dense)
    rates = [rate for rate in question.activations if rate < 1]
    top_ks = [top_k for top_k in question.top_ks if top_k > 0]
    if rates or top_ks:
        yield from match_moe(N, frame, question.moe, activations=rates, top_ks=top_ks)


def _as_given(arm: Arm) -> GivenArm:
    return GivenArm(label=arm.label, shape=arm.shape, r_a_target=arm.r_a_target)


def _cell(question: Question, arm: GivenArm) -> Cell:
    """Return the cell of an arm whose C or D is set."""
    asked = {"N": question.total_params, "C": arm.C, "D": arm.D, "r_a": arm.r_a_target}
    return Cell(arm=arm, target={name: value for name, value in asked.items() if value is not None})


def _run(question: Question, corpus: Corpus | None, cell: Cell, seed: int, beside: list[Cell]) -> RunSpec | Refused:
    """Return the run of `cell`, or why it cannot be had; `beside` are the cells of the same budget."""
    arm = cell.arm
    D, recipe, numbers = _tokens(question, arm)
    if MIN_STEPS * numbers.batch_tokens > D:
        limit = f"only {D / numbers.batch_tokens:.3g} steps of {numbers.batch_tokens} tokens; {MIN_STEPS} is the least"
        return Refused(cell=cell.name, reason=f"the budget pays for {limit}")
    U = _unique(question, cell, D, beside)
    if isinstance(U, Refused):
        return U
    if corpus is not None and (shortage := _shortage(question, corpus, arm, U)):
        return Refused(cell=cell.name, reason=shortage)
    training = Training(
        seq_len=question.seq_len,
        D=D,
        U=U,
        batch_tokens=numbers.batch_tokens,
        lr=numbers.lr,
        lr_floor=numbers.lr_floor,
        warmup_steps=numbers.warmup_steps,
        weight_decay=numbers.weight_decay,
        schedule=numbers.schedule,
        precision=question.precision,
        threads=question.threads,
        eval_windows=question.eval_windows,
        eval_steps=question.eval_steps,
        patience=question.patience,
        seed=seed,
    )
    return RunSpec.build(
        study=question.study,
        arm=arm.label,
        shape=arm.shape,
        router=arm.router or question.router,
        training=training,
        data=corpus.data if corpus else None,
        recipe=recipe,
        flops_convention=question.flops_convention,
        target=cell.target,
    )


def _shortage(question: Question, corpus: Corpus, arm: GivenArm, U: int) -> str | None:
    """Return what the corpus has too little or too much of; the last target of a split needs one token more."""
    name, windows = corpus.data.name, question.eval_windows
    if arm.shape.vocab_size < corpus.vocab_size:
        return f"its vocabulary of {arm.shape.vocab_size} is smaller than the {corpus.vocab_size} tokens of {name}"
    if corpus.train_tokens <= U:
        limit = f"it needs {format_quantity(U)} unique tokens and {name} has {format_quantity(corpus.train_tokens)}"
        return f"{limit}; give --unique-tokens to reuse data, or a larger corpus"
    if corpus.validation_tokens <= windows * question.seq_len:
        limit = f"{windows} validation windows of {question.seq_len} tokens are more than {name} has"
        have = format_quantity(corpus.validation_tokens)
        return f"{limit} ({have} tokens); give fewer --eval-windows, or a larger corpus"
    shortages = (_domain_shortage(question, domain, U) for domain in corpus.domains)
    return next(filter(None, shortages), None)


def _domain_shortage(question: Question, domain: CorpusDomain, U: int) -> str | None:
    """Return what one domain of several has too little of for its share of U and of the validation windows."""
    T, name = question.seq_len, f"the domain {domain.label}"
    unique, windows = domain.share * U / T, max(1, ceil(domain.share * question.eval_windows))
    if unique < 1:
        return f"U {format_quantity(U)} has no window of {name}; give more --unique-tokens, or a larger weight"
    if domain.train_tokens <= ceil(unique) * T:
        limit = f"it needs {format_quantity(ceil(unique) * T)} unique tokens of {name}, which has"
        return (
            f"{limit} {format_quantity(domain.train_tokens)}; give --unique-tokens to reuse data, or a smaller weight"
        )
    if domain.validation_tokens <= windows * T:
        return f"{windows} validation windows of {T} tokens are more than {name} has; give fewer --eval-windows"
    return None


def _distinct(found: list[RunSpec | Refused]) -> tuple[tuple[RunSpec, ...], tuple[Refused, ...]]:
    """Return runs and refusals, each once; a cell whose run is another's is refused."""
    runs: dict[str, RunSpec] = {}
    refused: dict[Refused, None] = {}
    for cell in found:
        if isinstance(cell, Refused):
            refused[cell] = None
        elif cell.run_id in runs:
            refused[_collapsed(cell, runs[cell.run_id])] = None
        else:
            runs[cell.run_id] = cell
    return tuple(runs.values()), tuple(refused)


def _collapsed(cell: RunSpec, other: RunSpec) -> Refused:
    """Return the refusal of a cell whose run is the same as another's, because widths and batches are whole."""
    asked = ", ".join(f"{name} {value:g}" for name, value in cell.target.items() if other.target.get(name) != value)
    where = f"{cell.arm} at C {cell.C:g}" + (f" ({asked})" if asked else "")
    return Refused(cell=where, reason=f"it is the same run as {other.arm} at C {other.C:g}, {other.run_id}")


def _tokens(question: Question, arm: GivenArm) -> tuple[int, str, Hyperparameters]:
    """Return (D, recipe, its numbers): D as given, or C / M, to the nearest whole batch."""
    recipe = question.recipe or default_recipe(question.total_params or arm.shape.N)
    overrides = Overrides(
        lr=arm.lr or question.lr,
        batch_tokens=arm.batch_tokens or question.batch_tokens,
        warmup_steps=arm.warmup_steps,
        weight_decay=question.weight_decay,
        schedule=question.schedule,
    )
    if arm.C is None:
        exact = float(arm.D or 0)
    else:
        exact = arm.C / flops.flops_per_token(arm.shape, question.seq_len, question.flops_convention)
    numbers = hyperparameters(recipe, arm.shape, exact, question.seq_len, overrides)
    return round(exact / numbers.batch_tokens) * numbers.batch_tokens, recipe, numbers


def _unique(question: Question, cell: Cell, D: int, beside: list[Cell]) -> int | Refused:
    """Return U in whole windows, never more than D."""
    scheme, window = cell.arm.U or question.unique_tokens, question.seq_len
    if scheme == "fresh":
        return D
    if scheme == "loose":
        wanted: float = D / 2
    elif scheme == "strict":
        dense = next((cell.arm for cell in beside if cell.arm.shape.is_dense), None)
        if dense is None:
            return Refused(
                cell=cell.name.split(" at ")[-1],
                reason="strict reuse takes U from the dense arm; ask for one (r_a 1 or K 0)",
            )
        wanted = _tokens(question, dense)[0]
    else:
        wanted = float(scheme)
    return min(D, max(1, round(wanted / window)) * window)


def _notes(question: Question, runs: tuple[RunSpec, ...]) -> Iterator[str]:
    moe = [run for run in runs if not run.shape.is_dense]
    if len(question.budgets) == 1 and len(moe) > 1:
        yield (
            "One line at a fixed C confounds r_a with tokens per parameter: D/N runs from "
            f"{min(r.training.D / r.N for r in runs):.3g} to {max(r.training.D / r.N for r in runs):.3g} along it."
        )
    if len({run.shape.d_expert for run in moe}) > 1 and not question.arms:
        yield "K is fixed, so d_expert follows r_a and granularity drifts along the rates."
    if len(question.seeds) == 1:
        yield "One seed per arm: noise between seeds cannot be told from the effect of r_a."
    yield from disagreements(runs)
    most = max(run.epochs for run in runs)
    if most > 4:
        yield f"Unique tokens are repeated up to {most:.3g} times; beyond about 4 epochs repeating is known to hurt."
    if question.data is None:
        yield "No corpus is named, so the plan cannot be trained; plan again with --data stdlib, text:PATH or hf:NAME."
