"""From a question to a plan: a run for every cell of the grid and every seed, what was refused, and what moves."""

import itertools
from dataclasses import dataclass, replace
from math import ceil

from planners.cells import Cell, Row, rows
from planners.matching.controls import ACTIVE, OPTIMAL, is_called
from planners.matching.tolerance import Refused
from planners.notes import notes
from planners.question import ALL, Corpus, CorpusDomain, Question
from planners.records.errors import UsageError
from planners.records.quantity import format_quantity
from planners.spec import RunSpec, Training

MIN_STEPS = 20
"""Fewer optimizer steps than this are no training."""
OWN_SETTINGS = ("seq_len", "precision", "threads", "eval_windows", "eval_steps", "patience")
"""Fields of the question that a run's training takes as they are."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The answer of the planner."""

    question: Question
    """What was asked."""
    runs: tuple[RunSpec, ...]
    """Runs to train, by N, budget, unique tokens, seed and arm, each in the order asked for."""
    refused: tuple[Refused, ...]
    """Cells that cannot be had, each with its reason."""
    notes: tuple[str, ...]
    """What the plan does and does not identify, for the reader."""


def make_plan(question: Question, corpus: Corpus | None = None) -> Plan:
    """Return the runs that answer `question` on `corpus`.

    Matched arms are equal in what `question.match` names: N within tolerance, C or D within half a batch (under C=D
    only C, and D within the tolerance of N); the rest follows. Given arms are planned as they are. Raises UsageError
    where nothing can be planned.
    """
    if corpus is not None:
        question = replace(question, vocab_size=corpus.vocab_size)
    grid = list(rows(question))
    _check_names(question, grid)
    runs: dict[str, RunSpec] = {}
    refused: dict[Refused, None] = {}
    for row in grid:
        strict = {cell.dense_name: cell.D for cell in reversed(row) if isinstance(cell, Cell) and cell.is_baseline}
        for seed, cell in itertools.product(_seeds(question, row), row):
            run = cell if isinstance(cell, Refused) else _run(cell, strict, seed, corpus)
            if isinstance(run, Refused):
                refused[run] = None
            elif run.run_id not in runs:
                runs[run.run_id] = run
            elif _is_shared(run, runs[run.run_id]):
                continue  # such as the dense arm, which is the same under strict and fresh data
            elif run.role == "matched" or run.arm != runs[run.run_id].arm:
                refused[_collapsed(run, runs[run.run_id])] = None
    if not runs:
        first = next(iter(refused))
        raise UsageError(f"nothing can be planned: {first.cell}: {first.reason}")
    planned = tuple(runs.values())
    return Plan(question=question, runs=planned, refused=tuple(refused), notes=tuple(notes(question, planned)))


def _check_names(question: Question, grid: list[Row]) -> None:
    """Refuse names of arms, in controls, checks, reuse and tuning, that no row has."""
    names = [control.removeprefix(ACTIVE) for control in question.controls if control != OPTIMAL]
    names += [name for name in (*question.lr_check, *question.repeat, *question.tune) if name != ALL]
    cells = (cell for row in grid for cell in row if isinstance(cell, Cell) and cell.role in ("matched", "given"))
    arms = {cell.base.label: cell.base for cell in cells} if names else {}
    for name in names:
        if not any(is_called(arm, name) for arm in arms.values()):
            raise UsageError(f"no arm of this plan is called {name!r}; there are {', '.join(arms)}")


def _seeds(question: Question, row: Row) -> list[int]:
    """Return the seeds of a row: those asked for, or for budget number i those plus i times their span."""
    C = next((cell.target["C"] for cell in row if isinstance(cell, Cell) and "C" in cell.target), None)
    place = question.budgets.index(C) if question.own_seeds and C in question.budgets else 0
    span = max(question.seeds) - min(question.seeds) + 1
    return [seed + place * span for seed in question.seeds]


