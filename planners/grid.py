"""From a question (budgets, rates, seeds) to a plan: the list of runs, what was refused, and what moves."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from planners import flops
from planners.errors import UsageError
from planners.match import Arm, Geometry, Refused, match_dense, match_moe
from planners.quantity import format_quantity
from planners.recipes import RECIPES, Hyperparameters, Overrides, default_recipe, disagreements, hyperparameters
from planners.spec import Data, Router, RunSpec, Training

MIN_STEPS = 20
"""Fewer optimizer steps than this are no training."""

UNIQUE = ("fresh", "strict", "loose")
"""Named amounts of unique tokens: all; what the dense arm of the budget consumes; half of D (arXiv 2506.12119)."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """What was asked of the planner. Stored as `study.json`; the same question gives the same plan."""

    study: str
    """Name of the study."""
    total_params: float
    """N that every arm is matched to."""
    budgets: tuple[float, ...]
    """Training compute C, in FLOPs under `flops_convention`; one or several."""
    activations: tuple[float, ...] = ()
    """Target rates r_a; 1 is the dense arm."""
    top_ks: tuple[int, ...] = ()
    """K of the MoE arms; 0 is the dense arm."""
    seeds: tuple[int, ...] = (0,)
    """Each arm is trained once per seed; arms of one seed share initial state and data order."""
    data: str | None = None
    """Corpus: stdlib, text:PATH, hf:NAME; null plans without one."""
    vocab_size: int = 256
    """Vocabulary of a plan that names no corpus; a corpus brings its own."""
    unique_tokens: str | int = "fresh"
    """fresh, strict, loose, or a number of tokens."""
    seq_len: int = 128
    """Context length T."""
    flops_convention: str = "exact"
    """Convention that C is matched under."""
    align: int = 8
    """Widths are multiples of this."""
    recipe: str | None = None
    """Rule for learning rate and batch; null takes the one tuned nearest to N."""
    lr: float | None = None
    """Constant learning rate instead of the rule's."""
    batch_tokens: int | None = None
    """Constant batch instead of the rule's."""
    router: Router = field(default_factory=Router)
    """How tokens are routed."""
    moe: Geometry = field(default_factory=Geometry)
    """Fixed sizes of the MoE backbone."""
    dense: Geometry = field(default_factory=Geometry)
    """Fixed sizes of the dense arm."""
    precision: str = "fp32"
    """fp32 or bf16."""
    threads: int = 1
    """CPU threads per run."""
    eval_windows: int = 1024
    """Validation windows that the loss is measured on."""
    margin: float | None = None
    """Difference of loss in nats that does not matter; fixed before the runs."""

    def __post_init__(self) -> None:
        if not self.activations and not self.top_ks:
            raise UsageError("give activation rates (1 is dense) or top-k values (0 is dense), or both")
        for rate in self.activations:
            if not 0 < rate <= 1:
                raise UsageError(f"activation rate {rate:g} is outside (0, 1]; it is the active share of parameters")
        if self.flops_convention not in flops.CONVENTIONS:
            raise UsageError(f"FLOPs convention {self.flops_convention!r} is not one of {', '.join(flops.CONVENTIONS)}")
        if isinstance(self.unique_tokens, str) and self.unique_tokens not in UNIQUE:
            raise UsageError(f"unique tokens {self.unique_tokens!r} must be a number or one of {', '.join(UNIQUE)}")
        if self.recipe is not None and self.recipe not in RECIPES:
            raise UsageError(f"recipe {self.recipe!r} is not one of {', '.join(RECIPES)}")

    @property
    def wants_dense(self) -> bool:
        """Whether the dense arm was asked for."""
        return 1 in self.activations or 0 in self.top_ks


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """What a planner must know of a corpus."""

    data: Data
    """Name and fingerprint."""
    vocab_size: int
    """Size of its vocabulary."""
    train_tokens: int
    """Tokens of its training split."""
    validation_tokens: int
    """Tokens of its validation split."""


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


def make_plan(question: Question, corpus: Corpus | None = None) -> Plan:
    """Return the runs that answer `question` on `corpus`.

    Every arm has N = total_params within tolerance and C = budget within half a batch; D = C / M follows.
    Raises UsageError where nothing can be planned.
    """
    if corpus is not None:
        question = replace(question, vocab_size=corpus.vocab_size)
    arms = list(_arms(question))
    cells: list[RunSpec | Refused] = [arm for arm in arms if isinstance(arm, Refused)]
    matched = [arm for arm in arms if isinstance(arm, Arm)]
    for C in question.budgets:
        for seed in question.seeds:
            cells += [_run(question, corpus, arm, C, seed, matched) for arm in matched]
    known: dict[str, RunSpec] = {}
    refused: dict[Refused, None] = {}
    for cell in cells:
        if isinstance(cell, Refused):
            refused[cell] = None
        elif cell.run_id in known:
            refused[_collapsed(cell, known[cell.run_id])] = None
        else:
            known[cell.run_id] = cell
    runs = tuple(known.values())
    if not runs:
        first = next(iter(refused))
        raise UsageError(f"nothing can be planned: {first.cell}: {first.reason}")
    return Plan(question=question, runs=runs, refused=tuple(refused), notes=tuple(_notes(question, runs)))


