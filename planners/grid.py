"""From a question to a plan: a run for every cell of the grid and every seed, the refusals, and the notes."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import ceil
from typing import TYPE_CHECKING

from planners.corpus import Corpus, CorpusDomain
from planners.grid_cells import GridCell, Row, rows
from planners.matching.arm import Refusal
from planners.matching.controls import parse_control
from planners.notes import PlannedCell, notes
from planners.plan_text import plan_summary, refusals
from planners.question import ALL, Question, epochs
from planners.records.errors import UsageError
from planners.records.notebook_repr import NotebookRepr
from planners.records.quantity import format_quantity
from planners.spec import Router, RunSpec, Training

if TYPE_CHECKING:
    from pandas import DataFrame

MIN_STEPS = 20
"""Fewest optimizer steps of a run; fewer do not train a model."""
OWN_SETTINGS = (
    "seq_len",
    "precision",
    "threads",
    "eval_windows",
    "eval_steps",
    "patience",
    "objective",
    "mask_share",
    "solved_at",
)
"""Fields of the question that a run's training takes as they are."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Plan(NotebookRepr):
    """The answer of the planner. `str()` of it is what the command prints."""

    question: Question
    """What was asked."""
    runs: tuple[RunSpec, ...]
    """Runs to train, by N, budget, unique tokens, seed and arm, each in the order asked for."""
    refused: tuple[Refusal, ...]
    """Cells that cannot be planned, each with its reason."""
    notes: tuple[str, ...]
    """Sentences on what the plan can and cannot identify."""

    def to_frame(self) -> "DataFrame":
        """Return one run a row: the fields of a line of plan.jsonl, nested ones with a dot, such as `shape.d_model`."""
        import pandas as pd

        return pd.json_normalize([run.to_line() for run in self.runs])

    def __repr__(self) -> str:
        return f"<Plan {self.question.study}: {len(self.runs)} runs, {len(self.refused)} refused>"

    def __str__(self) -> str:
        return "\n".join([plan_summary(self), *refusals(self)])


def make_plan(question: Question, corpus: Corpus | None = None, others: Mapping[str, Corpus] | None = None) -> Plan:
    """Return the runs that answer `question` on `corpus`; `others` are the corpora of its settings, by name.

    Matched arms are equal in what `question.match` names: N within tolerance, C or D within half a batch (under C=D
    only C, and D within the tolerance of N); the rest follows. Given arms are planned as they are. Raises UsageError
    where nothing can be planned.
    """
    if corpus is not None:
        question = replace(question, vocab_size=_vocabulary(question, corpus))
    grid = list(rows(question))
    _check_names(question, grid)
    planned: dict[str, PlannedCell] = {}
    refused: dict[Refusal, None] = {}
    corpora: dict[str | None, Corpus] = dict((others or {}).items())
    if corpus is not None:
        corpora[question.data] = corpus
    run_ids: dict[tuple[str, int], str] = {}
    for found in itertools.chain.from_iterable(_of_row(question, row, corpora, run_ids) for row in grid):
        if isinstance(found, Refusal):
            refused[found] = None
            continue
        run, other = found[1], planned.setdefault(found[1].run_id, found)
        if other is found or _is_shared(found, other):
            continue  # shared: such as the dense arm, which is the same under strict and fresh data
        if run.role == "matched" or run.arm != other[1].arm:
            refused[_collapsed(run, other[1])] = None
    if not planned:
        first = next(iter(refused))
        raise UsageError(f"nothing can be planned: {first.cell}: {first.reason}")
    runs = tuple(run for _, run in planned.values())
    said = (*(corpus.notes() if corpus else ()), *notes(question, tuple(planned.values())))
    return Plan(question=question, runs=runs, refused=tuple(refused), notes=said)