def _run(cell: Cell, strict: dict[str, int], seed: int, corpus: Corpus | None) -> RunSpec | Refused:
    """Return the run of a cell, or why it cannot be had; `strict` holds what the dense arms of its row consume."""
    asked, numbers = cell.variant.question, cell.numbers
    if MIN_STEPS * numbers.batch_tokens > cell.D:
        steps = cell.D / numbers.batch_tokens
        limit = f"only {steps:.3g} steps of {numbers.batch_tokens} tokens; {MIN_STEPS} is the least"
        return Refused(cell=cell.name, reason=f"the budget pays for {limit}")
    U = _unique(cell, strict)
    if isinstance(U, Refused):
        return U
    if corpus is not None and (shortage := _shortage(cell, corpus, U)):
        return Refused(cell=cell.name, reason=shortage)
    own = {name: getattr(asked, name) for name in OWN_SETTINGS}
    settings = {**vars(numbers), **own, **cell.variant.training}
    try:
        return RunSpec.build(
            study=asked.study,
            arm=cell.arm.label,
            role=cell.role,
            series=cell.series,
            shape=cell.arm.shape,
            router=cell.arm.router or asked.router,
            training=Training(D=cell.D, U=U, seed=seed, **settings),
            data=corpus.data if corpus else None,
            recipe=cell.recipe_label,
            flops_convention=asked.flops_convention,
            target={**cell.target, "U": float(U)} if cell.shares_unique else cell.target,
        )
    except UsageError as error:  # settings that exclude each other in this arm, such as renormalised gates and K = 1
        return Refused(cell=cell.name, reason=str(error))


def _unique(cell: Cell, strict: dict[str, int]) -> int | Refused:
    """Return U in whole windows, never more than D; all arms of a cell whose U is matched must have the same."""
    window, wanted = cell.variant.question.seq_len, cell.unique
    if wanted == "strict" and cell.dense_name not in strict:
        where = cell.name.split(" at ")[-1]
        return Refused(cell=where, reason="strict reuse takes U from the dense arm; ask for one (r_a 1 or K 0)")
    named = {"fresh": cell.D, "loose": cell.D / 2, "strict": strict.get(cell.dense_name, 0)}
    amount = named[wanted] if isinstance(wanted, str) else wanted
    U = max(1, round(amount / window)) * window
    if cell.shares_unique and U > cell.D:
        reason = f"it consumes {cell.D} tokens, fewer than the {U} unique ones that all arms share"
        return Refused(cell=cell.name, reason=f"{reason}; give fewer --unique-tokens")
    return min(cell.D, U)


def _shortage(cell: Cell, corpus: Corpus, U: int) -> str | None:
    """Return what the corpus has too little or too much of; the last target of a split needs one token more."""
    asked, shape, name = cell.variant.question, cell.arm.shape, corpus.data.name
    if shape.vocab_size < corpus.vocab_size:
        return f"its vocabulary of {shape.vocab_size} is smaller than the {corpus.vocab_size} tokens of {name}"
    if corpus.train_tokens <= U:
        limit = f"it needs {format_quantity(U)} unique tokens and {name} has {format_quantity(corpus.train_tokens)}"
        return f"{limit}; give --unique-tokens to reuse data, or a larger corpus"
    if corpus.validation_tokens <= asked.eval_windows * asked.seq_len:
        limit = f"{asked.eval_windows} validation windows of {asked.seq_len} tokens are more than {name} has"
        have = format_quantity(corpus.validation_tokens)
        return f"{limit} ({have} tokens); give fewer --eval-windows, or a larger corpus"
    shortages = (_domain_shortage(asked, domain, U) for domain in corpus.domains)
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


def _is_shared(run: RunSpec, other: RunSpec) -> bool:
    """Whether two cells that are one run were asked to differ in no more than their unique tokens."""
    asked, had = ({name: of.target[name] for name in of.target if name != "U"} for of in (run, other))
    return run.role == "matched" and asked == had and run.series == other.series and _base(run) == _base(other)


def _base(run: RunSpec) -> str:
    """Return the label of an arm without what is said of its data."""
    return run.arm.partition(" ")[0]


def _collapsed(run: RunSpec, other: RunSpec) -> Refused:
    """Return the refusal of a cell whose run is the same as another's, because widths and batches are whole."""
    asked = ", ".join(f"{name} {value:g}" for name, value in run.target.items() if other.target.get(name) != value)
    where = f"{run.arm} at C {run.budget:g}" + (f" ({asked})" if asked else "")
    return Refused(cell=where, reason=f"it is the same run as {other.arm} at C {other.budget:g}, {other.run_id}")
