"""How well learning rate and batch suit each arm: every pair that was tried, and what the rule loses to the best one.

Equal effort for every arm is what makes a comparison of arms fair; a best pair at the end of what was tried says that
the search is not closed there.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from reports.page.number_text import fixed, general, whole
from reports.page.table import Cell, Column, Table
from reports.study.evidence import Arm, Evidence

ARM = Column(name="arm", head="arm", text=True)
LOSS = Column(name="loss", head="loss", unit="nats/token", show=fixed(4))


@dataclass(frozen=True, kw_only=True)
class Search:
    """The pairs of learning rate and batch that one arm was trained with."""

    rule: Arm
    """The arm as its recipe has it."""
    others: tuple[Arm, ...]
    """The same arm with another learning rate or batch."""

    @property
    def tried(self) -> list[Arm]:
        """All pairs that have a loss."""
        return [arm for arm in (self.rule, *self.others) if arm.mean("loss") is not None]

    @property
    def best(self) -> Arm:
        """The pair with the lowest mean loss. Raises ValueError where none has one."""
        return min(self.tried, key=_loss)

    @property
    def loses(self) -> float | None:
        """What the rule's pair ends above the best one, nats per token; null where it has no loss."""
        own = self.rule.mean("loss")
        return None if own is None else own - _loss(self.best)

    @property
    def lr_closed(self) -> bool:
        """Whether at the rule's batch a learning rate between others did best."""
        at = [arm for arm in self.tried if _batch(arm) == _batch(self.rule)]
        return bool(at) and _is_inside(_lr(min(at, key=_loss)), [_lr(arm) for arm in at])

    @property
    def vertex(self) -> float | None:
        """Learning rate at which a parabola in ln lr is lowest; null where the best rate has only one beside it.

        It goes through the best rate at the rule's batch and the two beside it.
        """
        from fits.curve.parabola import vertex

        points = [(math.log(_lr(arm)), _loss(arm)) for arm in self.tried if _batch(arm) == _batch(self.rule)]
        lowest = vertex(points)
        return None if lowest is None else math.exp(lowest)

    @property
    def batch_closed(self) -> bool:
        """Whether at the rule's rate a batch between others did best, or one sequence, below which there is none."""
        at = [arm for arm in self.tried if _lr(arm) == _lr(self.rule)]
        if not at:
            return False
        best, batches = _batch(min(at, key=_loss)), [_batch(arm) for arm in at]
        return _is_inside(best, batches) or (best == self.rule.spec.training.seq_len < max(batches))


def searches(evidence: Evidence) -> list[Search]:
    """Return the arms that were trained at other learning rates or batches too."""
    found = []
    for rule in (arm for arm in evidence.arms if arm.spec.role not in ("tuning", "lr_check")):
        others = tuple(arm for arm in evidence.arms if _is_of(arm, rule))
        search = Search(rule=rule, others=others)
        if others and search.tried:
            found.append(search)
    return found


def tuning(evidence: Evidence) -> Table | None:
    """Return the loss of every pair of learning rate and batch, by arm; None where nothing was tuned."""
    columns = (
        ARM, Column(name="lr", head="lr", show=general(3)),
        Column(name="batch_tokens", head="batch", unit="tokens", show=whole),
        Column(name="steps", head="steps"), LOSS,
        Column(name="above_best", head="above the best", unit="nats/token", show=fixed(4)),
        Column(name="rule", head="the rule's", text=True), Column(name="n", head="seeds"),
    )  # fmt: skip
    rows: list[tuple[Cell, ...]] = []
    for search in searches(evidence):
        for arm in sorted(search.tried, key=lambda arm: (_batch(arm), _lr(arm))):
            above = _loss(arm) - _loss(search.best)
            rule = "yes" if arm is search.rule else None
            steps = arm.spec.training.steps
            rows.append((search.rule.label, _lr(arm), _batch(arm), steps, _loss(arm), above, rule, len(arm.done)))
    note = (
        "Final validation loss of each arm at every pair that was tried, as many pairs for every arm. No other study "
        "should have the seeds of these runs, so that no arm is judged by the noise that it was tuned on."
    )
    title = "Learning rate and batch: all pairs"
    return Table(name="tuning", title=title, note=note, columns=columns, rows=tuple(rows)) if rows else None


def tuned(evidence: Evidence) -> Table | None:
    """Return the rule's pair beside the best one, by arm; None where nothing was tuned."""
    columns = (
        ARM, Column(name="lr", head="rule's lr", show=general(3)),
        Column(name="batch_tokens", head="rule's batch", unit="tokens", show=whole),
        Column(name="best_lr", head="best lr", show=general(3)),
        Column(name="best_batch_tokens", head="best batch", unit="tokens", show=whole),
        Column(name="parabola_lr", head="lr by parabola", show=general(3)),
        Column(name="rule_loses", head="rule loses", unit="nats/token", show=fixed(4)),
        Column(name="lr_closed", head="lr bracketed", text=True),
        Column(name="batch_closed", head="batch bracketed", text=True), Column(name="pairs", head="pairs"),
    )  # fmt: skip
    rows: list[tuple[Cell, ...]] = []
    for search in searches(evidence):
        rule, best = search.rule, search.best
        closed = ("yes" if search.lr_closed else "no", "yes" if search.batch_closed else "no")
        numbers = (_lr(rule), _batch(rule), _lr(best), _batch(best), search.vertex, search.loses)
        rows.append((rule.label, *numbers, *closed, len(search.tried)))
    note = (
        "The rule loses what its pair ends above the best of the pairs; the best of several is also the luckiest, so "
        "with one seed a loss of the size of the seed noise is none. The parabola in ln lr goes through the best rate "
        "at the rule's batch and its two neighbours. Bracketed: at the rule's batch (at the rule's rate) a value "
        "between others did best; below a batch of one sequence there is none."
    )
    title = "Learning rate and batch: the rule against the best pair"
    return Table(name="tuned", title=title, note=note, columns=columns, rows=tuple(rows)) if rows else None


def _is_of(arm: Arm, rule: Arm) -> bool:
    """Whether an arm is `rule` at another learning rate or batch: the rest of it is the same."""
    a, b = arm.spec, rule.spec
    alike = (a.shape, a.router, a.target, a.epochs > 1) == (b.shape, b.router, b.target, b.epochs > 1)
    return a.role in ("tuning", "lr_check") and alike


def _is_inside(value: float, values: Sequence[float]) -> bool:
    return min(values) < value < max(values)


def _loss(arm: Arm) -> float:
    loss = arm.mean("loss")
    if loss is None:
        raise ValueError(f"arm {arm.label} has no loss")
    return loss


def _lr(arm: Arm) -> float:
    return arm.spec.training.lr


def _batch(arm: Arm) -> int:
    return arm.spec.training.batch_tokens
