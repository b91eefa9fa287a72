"""The learning rate and batch of each arm that did best in a tuning study, for the plan of another study."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from fits.curve.least_squares import fit_basis
from fits.laws import curves
from planners import Plan, Question, Study, UsageError
from planners.arm_settings import ArmRecipe
from planners.records.quantity import format_flops
from reports.study.evidence import read_evidence
from reports.study.evidence.learning_rates import TunedArm, batch_of, lr_of, tuned_arms


@dataclass(frozen=True, kw_only=True)
class TunedRecipe:
    """What did best for one arm."""

    arm: str
    """The arm."""
    lr: float
    """The best peak learning rate that was tried."""
    batch_tokens: int
    """The best batch that was tried, tokens."""
    tried: int
    """Pairs of learning rate and batch that were tried."""
    C: float
    """Budget at which they were tried, FLOPs."""
    interval: tuple[float, float] | None
    """95 % interval of the best learning rate at the rule's batch, by a parabola in ln lr; null with too few runs."""
    edges: tuple[str, ...]
    """Which of learning rate and batch did best at an end of what was tried."""

    def __str__(self) -> str:
        lo, hi = self.interval or (0.0, 0.0)
        within = f" (95 %: {lo:.2g} to {hi:.2g})" if self.interval else " (no interval: too few runs at other rates)"
        found = f"{self.arm}: lr {self.lr:.3g}{within}, batch {self.batch_tokens}, the best of {self.tried} pairs"
        end = f"; the best {' and the best '.join(self.edges)} is at an end of what was tried" if self.edges else ""
        return f"{found} at C = {format_flops(self.C)}{end}"


def read_tuned(study: Study) -> list[TunedRecipe]:
    """Return the best recipe of each arm of a tuning study; of several budgets, that of the largest.

    Raises UsageError if no arm was trained at several learning rates or batches.
    """
    tuned = sorted(tuned_arms(read_evidence(study)), key=lambda one: one.rule.budget)
    if not tuned:
        raise UsageError(f"{study.folder} tried no other learning rate or batch; plan such a study with --tune")
    found = {one.rule.spec.arm: _best(one) for one in tuned}
    return list(found.values())


def _best(one: TunedArm) -> TunedRecipe:
    edges = [name for name, closed in (("learning rate", one.lr_closed), ("batch", one.batch_closed)) if not closed]
    return TunedRecipe(
        arm=one.rule.spec.arm,
        lr=lr_of(one.best),
        batch_tokens=batch_of(one.best),
        tried=len(one.tried),
        C=one.rule.budget,
        interval=_interval(one),
        edges=tuple(edges),
    )


def _interval(one: TunedArm) -> tuple[float, float] | None:
    arms = [arm for arm in one.tried if batch_of(arm) == batch_of(one.rule)]
    runs = [(math.log(lr_of(arm)), record.loss) for arm in arms for record in arm.done if record.loss is not None]
    x, loss = (np.array(values) for values in zip(*runs, strict=True))
    fitted = fit_basis(curves()["quadratic"].basis(x), x, loss, np.empty((len(x), 0)))
    if fitted is None or fitted.dof < 1:
        return None
    lo, hi = fitted.interval
    return math.exp(lo), math.exp(hi)


def with_tuned(plan: Plan, study: Study) -> tuple[Question, list[str]]:
    """Return the question of a plan with the best recipes of a tuning study, and notes on them.

    An arm that the study did not tune keeps its rule.
    """
    arms = {run.arm: run for run in plan.runs if run.role in ("matched", "given", "control")}
    recipes = [one for one in read_tuned(study) if one.arm in arms]
    if not recipes:
        raise UsageError(f"{study.folder} tuned no arm of this plan, which has {', '.join(arms)}")
    own = {one.arm: one for one in plan.question.arm_recipes}
    own |= {one.arm: ArmRecipe(arm=one.arm, lr=one.lr, batch_tokens=one.batch_tokens) for one in recipes}
    shapes = [arms[one.arm].shape for one in recipes]  # an arm on repeated data has the recipe of its twin
    rest = [arm for arm, run in arms.items() if run.shape not in shapes]
    return replace(plan.question, arm_recipes=tuple(own.values())), list(_notes(recipes, rest, plan.question))


def _notes(recipes: list[TunedRecipe], rest: list[str], asked: Question) -> Iterator[str]:
    yield from (f"tuned {one}." for one in recipes)
    if rest:
        yield f"Not tuned, so by the rule: {', '.join(rest)}."
    others = sorted({C for C in asked.budgets if any(C != one.C for one in recipes)})
    if others:
        at = ", ".join(map(format_flops, others))
        yield f"The tuned pairs are also used at C = {at}, where they were not tried."
