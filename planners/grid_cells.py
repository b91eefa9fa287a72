"""The cells of a question's grid: every arm at every amount of compute, tokens and unique tokens, without its seed.

question -> variants -> rows of cells -> runs (`planners.grid`). A row holds what is compared: one N, one C or D, one
amount of unique tokens, all arms.
"""

import itertools
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from planners.architecture.flops import flops_per_token
from planners.architecture.shape import Shape
from planners.corpus import Corpus
from planners.given_arms import GivenArm
from planners.matching.arm import PlannedArm, Refusal
from planners.matching.controls import Control, control_arm, parse_control
from planners.matching.equal_flops import match_dense_flops, match_moe_flops
from planners.matching.equal_params import match_dense, match_moe
from planners.matching.frame import Frame
from planners.question import ALL, Question
from planners.recipes import Hyperparameters, Overrides, default_recipe, hyperparameters
from planners.records.errors import UsageError
from planners.records.quantity import format_quantity
from planners.spec import Router, targets_of
from planners.tokens_for_compute import tokens_for_compute, whole_batches
from planners.variants import Variant, variants


@dataclass(frozen=True, kw_only=True)
class GridCell:
    """A run without its seed."""

    variant: Variant
    """The question with its varied fields set."""
    arm: PlannedArm
    """The arm as it was matched or given."""
    label: str
    """Name of the run's arm: the arm's own label, then varied values, the row, and settings of its own."""
    role: str
    """matched, given, control, lr_check or tuning."""
    control: Control | None = None
    """Which control the arm is; null for all other arms."""
    series: str
    """What is varied besides the rate."""
    target: dict[str, float]
    """What the run is compared with: of N, C, D and r_a, what was asked for."""
    C: float | None
    """Training compute in FLOPs, from which D follows; null where D is given."""
    D_given: float | None
    """Tokens consumed, where they are given."""
    unique: str | int
    """fresh, strict, loose, D/4 (four epochs), or a number of unique tokens."""
    router: Router
    """How tokens are routed."""
    overrides: Overrides
    """Numbers that replace those of the recipe."""
    is_repeated: bool = False
    """Whether it repeats the data of a cell that is planned on fresh data too."""
    added_seeds: tuple[int, ...] = ()
    """Seeds in addition to those of the question."""
    parent: str | None = None
    """Label of the arm whose run with the same seed it starts from."""
    corpus: Corpus | None = None
    """The corpus that it reads; null in a plan without one."""

    @property
    def place(self) -> str:
        """The amounts of the cell's row, as text."""
        return ", ".join(f"{name} {self.target[name]:g}" for name in ("C", "D") if name in self.target)

    @property
    def name(self) -> str:
        """What a refusal calls the cell."""
        return f"{self.label} at {self.place}"

    @property
    def is_baseline(self) -> bool:
        """Whether strict reuse may take U from this arm."""
        return self.arm.shape.is_dense and self.role in ("matched", "given")

    @property
    def shares_unique(self) -> bool:
        """Whether arms are also equal in their unique tokens."""
        return self.variant.question.match == "N=C=U" and self.role != "given"

    @cached_property
    def recipe(self) -> str:
        """Name of the rule for learning rate and batch: one for all matched arms of a row, even where N differs."""
        N = self.target.get("N", self.arm.shape.N)
        if {"C", "D"} <= set(self.target):
            N = self.target["C"] / self.target["D"] / 6
        return self.variant.question.recipe or default_recipe(N)

    @property
    def recipe_label(self) -> str:
        """The rule, and what was given instead of following it."""
        given = {"lr": self.overrides.lr, "batch": self.overrides.batch_tokens}
        names = [name for name, value in given.items() if value]
        return f"{self.recipe}, {' and '.join(names)} given" if names else self.recipe

    @cached_property
    def numbers(self) -> Hyperparameters:
        """What the recipe and the overrides decide."""
        seq_len = self.variant.question.seq_len
        return hyperparameters(self.recipe, self.arm.shape, self._exact_tokens, seq_len, self.overrides)

    @cached_property
    def D(self) -> int:
        """Tokens consumed, in whole batches."""
        return whole_batches(self._exact_tokens, self.numbers.batch_tokens)

    @cached_property
    def _exact_tokens(self) -> float:
        """Tokens as given, or C / M."""
        asked = self.variant.question
        if self.C is None:
            return float(self.D_given or 0)
        return tokens_for_compute(self.C, self.arm.shape, asked.seq_len, asked.flops_convention, self.targets)

    @property
    def targets(self) -> float | None:
        """Predicted tokens of a window; null: all of them, or not known without a corpus."""
        asked = self.variant.question
        answers = self.corpus.answers_in(asked.seq_len) if self.corpus else None
        return targets_of(asked.objective, asked.mask_share, asked.seq_len, answers)


