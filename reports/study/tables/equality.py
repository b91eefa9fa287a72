"""The tables of what makes arms comparable: targets and actual values, training settings, and refused cells."""

from collections.abc import Iterator

from reports.page.number_text import percent, residual, whole
from reports.page.table import ARM, BATCH, EPOCHS, LR, STEPS, Cell, Column, D, Row, TableSpec, U, number, text
from reports.study.evidence import Evidence
from reports.study.evidence.arms import Arm, mean_of
from reports.study.evidence.consumption import actual_C


def _compute(C: float) -> str:
    """Write compute with five digits, since the difference from its target is small."""
    return f"{C:.5g}".replace("e+", "e")


def _of_quantity(one: Column) -> tuple[Column, Column, Column]:
    """Return the columns of the target of a quantity, of its actual value, and of their relative difference."""
    name, difference = one.name, number(f"{one.name}_residual", "residual", residual)
    return one.named(f"{name}_target", f"{name} target"), one.named(name, f"{name} actual"), difference


_MATCHED = (number("N", show=whole), number("C", show=_compute, unit="FLOPs"), number("r_a", show=percent))


def _matched(arm: Arm) -> Iterator[Cell]:
    """Yield target, actual value and relative difference of N, C and r_a."""
    consumed = mean_of(map(actual_C, arm.done))
    actual = {"N": arm.spec.N, "C": arm.spec.C if consumed is None else consumed, "r_a": arm.spec.r_a}
    for name, value in actual.items():
        wanted = arm.spec.target.get(name)
        yield from (wanted, value, None if wanted is None else value / wanted - 1)


def _about_equality(evidence: Evidence) -> str:
    return (
        f"C is tokens seen times FLOPs per token ({evidence.question.flops_convention} convention): the mean over the "
        "finished seeds, or the planned value where no seed is finished. r_a has a target only where the question "
        "asks for a rate."
    )


EQUALITY: TableSpec[Evidence] = TableSpec(
    title="Equality of the arms",
    section="Equality of the arms",
    columns=(ARM, *(column for quantity in _MATCHED for column in _of_quantity(quantity))),
    rows=lambda evidence: ((arm.label, *_matched(arm)) for arm in evidence.arms),
    note=_about_equality,
)


def _training(evidence: Evidence) -> Iterator[Row]:
    for arm in evidence.arms:
        t = arm.spec.training
        amounts = (t.batch_tokens, t.steps, t.warmup_steps, t.D, t.U, arm.spec.epochs)
        yield arm.label, arm.spec.recipe, t.lr, t.lr_floor, *amounts


def _about_training(evidence: Evidence) -> str:
    t = evidence.arms[0].spec.training
    return (
        f"AdamW, {t.schedule} schedule, weight decay {t.weight_decay:g}, gradient norm clipped at {t.clip:g}, context "
        f"{t.seq_len} tokens, {t.precision}: the settings of the first arm. D counts the tokens consumed, U the unique "
        "tokens among them."
    )


TRAINING = TableSpec(
    title="Training",
    section="Equality of the arms",
    columns=(
        *(ARM, text("recipe"), LR.named("lr", "peak lr"), LR.named("lr_floor", "final lr"), BATCH, STEPS),
        *(STEPS.named("warmup_steps", "warm-up", "steps"), D, U, EPOCHS),
    ),
    rows=_training,
    note=_about_training,
)

REFUSED: TableSpec[Evidence] = TableSpec(
    title="Refused",
    section="Equality of the arms",
    columns=(text("cell"), text("reason")),
    rows=lambda evidence: ((cell.cell, cell.reason) for cell in evidence.refused),
    note="Cells of the question that cannot be built, with the limit that prevents it.",
)
