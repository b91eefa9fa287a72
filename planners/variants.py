"""The combinations of a question's varied fields, each with its effect on shapes, router and training."""

import itertools
from dataclasses import dataclass, replace
from typing import Any

from planners.matching.frame import Frame
from planners.question import Question
from planners.varied_fields import CONCERNS, label, variable_field


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One combination of varied values."""

    question: Question
    """The question with these values, where they are fields of its own, of its router or of its geometries."""
    frame: Frame
    """Style of all shapes."""
    training: dict[str, Any]
    """Settings of the training that are not fields of the question."""
    varied: tuple[tuple[str, Any], ...]
    """Fields that have several values in the question, with their value here."""

    def values(self, kind: str) -> tuple[tuple[str, Any], ...]:
        """Return the varied fields that concern a dense, moe or given arm, with their values."""
        return tuple((field, value) for field, value in self.varied if variable_field(field).kind in CONCERNS[kind])

    def series(self, kind: str) -> str:
        """Return the varied values of a dense, moe or given arm as text."""
        return " ".join(itertools.starmap(label, self.values(kind)))

    def name(self, arm: str, kind: str) -> str:
        """Return the label of a dense, moe or given arm, followed by its varied values."""
        return " ".join(filter(None, (arm, self.series(kind))))


def variants(question: Question) -> list[Variant]:
    """Return all combinations, the last field changing fastest; one where nothing is varied."""
    fields = [varied.field for varied in question.vary]
    several = {varied.field for varied in question.vary if len(varied.values) > 1}
    combinations = itertools.product(*(varied.values for varied in question.vary))
    return [_variant(question, dict(zip(fields, values, strict=True)), several) for values in combinations]


def _variant(question: Question, values: dict[str, Any], several: set[str]) -> Variant:
    by_kind: dict[str, dict[str, Any]] = {kind: {} for kinds in CONCERNS.values() for kind in kinds}
    for written, value in values.items():
        field = variable_field(written)
        by_kind[field.kind][field.name] = value
    training = by_kind["training"]
    asked = {name: training.pop(name) for name in list(training) if name in Question.__dataclass_fields__}
    question = replace(
        question,
        vary=(),
        router=replace(question.router, **by_kind["router"]),
        moe=replace(question.moe, **by_kind["sizes"]),
        dense=replace(question.dense, **by_kind["dense"]),
        **asked,
    )
    style = {**by_kind["style"], **by_kind["experts"]}
    if style.get("positions") == "learned":
        style.setdefault("max_positions", question.seq_len)
    return Variant(
        question=question,
        frame=Frame(vocab_size=question.vocab_size, align=question.align, style=tuple(style.items())),
        training=training,
        varied=tuple((field, value) for field, value in values.items() if field in several),
    )
