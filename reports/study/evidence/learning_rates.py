"""Learning rate and batch of each arm: the pairs that were tried, and what the rule's pair loses to the best one.

A comparison of arms is fair where every arm was tuned with equal effort. A best pair at the end of the tried values
means that the search is not finished there.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from fits.curve.parabola import vertex
from reports.study.evidence import Evidence
from reports.study.evidence.arms import Arm

TUNING_ROLES = ("tuning", "lr_check")
"""Roles of arms that try another learning rate or batch."""


@dataclass(frozen=True, kw_only=True)
class TunedArm:
    """One arm, trained with several pairs of learning rate and batch."""

    rule: Arm
    """The arm with the pair of its recipe, which is the rule."""
    others: tuple[Arm, ...]
    """The same arm with other learning rates or batches."""

    @property
    def tried(self) -> list[Arm]:
        """The pairs that have a loss."""
        return [arm for arm in (self.rule, *self.others) if arm.mean("loss") is not None]

    @property
    def best(self) -> Arm:
        """The pair with the lowest mean loss. Raises ValueError where no pair has a loss."""
        return min(self.tried, key=loss_of)

    @property
    def loses(self) -> float | None:
        """Loss of the rule's pair less that of the best one, nats per token; null where the rule's pair has no loss."""
        own = self.rule.mean("loss")
        return None if own is None else own - loss_of(self.best)

    @property
    def lr_closed(self) -> bool:
        """Whether, at the rule's batch, a learning rate between two others did best."""
        at = [arm for arm in self.tried if batch_of(arm) == batch_of(self.rule)]
        return bool(at) and _is_inside(lr_of(min(at, key=loss_of)), [lr_of(arm) for arm in at])

    @property
    def vertex(self) -> float | None:
        """Learning rate at the minimum of a parabola in ln lr; null where the best rate is at an end.

        The parabola goes through the best rate at the rule's batch and its two neighbours.
        """
        at_batch = [arm for arm in self.tried if batch_of(arm) == batch_of(self.rule)]
        lowest = vertex([(math.log(lr_of(arm)), loss_of(arm)) for arm in at_batch])
        return None if lowest is None else math.exp(lowest)

    @property
    def batch_closed(self) -> bool:
        """Whether, at the rule's rate, a batch between two others did best, or the smallest batch, of one sequence."""
        at = [arm for arm in self.tried if lr_of(arm) == lr_of(self.rule)]
        if not at:
            return False
        best, batches = batch_of(min(at, key=loss_of)), [batch_of(arm) for arm in at]
        return _is_inside(best, batches) or (best == self.rule.spec.training.seq_len < max(batches))


def tuned_arms(evidence: Evidence) -> list[TunedArm]:
    """Return the arms that were also trained at other learning rates or batches."""
    rules = [arm for arm in evidence.arms if arm.spec.role not in TUNING_ROLES]
    found = [TunedArm(rule=rule, others=tuple(arm for arm in evidence.arms if _is_of(arm, rule))) for rule in rules]
    return [tuned for tuned in found if tuned.others and tuned.tried]


def _is_of(arm: Arm, rule: Arm) -> bool:
    """Return whether an arm is `rule` with another learning rate or batch."""
    return arm.spec.role in TUNING_ROLES and _but_for_tuning(arm) == _but_for_tuning(rule)


def _but_for_tuning(arm: Arm) -> tuple[object, ...]:
    """Return what an arm is, without seed, learning rate and batch, and what these decide: D, U and the warm-up."""
    spec, training = arm.spec, arm.spec.training
    one = training.seq_len  # a batch, D and U of one sequence, since they must be multiples of it
    same = replace(training, seed=0, lr=1.0, lr_floor=0.0, batch_tokens=one, D=one, U=one, warmup_steps=0)
    return spec.shape, spec.router, spec.target, arm.budget, training.U < training.D, same


def _is_inside(value: float, values: Sequence[float]) -> bool:
    return min(values) < value < max(values)


def loss_of(arm: Arm) -> float:
    """Return the mean loss of an arm. Raises ValueError where it has none."""
    loss = arm.mean("loss")
    if loss is None:
        raise ValueError(f"arm {arm.label} has no loss")
    return loss


def lr_of(arm: Arm) -> float:
    """Return the learning rate of an arm."""
    return arm.spec.training.lr


def batch_of(arm: Arm) -> int:
    """Return the batch of an arm, tokens."""
    return arm.spec.training.batch_tokens