def _vocabulary(question: Question, corpus: Corpus) -> int:
    """Return the vocabulary of matched shapes; a masked objective needs one more token, padded to whole `align`."""
    if question.objective != "masked":
        return corpus.vocab_size
    return ceil((corpus.vocab_size + 1) / question.align) * question.align


def _of_row(
    question: Question, row: Row, corpora: Mapping[str | None, Corpus], run_ids: dict[tuple[str, int], str]
) -> Iterator[PlannedCell | Refusal]:
    """Yield the runs and refusals of a row, seed by seed; `run_ids` keeps the run of each arm and seed."""
    baselines = [cell for cell in row if isinstance(cell, GridCell) and cell.is_baseline]
    # the first baseline of each variant decides
    strict = {cell.variant.values("dense"): cell.D for cell in reversed(baselines)}
    for seed, cell in _seeded(question, row):
        if isinstance(cell, Refusal):
            yield cell
            continue
        if cell.role == "given" and seed not in cell.variant.question.seeds:
            continue
        cell = replace(cell, corpus=corpora.get(cell.variant.question.data))
        parent = run_ids.get((cell.parent, seed)) if cell.parent is not None else None
        if cell.parent is not None and parent is None:
            yield Refusal(cell=cell.name, reason=f"it starts from {cell.parent!r}, which has no run with seed {seed}")
            continue
        run = _run(cell, strict, seed, parent)
        if isinstance(run, RunSpec):
            run_ids[cell.label, seed] = run.run_id
        yield run if isinstance(run, Refusal) else (cell, run)


def _seeded(question: Question, row: Row) -> Iterator[tuple[int, GridCell | Refusal]]:
    """Yield each cell with each of its seeds: those of the row, then those that were added to it."""
    for seed, cell in itertools.product(_seeds(question, row), row):
        own = isinstance(cell, GridCell) and (cell.arm.is_outside or (cell.role == "tuning" and question.tune_seeds))
        if not own:
            yield seed, cell
    for cell in row:
        if isinstance(cell, GridCell):
            seeds = question.tune_seeds if cell.role == "tuning" else ()
            yield from ((seed, cell) for seed in dict.fromkeys((*seeds, *cell.added_seeds)))


def _check_names(question: Question, grid: list[Row]) -> None:
    """Refuse the names of arms, in controls, checks, reuse and tuning, that no row has."""
    names = [control.active_of for control in map(parse_control, question.controls) if control.active_of is not None]
    names += [name for name in (*question.lr_check, *question.repeat, *question.tune) if name != ALL]
    labels = {cell.label for row in grid for cell in row if isinstance(cell, GridCell)}
    names += [one.arm for one in question.arm_recipes if one.arm not in labels]
    _check_added(question, grid)
    cells = (cell for row in grid for cell in row if isinstance(cell, GridCell) and cell.role in ("matched", "given"))
    arms = {cell.arm.label: cell.arm for cell in cells} if names else {}
    for name in names:
        if not any(arm.is_called(name) for arm in arms.values()):
            raise UsageError(f"no arm of this plan is called {name!r}; there are {', '.join(arms)}")


def _check_added(question: Question, grid: list[Row]) -> None:
    """Refuse added runs that no cell answers to."""
    cells = [cell for row in grid for cell in row if isinstance(cell, GridCell) and cell.added_seeds]
    refused = [cell.cell for row in grid for cell in row if isinstance(cell, Refusal)]
    for one in question.added:
        found = any(set(one.seeds) <= set(cell.added_seeds) and one.is_at(cell.target.get("C")) for cell in cells)
        if not found and not any(one.arm in name for name in refused):
            C = "" if one.C is None else f" at C {one.C:g}"
            labels = dict.fromkeys(cell.label for row in grid for cell in row if isinstance(cell, GridCell))
            raise UsageError(
                f"no cell {one.arm!r}{C} can get more seeds; the cells are {', '.join(labels)}, and another K or rate,"
                " such as K6 or 0.17, is planned in addition"
            )


