"""The cells of a question's grid: every arm at every amount of compute, tokens and unique tokens, but for its seed.

A row of the grid is what is compared: one N, one C or D, one amount of unique tokens, all arms.
"""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from planners.architecture.flops import flops_per_token
from planners.architecture.shape import Shape
from planners.matching.controls import ACTIVE, control_arm, is_called
from planners.matching.equal_flops import match_dense_flops, match_moe_flops
from planners.matching.equal_params import match_dense, match_moe
from planners.matching.tolerance import Arm, Refused
from planners.question import ALL, GivenArm, Question
from planners.recipes import Hyperparameters, Overrides, default_recipe, hyperparameters
from planners.records.errors import UsageError
from planners.records.quantity import format_quantity
from planners.variants import Variant, variants


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A run but for its seed."""

    variant: Variant
    """The question with its varied fields set."""
    arm: GivenArm
    """Label, shape and what stands in for the question's settings; its C is set, or else its D."""
    base: Arm
    """The arm as it was matched, or given, before label and settings were varied."""
    role: str
    """matched, given, control, lr_check or tuning."""
    series: str
    """What is varied beside the rate."""
    target: dict[str, float]
    """What the run is held against: of N, C, D and r_a those that were asked for."""
    unique: str | int
    """fresh, strict, loose, or a number of unique tokens."""

    @property
    def name(self) -> str:
        """How a refusal names the cell."""
        amounts = [f"{name} {self.target[name]:g}" for name in ("C", "D") if name in self.target]
        return f"{self.arm.label} at {', '.join(amounts)}"

    @property
    def is_baseline(self) -> bool:
        """Whether strict reuse may take U from this arm."""
        return self.arm.shape.is_dense and self.role in ("matched", "given")

    @property
    def dense_name(self) -> str:
        """What the dense arm of the same varied values is called."""
        return self.variant.name("dense", "dense")

    @property
    def shares_unique(self) -> bool:
        """Whether unique tokens are among what arms are equal in."""
        return self.variant.question.match == "N=C=U" and self.role != "given"

    @cached_property
    def recipe(self) -> str:
        """Name of the rule for learning rate and batch: one for all matched arms of a row, whatever N follows."""
        N = self.target.get("N", self.arm.shape.N)
        if {"C", "D"} <= set(self.target):
            N = self.target["C"] / self.target["D"] / 6
        return self.variant.question.recipe or default_recipe(N)

    @property
    def recipe_label(self) -> str:
        """The rule, and what was given instead of following it."""
        asked, arm = self.variant.question, self.arm
        given = {
            "lr": arm.lr or asked.lr or "lr" in self.variant.training,
            "batch": arm.batch_tokens or asked.batch_tokens,
        }
        names = [name for name, value in given.items() if value]
        return f"{self.recipe}, {' and '.join(names)} given" if names else self.recipe

    @cached_property
    def numbers(self) -> Hyperparameters:
        """What the recipe gives, or what stands in for it."""
        asked, arm = self.variant.question, self.arm
        overrides = Overrides(
            lr=arm.lr or asked.lr,
            batch_tokens=arm.batch_tokens or asked.batch_tokens,
            warmup_steps=arm.warmup_steps,
            weight_decay=asked.weight_decay,
            schedule=asked.schedule,
        )
        return hyperparameters(self.recipe, arm.shape, self._exact_tokens, asked.seq_len, overrides)

    @cached_property
    def D(self) -> int:
        """Tokens consumed, in whole batches."""
        batch = self.numbers.batch_tokens
        return round(self._exact_tokens / batch) * batch

    @cached_property
    def _exact_tokens(self) -> float:
        """Tokens as given, or C / M."""
        asked = self.variant.question
        if self.arm.C is None:
            return float(self.arm.D or 0)
        return self.arm.C / flops_per_token(self.arm.shape, asked.seq_len, asked.flops_convention)


Arms = list[Arm | Refused]
Row = list[Cell | Refused]