Arms = list[PlannedArm | Refusal]
Row = list[GridCell | Refusal]
Candidate = tuple[Variant, GridCell | Refusal]


def rows(question: Question) -> Iterator[Row]:
    """Return the rows of the grid by N, then C or D, then unique tokens; given arms with their own amount come last.

    Raises UsageError for sizes that contradict each other.
    """
    options = variants(question)
    lone = len(options) * len(question.totals) <= 1
    for N in question.totals or (None,):
        arms: list[Arms] = []
        for C, D in _amounts(question, N):
            if not arms or question.match == "C=D":
                arms = [_arms(variant, N, C, D, lone) for variant in options]
            place = {name: value for name, value in (("N", N), ("C", C), ("D", D)) if value is not None}
            for unique in question.unique:
                yield _row(question, list(zip(options, arms, strict=True)), place, unique)
    placed = [arm for arm in question.arms if arm.has_amount]
    for unique in question.unique:
        yield [_given(variant, arm, {}, unique) for variant in options for arm in placed]


Amounts = Iterator[tuple[float | None, float | None]]


def _amounts(question: Question, N: float | None) -> Amounts:
    """Return the pairs (C, D) of the rows of size N; both are set only where N follows from them."""
    pairs = _all_amounts(question, N)
    return itertools.islice(pairs, 1) if question.grid == "L" and N not in question.totals[:1] else pairs


def _all_amounts(question: Question, N: float | None) -> Amounts:
    budgets = question.budgets
    if question.by_size and N is not None:
        count, place = len(budgets) // len(question.totals), question.totals.index(N)
        budgets = budgets[place * count : (place + 1) * count]
    if question.match == "C=D" and question.is_matched:
        yield from itertools.product(budgets, question.tokens)
    else:
        yield from ((C, None) for C in budgets)
        yield from ((None, D) for D in question.tokens)


def _arms(variant: Variant, N: float | None, C: float | None, D: float | None, lone: bool) -> Arms:
    """Return the matched arms of a variant; a variant with impossible sizes is refused unless it is the only one."""
    try:
        arms = list(_matched_arms(variant, N, C, D))
        return arms if N is None else arms + list(_outside_arms(variant.question, variant.frame, N, arms))
    except UsageError as error:
        if lone:
            raise
        return [Refusal(cell="all arms", reason=str(error))]


def _matched_arms(
    variant: Variant, N: float | None, C: float | None, D: float | None
) -> Iterator[PlannedArm | Refusal]:
    asked, frame = variant.question, variant.frame
    rates = tuple(rate for rate in asked.activations if rate < 1)
    top_ks = tuple(top_k for top_k in asked.top_ks if top_k > 0)
    if N is not None and asked.wants_dense:
        yield match_dense(N, frame, asked.dense)
    if N is not None and (rates or top_ks):
        yield from match_moe(N, frame, asked.moe, activations=rates, top_ks=top_ks, hold=asked.hold)
    if N is None and C is not None and D is not None:

        def cost(shape: Shape) -> int:
            return flops_per_token(shape, asked.seq_len, asked.flops_convention)

        if asked.wants_dense:
            yield match_dense_flops(C / D, frame, asked.dense, cost)
        if rates:
            yield from match_moe_flops(C / D, frame, asked.moe, cost, activations=rates, top_ks=top_ks)


def _outside_arms(asked: Question, frame: Frame, N: float, arms: Arms) -> Iterator[PlannedArm | Refusal]:
    """Yield the arms that `added` names and the grid does not have, with the backbone and the experts of the grid."""
    planned = [arm for arm in arms if isinstance(arm, PlannedArm)]
    names = dict.fromkeys(added.arm for added in asked.added)
    widths = {arm.shape.d_expert for arm in planned if not arm.shape.is_dense}
    fixed = replace(asked.moe, d_expert=widths.pop(), granularity=None) if len(widths) == 1 else asked.moe
    for name in names:
        if any(arm.is_called(name) for arm in planned):
            continue
        K, rate = (re.fullmatch(form, name) for form in (r"K(\d+)", r"0?\.\d+"))
        if name == "dense":
            found: Iterable[PlannedArm | Refusal] = [match_dense(N, frame, asked.dense)]
        elif K or rate:
            one = {"activations": (float(name),) if rate else (), "top_ks": (int(K[1]),) if K else ()}
            found = match_moe(N, frame, fixed, **one, hold=asked.hold)
        else:
            continue
        outside = [replace(arm, is_outside=True) if isinstance(arm, PlannedArm) else arm for arm in found]
        planned += [arm for arm in outside if isinstance(arm, PlannedArm)]
        yield from outside