def _seeds(question: Question, row: Row) -> list[int]:
    """Return the seeds of a row: the given ones; with own seeds, budget number i adds i times their span."""
    C = next((cell.target["C"] for cell in row if isinstance(cell, GridCell) and "C" in cell.target), None)
    place = question.budgets.index(C) if question.own_seeds and C in question.budgets else 0
    span = max(question.seeds) - min(question.seeds) + 1
    given = [cell.variant.question.seeds for cell in row if isinstance(cell, GridCell) and cell.role == "given"]
    return list(dict.fromkeys([seed + place * span for seed in question.seeds] + list(itertools.chain(*given))))


Strict = dict[tuple[tuple[str, object], ...], int]
"""Varied values of a dense arm -> tokens that it consumes, which strict reuse takes as U."""


def _run(cell: GridCell, strict: Strict, seed: int, parent: str | None) -> RunSpec | Refusal:
    """Return the run of a cell, or why it cannot be planned; `strict` is about the dense arms of its row."""
    asked, numbers, corpus = cell.variant.question, cell.numbers, cell.corpus
    if MIN_STEPS * numbers.batch_tokens > cell.D:
        steps = cell.D / numbers.batch_tokens
        limit = f"only {steps:.3g} steps of {numbers.batch_tokens} tokens; {MIN_STEPS} is the least"
        return Refusal(cell=cell.name, reason=f"the budget pays for {limit}, so raise it or lower the batch")
    U = _unique(cell, strict)
    if isinstance(U, Refusal):
        return U
    if corpus is not None and (shortage := _shortage(cell, corpus, U)):
        return Refusal(cell=cell.name, reason=shortage)
    own = {name: getattr(asked, name) for name in OWN_SETTINGS}
    settings = {**vars(numbers), **own, **cell.variant.training}
    try:
        return RunSpec.build(
            study=asked.study,
            arm=cell.label,
            role=cell.role,
            series=cell.series,
            shape=cell.arm.shape,
            router=_router(cell),
            training=Training(D=cell.D, U=U, seed=seed, targets=cell.targets, init_from=parent, **settings),
            data=corpus.data if corpus else None,
            recipe=cell.recipe_label,
            flops_convention=asked.flops_convention,
            target={**cell.target, "U": float(U)} if cell.shares_unique else cell.target,
        )
    except UsageError as error:  # settings that exclude each other in this arm, such as renormalised gates and K = 1
        return Refusal(cell=cell.name, reason=str(error))


def _router(cell: GridCell) -> Router:
    """Return the router of a cell; roles know the domains of the corpus. Raises UsageError for top-p at a fixed C."""
    if cell.router.top_p is not None and cell.C is not None:
        raise UsageError(
            f"top_p {cell.router.top_p} decides the FLOPs of a token in training, so C cannot be fixed; give tokens (D)"
        )
    n_domains = max(1, len(cell.corpus.domains)) if cell.corpus else cell.router.domains
    return replace(cell.router, domains=n_domains) if cell.router.roles else cell.router


def _unique(cell: GridCell, strict: Strict) -> int | Refusal:
    """Return U in whole windows, at most D. Where arms are equal in U, an arm that consumes less is refused."""
    window, wanted, baseline = cell.variant.question.seq_len, cell.unique, cell.variant.values("dense")
    if wanted == "strict" and baseline not in strict:
        reason = "strict reuse takes U from the dense arm; ask for one (r_a 1 or K 0)"
        return Refusal(cell=cell.place, reason=reason)
    if isinstance(wanted, str):
        amount = strict[baseline] if wanted == "strict" else cell.D / (epochs(wanted) or 1)
    else:
        amount = wanted
    U = max(1, round(amount / window)) * window
    if cell.shares_unique and U > cell.D:
        reason = f"it consumes {cell.D} tokens, fewer than the {U} unique ones that all arms share"
        return Refusal(cell=cell.name, reason=f"{reason}; give fewer --unique-tokens")
    return min(cell.D, U)


