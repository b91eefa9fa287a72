"""Whether one question widens another: it asks for all that the other asks for, and for more runs."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any

from planners.matching.frame import Geometry
from planners.question import Question

GROWING = (
    "total_params", "budgets", "tokens", "arms", "activations", "top_ks", "seeds", "unique_tokens", "vary", "controls",
    "lr_check", "repeat", "tune", "tune_at", "tune_seeds", "added", "settings",
)  # fmt: skip
"""Fields whose further values are further runs. `holds` of a study compares all others for equality."""


def covers(wide: Question, narrow: Question) -> bool:
    """Return whether `wide` asks for everything that `narrow` asks for, by their fields.

    Sizes that only `wide` fixes are allowed; whether they keep the runs of `narrow` is seen in the plans.
    """
    return not any(_lacking(_comparable(wide), _comparable(narrow)))


def differences(held: Question, asked: Question) -> str:
    """Return the fields in which two questions differ, each with both values, as text."""
    one, other = vars(_comparable(held)), vars(_comparable(asked))
    unlike = [name for name in one if one[name] != other[name]]
    values = (f"{name} {_written(one[name])} against {_written(other[name])}" for name in unlike)
    return "; ".join(values)


def _comparable(question: Question) -> Question:
    """Return the question without its label and without the vocabulary size that a corpus adds."""
    return replace(question, study="", vocab_size=256 if question.data else question.vocab_size)


def _lacking(wide: Question, narrow: Question) -> Iterator[str]:
    """Yield the fields of `narrow` that `wide` does not hold."""
    for name, wanted in vars(narrow).items():
        held = getattr(wide, name)
        if name in GROWING:
            if not _values(wanted, name) <= _values(held, name):
                yield name
        elif isinstance(wanted, Geometry):
            if any(size is not None and size != getattr(held, own) for own, size in vars(wanted).items()):
                yield name
        elif held != wanted:
            yield name


def _values(given: Any, name: str) -> set[Any]:
    """Return the values of a growing field; a varied field has one for each of its own values."""
    items = given if isinstance(given, tuple) else () if given is None else (given,)
    if name == "vary":
        return {(varied.field, value) for varied in items for value in varied.values}
    if name == "added":
        return {(added.arm, added.C, seed) for added in items for seed in added.seeds}
    if name == "settings":
        return {(replace(setting, seeds=None), seed) for setting in items for seed in setting.seeds or (None,)}
    return set(items)


def _written(value: Any) -> str:
    """Return a value as text; of a record, its label, or its fields that have a value of their own."""
    if isinstance(value, tuple):
        return ",".join(map(_written, value)) or "none"
    if is_dataclass(value):
        usual = {field.name: field.default for field in fields(value)}
        own = (f"{name} {_written(item)}" for name, item in vars(value).items() if item != usual[name])
        return str(getattr(value, "label", "")) or " ".join(own) or "as usual"
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
