"""The tables of predictions: of the fitted laws, of publications next to our optima, and the compute multiplier."""

import math
from collections.abc import Iterator

from fits.predict.text import NAMES, amount
from reports.page.table import FLOPS, LAW, LOSS, RATE, THREE, Cell, N, Row, TableSpec, estimate, number, text
from reports.study.evidence import Evidence


def _predictions(evidence: Evidence) -> Iterator[Row]:
    for one in evidence.predictions:
        target = ", ".join(f"{name} = {amount(name, value)}" for name, value in one.given.items())
        for each in one.values:
            down, up = each.form or (None, None)
            name = NAMES.get(each.of, each.of)
            yield one.law, target, name, each.value, each.lo, each.hi, down, up, each.noise, max(one.beyond.values())


PREDICTIONS = TableSpec(
    title="Predictions of the fitted laws",
    section="r_a* over N and C",
    columns=(
        *(LAW, text("target"), text("of", "number"), *estimate(number("value", show=THREE))),
        *(
            number("form_down", "form, down", THREE),
            number("form_up", "form, up", THREE),
            number("noise", "noise", THREE),
        ),
        number("beyond", "beyond the runs", THREE, "fold"),
    ),
    rows=_predictions,
    note="95 % prediction intervals: parameters (bootstrap), form (how far other laws that fit nearly as well predict "
    "from this one) and noise of one run. Beyond the runs: the largest factor by which C, N, D or r_a lies outside.",
)


def _published(evidence: Evidence) -> Iterator[Row]:
    for one in evidence.published:
        if one.value is not None:
            seen = "second-hand" if one.second_hand else "the paper"
            constraint, beyond = one.constraint.value, one.beyond if one.beyond > 1 else None
            yield one.N, one.C, one.name, one.source, constraint, one.value, beyond, one.valid, seen


PUBLISHED = TableSpec(
    title="What publications recommend at this size and budget",
    section="Optimum",
    columns=(
        *(N, FLOPS, text("name", "publication"), text("arXiv"), text("constraint", "equal are")),
        *(RATE.named("rate", "rate"), number("beyond", "outside its runs", THREE, "fold")),
        *(text("valid", "valid for"), text("seen", "numbers from")),
    ),
    rows=_published,
    note="At equal N and C, or at equal memory, the best rate lies inside the range; where N is free, more total "
    "parameters always help. Publications whose runs are more than ten times smaller or larger are left out.",
)


def _multipliers(evidence: Evidence) -> Iterator[Row]:
    for one in evidence.multipliers:
        ends: tuple[Cell, ...] = tuple(None if end is None else math.exp(end) for end in (one.value, one.lo, one.hi))
        yield one.moe, one.r_a, one.cost.value, one.C, one.loss, *ends, "lowest" if one.best else None


MULTIPLIERS = TableSpec(
    title="Compute multiplier: dense over MoE at equal loss",
    section="MoE against dense",
    columns=(
        *(text("moe", "MoE arm"), RATE, text("cost", "in"), FLOPS.named("C", "C of dense"), LOSS),
        *(*estimate(number("multiplier", "multiplier", THREE)), text("best", "loss at this C")),
    ),
    rows=_multipliers,
    note="What the dense arm consumed for its loss over what the MoE arm needs for the same loss, interpolated "
    "linearly in ln C, or in ln time (times taken as exact), between budgets of the MoE arm. Without a value, its end "
    "bounds the multiplier beyond these budgets. The lowest of several arms also has the most favourable noise.",
)