def _shortage(cell: GridCell, corpus: Corpus, U: int) -> str | None:
    """Return what is wrong between corpus and run, or None. The last target of a split needs one token more than U."""
    asked, shape, name = cell.variant.question, cell.arm.shape, corpus.data.name
    if asked.objective == "answers" and not corpus.answers:
        return f"objective answers needs a corpus of generated tasks, and {name} marks no answers; give --data tasks"
    if corpus.answers and (longest := max(len(pattern.example) for pattern in corpus.answers)) > asked.seq_len:
        return f"a window of {asked.seq_len} tokens holds no whole example of {longest}; give --seq-len, or fewer steps"
    if shape.domains not in (0, max(1, len(corpus.domains))):
        return f"its shape has vectors for {shape.domains} domains, and {name} has {max(1, len(corpus.domains))}"
    if shape.vocab_size < corpus.vocab_size + (not shape.causal):
        return f"its vocabulary of {shape.vocab_size} is smaller than the {corpus.vocab_size} tokens of {name}"
    T = asked.seq_len
    if corpus.train_tokens <= U:
        limit = f"it needs {format_quantity(U)} unique tokens and {name} has {format_quantity(corpus.train_tokens)}"
        most = (corpus.train_tokens - 1) // T * T
        return f"{limit}; give --unique-tokens {most} to reuse data, or a larger corpus"
    if corpus.validation_tokens <= asked.eval_windows * T:
        limit = f"{asked.eval_windows} validation windows of {T} tokens are more than {name} has"
        have, most = format_quantity(corpus.validation_tokens), (corpus.validation_tokens - 1) // T
        needs = format_quantity(corpus.train_tokens / corpus.validation_tokens * asked.eval_windows * T, 2)
        return (
            f"{limit} ({have} tokens, in about one document of 13); give --eval-windows {most} or fewer, or a corpus of"
            f" about {needs} tokens"
        )
    shortages = (_domain_shortage(asked, domain, U) for domain in corpus.domains)
    return next(filter(None, shortages), None)


def _domain_shortage(question: Question, domain: CorpusDomain, U: int) -> str | None:
    """Return what one of several domains lacks for its share of U and of the validation windows, or None."""
    T, name = question.seq_len, f"the domain {domain.label}"
    unique, windows = domain.share * U / T, max(1, ceil(domain.share * question.eval_windows))
    if unique < 1:
        return (
            f"U {format_quantity(U)} leaves no whole window for {name}; give more --unique-tokens, or a larger weight"
        )
    if domain.train_tokens <= ceil(unique) * T:
        limit = f"it needs {format_quantity(ceil(unique) * T)} unique tokens of {name}, which has"
        return (
            f"{limit} {format_quantity(domain.train_tokens)}; give --unique-tokens to reuse data, or a smaller weight"
        )
    if domain.validation_tokens <= windows * T:
        return f"{windows} validation windows of {T} tokens are more than {name} has; give fewer --eval-windows"
    return None


def _is_shared(one: PlannedCell, other: PlannedCell) -> bool:
    """Return whether two cells with one run differ only in the unique tokens that were asked for."""
    targets = [{name: of.target[name] for name in of.target if name != "U"} for _, of in (one, other)]
    arms = [(cell.series, cell.arm.label) for cell, _ in (one, other)]
    return one[1].role == "matched" and targets[0] == targets[1] and arms[0] == arms[1]


def _collapsed(run: RunSpec, other: RunSpec) -> Refusal:
    """Return the refusal of a cell whose run equals another's because widths and batches are whole numbers."""
    asked = ", ".join(f"{name} {value:g}" for name, value in run.target.items() if other.target.get(name) != value)
    where = f"{run.arm} at C {run.budget:g}" + (f" ({asked})" if asked else "")
    return Refusal(cell=where, reason=f"it is the same run as {other.arm} at C {other.budget:g}, {other.run_id}")