def rows(question: Question) -> Iterator[Row]:
    """Return the rows of the grid by N, then C or D, then unique tokens; given arms with an amount of their own last.

    Raises UsageError for sizes that contradict each other.
    """
    options = variants(question)
    for N in question.totals or (None,):
        arms: list[Arms] = []
        for C, D in _amounts(question):
            if not arms or question.match == "C=D":
                arms = [_arms(variant, N, C, D, lone=len(options) * len(question.totals) <= 1) for variant in options]
            place = {name: value for name, value in (("N", N), ("C", C), ("D", D)) if value is not None}
            for unique in question.unique:
                yield _row(question, list(zip(options, arms, strict=True)), place, unique)
    placed = [arm for arm in question.arms if arm.C is not None or arm.D is not None]
    for unique in question.unique:
        yield [_given(variant, arm, {}, unique) for variant in options for arm in placed]


def _amounts(question: Question) -> Iterator[tuple[float | None, float | None]]:
    """Return the pairs of C and D that rows are planned at; both only where N follows from them."""
    if question.match == "C=D" and question.is_matched:
        yield from itertools.product(question.budgets, question.tokens)
    else:
        yield from ((C, None) for C in question.budgets)
        yield from ((None, D) for D in question.tokens)


def _arms(variant: Variant, N: float | None, C: float | None, D: float | None, lone: bool) -> Arms:
    """Return the matched arms of a variant; one of several whose sizes are impossible is refused as a whole."""
    try:
        return list(_matched_arms(variant, N, C, D))
    except UsageError as error:
        if lone:
            raise
        return [Refused(cell="all arms", reason=str(error))]


def _matched_arms(variant: Variant, N: float | None, C: float | None, D: float | None) -> Iterator[Arm | Refused]:
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


def _row(question: Question, found: list[tuple[Variant, Arms]], place: dict[str, float], unique: str | int) -> Row:
    """Return the cells of one row: matched arms, given ones, controls, and those at other learning rates."""
    suffix, amounts = _suffix(question, place, unique), {name: place[name] for name in place if name != "N"}
    cells: Row = []
    owners: dict[str, Variant] = {}

    def add(variant: Variant, cell: Cell | Refused) -> None:
        # what is varied has no part in some arms, such as experts in dense ones: these are planned once
        name = cell.cell if isinstance(cell, Refused) else cell.arm.label
        if owners.setdefault(name, variant) is variant:
            cells.append(cell)

    for variant, arms in found:
        for arm in arms:
            add(variant, _matched(variant, arm, place, unique, suffix))
    for (variant, _), given in itertools.product(found, question.arms):
        if given.C is None and given.D is None:
            add(variant, _given(variant, given, place, unique))
    for (variant, arms), control in itertools.product(found, question.controls):
        where = place if control.startswith(ACTIVE) else amounts
        add(variant, _control(control, variant, arms, amounts, unique, _suffix(question, where, unique)))
    planned = [cell for cell in cells if isinstance(cell, Cell)]
    cells += [_repeated(cell) for cell in planned if _is_named(cell, question.repeat)]
    checked = [cell for cell in planned if cell.role != "control" and _is_named(cell, question.lr_check)]
    tuned = [cell for cell in planned if _is_named(cell, question.tune)]
    cells += [other for cell in checked for other in _other_rates(cell)]
    return cells + [other for cell in tuned for other in _tuning(cell)]


def _suffix(question: Question, place: dict[str, float], unique: str | int) -> str:
    """Return what a label says of the row, where arms of several rows could be mistaken for each other."""
    N = f" N={format_quantity(place['N'])}" if len(question.totals) > 1 and "N" in place else ""
    U = unique if isinstance(unique, str) else format_quantity(unique)
    return N + (f" U={U}" if len(question.unique) > 1 else "")


def _matched(
    variant: Variant, arm: Arm | Refused, place: dict[str, float], unique: str | int, suffix: str
) -> Cell | Refused:
    if isinstance(arm, Refused):
        return Refused(cell=variant.name(arm.cell, "moe") + suffix, reason=arm.reason)
    target = place if arm.r_a_target is None else {**place, "r_a": arm.r_a_target}
    return _cell(variant, arm, suffix, target, unique, "matched")