def _row(question: Question, found: list[tuple[Variant, Arms]], place: dict[str, float], unique: str | int) -> Row:
    """Return the cells of one row: matched arms, given ones, controls, then those with settings of their own."""
    cells = list(_once(_candidates(question, found, place, unique)))
    planned = [cell for cell in cells if isinstance(cell, GridCell)]
    cells += [_repeated(cell) for cell in planned if _is_named(cell, question.repeat)]
    checked = [cell for cell in planned if cell.role != "control" and _is_named(cell, question.lr_check)]
    tuned = [cell for cell in planned if _is_tuned(question, cell)]
    cells += [other for cell in checked for other in _other_rates(cell)]
    cells += [other for cell in tuned for other in _tuning(cell)]
    return [_with_added(question, cell) if isinstance(cell, GridCell) else cell for cell in cells]


def _is_tuned(question: Question, cell: GridCell) -> bool:
    """Return whether the arm of the cell is also planned with other learning rates and batches."""
    is_here = not question.tune_at or cell.target.get("C") in question.tune_at
    return is_here and not cell.is_repeated and _is_named(cell, question.tune)


def _with_added(question: Question, cell: GridCell) -> GridCell:
    """Return the cell with the seeds that `added` names for it."""
    is_tuned = cell.role != "tuning" and cell.role != "lr_check" and _is_tuned(question, cell)
    rule = question.tune_seeds if is_tuned else ()  # the rule's own pair is one of those that are compared
    added = [one for one in question.added if one.is_at(cell.target.get("C")) and _answers_to(cell, one.arm)]
    seeds = dict.fromkeys((*rule, *(seed for one in added for seed in one.seeds)))
    return replace(cell, added_seeds=tuple(seeds)) if seeds else cell


def _answers_to(cell: GridCell, name: str) -> bool:
    """Return whether `name` means this cell: its whole label, or for an arm of the grid the name of the arm."""
    is_plain = cell.role in ("matched", "given") and not cell.is_repeated
    return cell.label == name or (is_plain and cell.arm.is_called(name))


def _candidates(
    question: Question, found: list[tuple[Variant, Arms]], place: dict[str, float], unique: str | int
) -> Iterator[Candidate]:
    suffix = _suffix(question, place, unique)
    for variant, arms in found:
        yield from ((variant, _cell(variant, arm, place, unique, suffix)) for arm in arms)
    for (variant, _), given in itertools.product(found, question.arms):
        if not given.has_amount:
            yield variant, _given(variant, given, place, unique)
    amounts = {name: place[name] for name in place if name != "N"}
    for (variant, arms), control in itertools.product(found, map(parse_control, question.controls)):
        matched = [arm for arm in arms if isinstance(arm, PlannedArm)]
        arm = control_arm(control, matched, place.get("C"), variant.frame, variant.question.dense)
        # the compute-optimal control is the same at every N, so its label does not name one
        suffix = _suffix(question, amounts if control.is_optimal else place, unique)
        yield variant, _cell(variant, arm, amounts, unique, suffix, control)


def _once(candidates: Iterable[Candidate]) -> Iterator[GridCell | Refusal]:
    """Yield each cell once: what is varied does not concern all arms (experts do not concern the dense one)."""
    owners: dict[str, Variant] = {}
    for variant, cell in candidates:
        name = cell.cell if isinstance(cell, Refusal) else cell.label
        if owners.setdefault(name, variant) is variant:
            yield cell


def _suffix(question: Question, place: dict[str, float], unique: str | int) -> str:
    """Return what a label says about the row, where the arms of several rows would have equal labels otherwise."""
    N = f" N={format_quantity(place['N'])}" if len(question.totals) > 1 and "N" in place else ""
    U = unique if isinstance(unique, str) else format_quantity(unique)
    return N + (f" U={U}" if len(question.unique) > 1 else "")


