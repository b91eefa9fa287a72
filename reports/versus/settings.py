"""The settings in which two studies differ: of their questions, of their matched runs, and of their environments."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from planners.records.json import to_json
from reports.page.number_text import listed
from reports.study.evidence import Evidence
from reports.study.evidence.arms import Arm

LABELS = frozenset({"run_id", "study", "arm", "seed", "target", "series"})
"""Fields of a run that name it and do not change it."""
ENVIRONMENT = ("version", "commit", "python", "torch", "device")
"""Fields of the environment that are compared."""
MOST = 4
"""Of more distinct values the rest is counted."""


@dataclass(frozen=True, kw_only=True)
class DifferingField:
    """A field in which the two studies differ."""

    where: str
    """question, runs or environment."""
    name: str
    """The field; nested fields with a dot."""
    a: str
    """Its value or values in A."""
    b: str
    """Its value or values in B."""
    arms: int | None
    """Number of matched arms in which it differs; null for fields of the study."""


def differing_fields(a: Evidence, b: Evidence, matched: Sequence[tuple[Arm, Arm]]) -> Iterator[DifferingField]:
    """Yield every field in which the questions, the matched runs or the environments differ."""
    yield from _question(a, b)
    yield from _runs(matched)
    yield from _environment(a, b)


def _question(a: Evidence, b: Evidence) -> Iterator[DifferingField]:
    for name, one, other in _differing(to_json(a.question), to_json(b.question)):
        if name != "study":
            yield DifferingField(where="question", name=name, a=one, b=other, arms=None)


def _runs(matched: Sequence[tuple[Arm, Arm]]) -> Iterator[DifferingField]:
    """Yield the fields in which matched runs differ, each with its values over all of them."""
    found: dict[str, list[tuple[str, str]]] = {}
    for one, other in matched:
        for name, a, b in _differing(_settings(one), _settings(other)):
            found.setdefault(name, []).append((a, b))
    for name, values in found.items():
        a, b = (_distinct(column) for column in zip(*values, strict=True))
        yield DifferingField(where="runs", name=name, a=a, b=b, arms=len(values))


def _settings(arm: Arm) -> dict[str, Any]:
    return {name: value for name, value in arm.spec.to_line().items() if name not in LABELS}


def _environment(a: Evidence, b: Evidence) -> Iterator[DifferingField]:
    for name in ENVIRONMENT:
        one, other = (_distinct(_text(getattr(r.environment, name)) for r in each.records) for each in (a, b))
        if one != other:
            yield DifferingField(where="environment", name=name, a=one, b=other, arms=None)


def _differing(a: Any, b: Any) -> Iterator[tuple[str, str, str]]:
    """Yield (dotted name, value in `a`, value in `b`) of each plain value that differs between two JSON objects."""
    ones, others = dict(_flat(a)), dict(_flat(b))
    for name in dict.fromkeys([*ones, *others]):
        one, other = _text(ones.get(name)), _text(others.get(name))
        if one != other:
            yield name, one, other


def _flat(data: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the plain values of nested JSON, by dotted name; a list is one value."""
    if isinstance(data, dict):
        for key, value in data.items():
            yield from _flat(value, f"{name}.{key}" if name else key)
    else:
        yield name, data


def _text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, list):
        return ", ".join(map(_text, value)) or "none"
    if isinstance(value, dict):
        return value.get("label") or value.get("field") or "…"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _distinct(values: Iterable[str]) -> str:
    return listed(dict.fromkeys(values), MOST)