def _control(
    control: str, variant: Variant, arms: Arms, amounts: dict[str, float], unique: str | int, suffix: str
) -> Cell | Refused:
    matched = [arm for arm in arms if isinstance(arm, Arm)]
    arm = control_arm(control, matched, amounts.get("C"), variant.frame, variant.question.dense)
    if isinstance(arm, Refused):
        return Refused(cell=variant.name(arm.cell, "moe") + suffix, reason=arm.reason)
    return _cell(variant, arm, suffix, amounts, unique, "control")


def _cell(variant: Variant, arm: Arm, suffix: str, target: dict[str, float], unique: str | int, role: str) -> Cell:
    C, kind = target.get("C"), "dense" if arm.shape.is_dense else "moe"
    label, series = variant.name(arm.label, kind) + suffix, variant.series(kind)
    given = GivenArm(label=label, shape=arm.shape, C=C, D=target.get("D") if C is None else None)
    return Cell(variant=variant, arm=given, base=arm, role=role, series=series, target=target, unique=unique)


def _given(variant: Variant, arm: GivenArm, place: dict[str, float], unique: str | int) -> Cell:
    """Return the cell of a given arm, at its own amount or at that of the row."""
    amount = {"C": arm.C, "D": arm.D} if arm.C is not None or arm.D is not None else {"C": None, "D": None, **place}
    target = {**place, **amount, "r_a": arm.r_a_target}
    label, C = variant.name(arm.label, "given"), amount["C"]
    return Cell(
        variant=variant,
        arm=replace(arm, label=label, C=C, D=amount["D"] if C is None else None),
        base=Arm(label=arm.label, shape=arm.shape, r_a_target=arm.r_a_target),
        role="given",
        series=variant.series("given"),
        target={name: value for name, value in target.items() if value is not None},
        unique=arm.U or unique,
    )


def _is_named(cell: Cell, names: tuple[str, ...]) -> bool:
    return ALL in names or any(is_called(cell.base, name) for name in names)


def _repeated(cell: Cell) -> Cell:
    """Return the cell on as many unique tokens as the dense arm of its row consumes (strict reuse)."""
    return replace(cell, arm=replace(cell.arm, label=f"{cell.arm.label} U=strict"), unique="strict")


def _other_rates(cell: Cell) -> Iterator[Cell]:
    """Return the cell at sqrt(2) times its learning rate and at 1 / sqrt(2) of it."""
    for sign, factor in (("*", math.sqrt(2)), ("/", 1 / math.sqrt(2))):
        arm = replace(cell.arm, label=f"{cell.arm.label} lr{sign}1.41", lr=cell.numbers.lr * factor)
        yield replace(cell, arm=arm, role="lr_check", series=f"{cell.series} lr{sign}1.41".strip())


def _tuning(cell: Cell) -> Iterator[Cell]:
    """Return the cell at half and twice its learning rate, and at a quarter, half, twice and four times its batch.

    Seven runs with itself whatever the arm, so that all are tuned with equal effort. A batch is at least one sequence:
    eight and sixteen times the batch take the place of those below it.
    """
    rule, window = cell.numbers, cell.variant.question.seq_len
    own = max(1, round(rule.batch_tokens / window))
    others = dict.fromkeys(max(1, round(share * own)) for share in (0.25, 0.5, 2.0, 4.0, 8.0, 16.0))
    batches = [windows for windows in others if windows != own][:4]
    for rate, windows in ((0.5, own), (2.0, own), *((1.0, windows) for windows in batches)):
        tokens = window * windows
        name = f"lr{rate:g} b{tokens}"
        arm = replace(cell.arm, label=f"{cell.arm.label} {name}", lr=rule.lr * rate, batch_tokens=tokens)
        yield replace(cell, arm=arm, role="tuning", series=f"{cell.series} {name}".strip())
