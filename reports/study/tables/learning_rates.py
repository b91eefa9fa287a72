"""The tables of learning rate and batch: every pair that was tried, and the rule's pair against the best one."""

from collections.abc import Iterator

from reports.page.table import ARM, BATCH, LOSS, LR, SEEDS, Row, TableSpec, number, text
from reports.study.evidence import Evidence
from reports.study.evidence.learning_rates import batch_of, loss_of, lr_of, tuned_arms


def _pairs(evidence: Evidence) -> Iterator[Row]:
    for tuned in tuned_arms(evidence):
        for arm in sorted(tuned.tried, key=lambda arm: (batch_of(arm), lr_of(arm))):
            above = loss_of(arm) - loss_of(tuned.best)
            rule = "yes" if arm is tuned.rule else None
            pair = (lr_of(arm), batch_of(arm), arm.spec.training.steps)
            yield tuned.rule.label, *pair, loss_of(arm), above, rule, len(arm.done)


TUNING = TableSpec(
    title="Learning rate and batch: all pairs",
    section="Learning rate and batch",
    columns=(
        *(ARM, LR, BATCH, number("steps"), LOSS, LOSS.named("above_best", "above the best")),
        *(text("rule", "the rule's"), SEEDS),
    ),
    rows=_pairs,
    note="Final validation loss of each arm at every pair that was tried; each arm was given the same number of pairs. "
    "Use other seeds in other studies: otherwise an arm is judged by the noise that it was tuned on.",
)


def _best(evidence: Evidence) -> Iterator[Row]:
    for tuned in tuned_arms(evidence):
        rule, best = tuned.rule, tuned.best
        closed = ("yes" if tuned.lr_closed else "no", "yes" if tuned.batch_closed else "no")
        pairs = (lr_of(rule), batch_of(rule), lr_of(best), batch_of(best))
        yield rule.label, *pairs, tuned.vertex, tuned.loses, *closed, len(tuned.tried)


TUNED = TableSpec(
    title="Learning rate and batch: the rule against the best pair",
    section="Learning rate and batch",
    columns=(
        *(ARM, LR.named("lr", "rule's lr"), BATCH.named("batch_tokens", "rule's batch")),
        *(LR.named("best_lr", "best lr"), BATCH.named("best_batch_tokens", "best batch")),
        *(LR.named("parabola_lr", "lr by parabola"), LOSS.named("rule_loses", "rule loses")),
        *(text("lr_closed", "lr bracketed"), text("batch_closed", "batch bracketed"), number("pairs")),
    ),
    rows=_best,
    note="Rule loses: the loss of the rule's pair less the loss of the best pair. The best of several pairs also has "
    "the most favourable noise, so with one seed a difference of the size of the seed noise means nothing. The "
    "parabola in ln lr goes through the best rate at the rule's batch and its two neighbours. Bracketed: at the "
    "rule's batch (or at the rule's rate) a value between two others did best; a batch of one sequence cannot be made "
    "smaller.",
)