def _cell(
    variant: Variant,
    arm: PlannedArm | Refusal,
    target: dict[str, float],
    unique: str | int,
    suffix: str,
    control: Control | None = None,
) -> GridCell | Refusal:
    """Return the cell of a matched arm or of a control."""
    if isinstance(arm, Refusal):
        return replace(arm, cell=variant.name(arm.cell, "moe") + suffix)
    C, kind = target.get("C"), "dense" if arm.shape.is_dense else "moe"
    return GridCell(
        variant=variant,
        arm=arm,
        label=variant.name(arm.label, kind) + suffix,
        role="control" if control else "matched",
        control=control,
        series=variant.series(kind),
        target=target if arm.r_a_target is None else {**target, "r_a": arm.r_a_target},
        C=C,
        D_given=target.get("D") if C is None else None,
        unique=unique,
        router=variant.question.router,
        overrides=_overrides(variant.question, None, arm, is_control=control is not None),
    )


def _given(variant: Variant, arm: GivenArm, place: dict[str, float], unique: str | int) -> GridCell:
    """Return the cell of a given arm, at its own amount or at that of the row."""
    variant = replace(variant, question=variant.question.of_arm(arm))
    amount = {"C": arm.C, "D": arm.D} if arm.has_amount else {"C": None, "D": None, **place}
    target = {**place, **amount, "r_a": arm.r_a_target}
    return GridCell(
        variant=variant,
        arm=PlannedArm(label=arm.label, shape=arm.shape, r_a_target=arm.r_a_target),
        label=variant.name(arm.label, "given"),
        role="given",
        series=" ".join(filter(None, (arm.setting, variant.series("given")))),
        target={name: value for name, value in target.items() if value is not None},
        C=amount["C"],
        D_given=amount["D"] if amount["C"] is None else None,
        unique=arm.U or unique,
        router=arm.router or variant.question.router,
        overrides=_overrides(variant.question, arm, PlannedArm(label=arm.label, shape=arm.shape, r_a_target=None)),
        parent=arm.parent,
    )


def _overrides(question: Question, given: GivenArm | None, arm: PlannedArm, *, is_control: bool = False) -> Overrides:
    """Return the numbers that replace those of the recipe: of a given arm, else of the arm's own recipe, else of all.

    A control has another N, so it takes only a recipe that names its whole label.
    """
    named = (one for one in question.arm_recipes if arm.label == one.arm or (not is_control and arm.is_called(one.arm)))
    sources = [source for source in (given, next(named, None), question) if source]
    return Overrides(
        lr=next((source.lr for source in sources if source.lr), None),
        batch_tokens=next((source.batch_tokens for source in sources if source.batch_tokens), None),
        warmup_steps=given.warmup_steps if given else None,
        weight_decay=question.weight_decay,
        schedule=question.schedule,
    )


def _is_named(cell: GridCell, names: tuple[str, ...]) -> bool:
    return (ALL in names and not cell.arm.is_outside) or any(cell.arm.is_called(name) for name in names)


def _repeated(cell: GridCell) -> GridCell:
    """Return the cell on as many unique tokens as the dense arm of its row consumes (strict reuse)."""
    return replace(cell, label=f"{cell.label} U=strict", unique="strict", is_repeated=True)


def _other_rates(cell: GridCell) -> Iterator[GridCell]:
    """Return the cell at sqrt(2) times its learning rate and at 1 / sqrt(2) of it."""
    for sign, factor in (("*", math.sqrt(2)), ("/", 1 / math.sqrt(2))):
        overrides = replace(cell.overrides, lr=cell.numbers.lr * factor)
        yield _with(cell, f"lr{sign}1.41", "lr_check", overrides)


def _tuning(cell: GridCell) -> Iterator[GridCell]:
    """Return the cell at half and twice its learning rate, and at a quarter, half, twice and four times its batch.

    Every arm has seven runs, itself included, so all are tuned with equal effort. A batch is at least one sequence:
    eight and sixteen times the batch replace those below one.
    """
    rule, window = cell.numbers, cell.variant.question.seq_len
    own = max(1, round(rule.batch_tokens / window))
    others = dict.fromkeys(max(1, round(share * own)) for share in (0.25, 0.5, 2.0, 4.0, 8.0, 16.0))
    batches = [windows for windows in others if windows != own][:4]
    for rate, windows in ((0.5, own), (2.0, own), *((1.0, windows) for windows in batches)):
        overrides = replace(cell.overrides, lr=rule.lr * rate, batch_tokens=window * windows)
        yield _with(cell, f"lr{rate:g} b{window * windows}", "tuning", overrides)


def _with(cell: GridCell, name: str, role: str, overrides: Overrides) -> GridCell:
    """Return the cell with numbers of its own, which its label and its series name."""
    series = f"{cell.series} {name}".strip()
    return replace(cell, label=f"{cell.label} {name}", role=role, control=None, series=series, overrides=overrides)