def _arms(question: Question) -> Iterator[Arm | Refused]:
    N, vocab_size, align = question.total_params, question.vocab_size, question.align
    if question.wants_dense:
        yield match_dense(N, vocab_size, question.dense, align)
    rates = [rate for rate in question.activations if rate < 1]
    top_ks = [top_k for top_k in question.top_ks if top_k > 0]
    if rates or top_ks:
        yield from match_moe(N, vocab_size, activations=rates, top_ks=top_ks, fixed=question.moe, align=align)


def _run(
    question: Question, corpus: Corpus | None, arm: Arm, C: float, seed: int, arms: list[Arm]
) -> RunSpec | Refused:
    """Return the run of `arm` at compute C, or why it cannot be had."""
    cell = f"{arm.label} at C {C:g}"
    D, recipe, batch = _tokens(question, arm, C)
    if MIN_STEPS * batch.batch_tokens > D:
        limit = f"only {D / batch.batch_tokens:.3g} steps of {batch.batch_tokens} tokens; {MIN_STEPS} is the least"
        return Refused(cell=cell, reason=f"the budget pays for {limit}")
    U = _unique(question, D, C, arms)
    if isinstance(U, Refused):
        return U
    if corpus is not None and (shortage := _shortage(question, corpus, U)):
        return Refused(cell=cell, reason=shortage)
    training = Training(
        seq_len=question.seq_len,
        D=D,
        U=U,
        batch_tokens=batch.batch_tokens,
        lr=batch.lr,
        lr_floor=batch.lr_floor,
        warmup_steps=batch.warmup_steps,
        weight_decay=batch.weight_decay,
        precision=question.precision,
        threads=question.threads,
        eval_windows=question.eval_windows,
        seed=seed,
    )
    target = {"N": question.total_params, "C": C}
    if arm.r_a_target is not None:
        target["r_a"] = arm.r_a_target
    return RunSpec.build(
        study=question.study,
        arm=arm.label,
        shape=arm.shape,
        router=question.router,
        training=training,
        data=corpus.data if corpus else None,
        recipe=recipe,
        flops_convention=question.flops_convention,
        target=target,
    )


def _shortage(question: Question, corpus: Corpus, U: int) -> str | None:
    """Return what the corpus has too little of; the last target of a split needs one token more."""
    name, windows = corpus.data.name, question.eval_windows
    if corpus.train_tokens <= U:
        limit = f"it needs {format_quantity(U)} unique tokens and {name} has {format_quantity(corpus.train_tokens)}"
        return f"{limit}; give --unique-tokens to reuse data, or a larger corpus"
    if corpus.validation_tokens <= windows * question.seq_len:
        limit = f"{windows} validation windows of {question.seq_len} tokens are more than {name} has"
        have = format_quantity(corpus.validation_tokens)
        return f"{limit} ({have} tokens); give fewer --eval-windows, or a larger corpus"
    return None


def _collapsed(cell: RunSpec, other: RunSpec) -> Refused:
    """Return the refusal of a cell whose run is the same as another's, because widths and batches are whole."""
    asked = ", ".join(f"{name} {value:g}" for name, value in cell.target.items() if other.target.get(name) != value)
    where = f"{cell.arm} at C {cell.target['C']:g}" + (f" ({asked})" if asked else "")
    return Refused(cell=where, reason=f"it is the same run as {other.arm} at C {other.target['C']:g}, {other.run_id}")


def _tokens(question: Question, arm: Arm, C: float) -> tuple[int, str, Hyperparameters]:
    """Return (D, recipe, its numbers): D = C / M to the nearest whole batch."""
    recipe = question.recipe or default_recipe(question.total_params)
    overrides = Overrides(lr=question.lr, batch_tokens=question.batch_tokens)
    exact = C / flops.flops_per_token(arm.shape, question.seq_len, question.flops_convention)
    numbers = hyperparameters(recipe, arm.shape, exact, question.seq_len, overrides)
    return round(exact / numbers.batch_tokens) * numbers.batch_tokens, recipe, numbers


def _unique(question: Question, D: int, C: float, arms: list[Arm]) -> int | Refused:
    """Return U in whole windows, never more than D."""
    scheme, window = question.unique_tokens, question.seq_len
    if scheme == "fresh":
        return D
    if scheme == "loose":
        wanted: float = D / 2
    elif scheme == "strict":
        dense = next((arm for arm in arms if arm.shape.is_dense), None)
        if dense is None:
            return Refused(
                cell=f"C {C:g}", reason="strict reuse takes U from the dense arm; ask for one (r_a 1 or K 0)"
            )
        wanted = _tokens(question, dense, C)[0]
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
    if len({run.shape.d_expert for run in moe}) > 1:
        yield "K is fixed, so d_expert follows r_a and granularity drifts along the rates."
    if len(question.seeds) == 1:
        yield "One seed per arm: noise between seeds cannot be told from the effect of r_a."
    yield from disagreements(runs)
    most = max(run.epochs for run in runs)
    if most > 4:
        yield f"Unique tokens are repeated up to {most:.3g} times; beyond about 4 epochs repeating is known to hurt."
    if question.data is None:
        yield "No corpus is named, so the plan cannot be trained; plan again with --data stdlib, text:PATH or hf:NAME."
