"""Two studies against each other: what differs between them, and the difference of arms that match, with its interval.

A difference is B less A. Runs of one seed share initial state and data order, so where both studies also share the
validation set the difference is taken seed by seed; else the two means are compared by Welch's test.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean
from typing import TYPE_CHECKING, Any

from fits.compare.by_seed import NONE, SAME, SeedDifference, mean_seed_difference, seed_difference
from fits.runs.budgets import same_budget
from planners.records.json import to_json
from planners.spec import RunSpec
from reports.study.arms import Arm
from reports.study.evidence import Evidence

if TYPE_CHECKING:
    from jobs.record import RunRecord

RATE = 0.02
"""Relative difference of r_a, and of N, below which two arms are the same cell under another name."""
LABELS = frozenset({"run_id", "study", "arm", "seed", "target", "series"})
"""Fields of a run that name it and do not change it."""
UNITS = {"loss": "nats/token", "bpb": "bits/byte"}


@dataclass(frozen=True, kw_only=True)
class Field:
    """A field in which the two studies differ."""

    where: str
    """question, runs or environment."""
    name: str
    """The field, nested ones with a dot."""
    a: str
    """Its value in A, or its values."""
    b: str
    """Its value in B, or its values."""
    arms: int | None
    """Matched arms in which it differs; null for fields of the study."""


@dataclass(frozen=True, kw_only=True)
class Matched:
    """An arm of A and its counterpart of B."""

    a: Arm
    """The arm of A."""
    b: Arm
    """The arm of B."""
    by: str
    """What they share: name, or numbers."""
    difference: SeedDifference | None
    """Null where an arm has no finished run, or the losses cannot be compared."""

    @property
    def name(self) -> str:
        """Their name; both where they differ."""
        return self.a.label if self.a.name == self.b.name else f"{self.a.label} / {self.b.label}"


@dataclass(frozen=True, kw_only=True)
class Versus:
    """Two studies side by side."""

    a: Evidence
    """The first."""
    b: Evidence
    """The second."""
    unit: str | None
    """What is compared: loss where both have one validation set, bpb where both state it; null where nothing can be."""
    why: str
    """Why that, in one sentence."""
    paired: bool
    """Whether runs of one seed are compared with each other."""
    matched: tuple[Matched, ...]
    """The arms that both have."""
    only_a: tuple[Arm, ...]
    """The arms without a counterpart in B."""
    only_b: tuple[Arm, ...]
    """Those without one in A."""

    @property
    def source(self) -> str:
        """Where the numbers come from."""
        return self.a.source if self.a.source == self.b.source else f"A {self.a.source}, B {self.b.source}"

    @property
    def compared(self) -> list[Matched]:
        """The pairs of arms with a difference."""
        return [pair for pair in self.matched if pair.difference is not None]

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """Every field in which the questions, the matched runs or the environments differ."""
        return (*_question(self.a, self.b), *_runs(self.matched), *_environment(self.a, self.b))

    @cached_property
    def overall(self) -> SeedDifference | None:
        """The mean of the differences over arms; by seed over the seeds that every pair shares.

        Arms whose runs are the same in both studies say nothing and are left out; null below two arms.
        """
        new = [pair for pair in self.compared if pair.difference and pair.difference.how != SAME]
        return _overall(new, self.unit, self.paired)


def against(a: Evidence, b: Evidence) -> Versus:
    """Return the two studies side by side."""
    unit, why, paired = _comparable(a, b)
    pairs = match(a.arms, b.arms)
    matched = tuple(
        Matched(a=one, b=other, by=by, difference=difference(one, other, unit, paired)) for one, other, by in pairs
    )
    taken = {id(arm) for pair in matched for arm in (pair.a, pair.b)}
    return Versus(
        a=a, b=b, unit=unit, why=why, paired=paired, matched=matched,
        only_a=tuple(arm for arm in a.arms if id(arm) not in taken),
        only_b=tuple(arm for arm in b.arms if id(arm) not in taken),
    )  # fmt: skip


def _comparable(a: Evidence, b: Evidence) -> tuple[str | None, str, bool]:
    """Return what of the losses can be compared, why, and whether runs of one seed are pairs."""
    corpora = [{arm.spec.data.fingerprint if arm.spec.data else None for arm in each.arms} for each in (a, b)]
    windows = [{(arm.spec.training.seq_len, arm.spec.training.eval_windows) for arm in each.arms} for each in (a, b)]
    if corpora[0] == corpora[1] and len(corpora[0]) == 1 and None not in corpora[0]:
        if windows[0] == windows[1]:
            return "loss", "Both read one corpus and measure the loss on one validation set, in nats per token.", True
        text = "Both read one corpus, but measure the loss on other windows of it: seeds are no pairs."
        return "loss", text, False
    differ = f"The corpora differ ({a.corpus} and {b.corpus})"
    if not all(map(_has_bytes, (a, b))):
        return None, f"{differ}, and not both have bits per byte of text: no loss is compared.", False
    text = (
        f"{differ}, so losses per token cannot be compared: bits per byte are. Unless only the tokenizer differs they "
        "are of other texts, and a difference mixes what the texts ask with what the models learnt."
    )
    return "bpb", text, False


def _has_bytes(evidence: Evidence) -> bool:
    """Whether any run has bits per byte; generated tokens, whose entropy is known, have no bytes."""
    done = [record for arm in evidence.arms for record in arm.done]
    generated = any(domain.floor is not None for record in done for domain in record.domains.values())
    return not generated and any(record.bpb is not None for record in done)


def match(ones: Sequence[Arm], others: Sequence[Arm]) -> list[tuple[Arm, Arm, str]]:
    """Return the arms that are one cell of both studies: the same name and budget, else the same numbers."""
    rules: tuple[tuple[str, Callable[[Arm, Arm], bool]], ...] = (
        ("name", lambda one, other: one.name == other.name and one.is_dense == other.is_dense and _near(one, other)),
        ("numbers", _alike),
    )
    found: list[tuple[Arm, Arm, str]] = []
    left = list(others)
    for by, rule in rules:
        known = {id(one) for one, _, _ in found}
        for one in (one for one in ones if id(one) not in known):
            fitting = [other for other in left if rule(one, other)]
            if fitting:
                other = min(fitting, key=lambda other: abs(math.log(other.budget / one.budget)))
                left.remove(other)
                found.append((one, other, by))
    order = {id(arm): at for at, arm in enumerate(ones)}
    return sorted(found, key=lambda pair: order[id(pair[0])])


def _near(one: Arm, other: Arm) -> bool:
    return same_budget(one.budget, other.budget)


def _alike(one: Arm, other: Arm) -> bool:
    """Whether two arms are one cell: dense or MoE alike, C, N and r_a equal, and one K."""
    a, b = one.spec, other.spec
    numbers = abs(math.log(b.r_a / a.r_a)) < RATE and abs(math.log(b.N / a.N)) < RATE
    kinds = one.is_dense == other.is_dense and a.shape.top_k == b.shape.top_k and a.role == b.role
    return kinds and numbers and _near(one, other)


def difference(one: Arm, other: Arm, unit: str | None, paired: bool) -> SeedDifference | None:
    """Return the mean of `other` less that of `one`; None where a side has no finished run with that number."""
    if unit is None:
        return None
    a, b = _by_seed(one, unit), _by_seed(other, unit)
    if not a or not b:
        return None
    if {r.spec.run_id for r in one.done} == {r.spec.run_id for r in other.done}:
        return SeedDifference(value=0.0, how=SAME, n=len(a))
    return seed_difference(a, b, paired=paired)


def _by_seed(arm: Arm, unit: str) -> dict[int, float]:
    runs: Iterable[RunRecord] = arm.done
    return {r.spec.training.seed: float(value) for r in runs if (value := getattr(r, unit)) is not None}


def _overall(pairs: Sequence[Matched], unit: str | None, paired: bool) -> SeedDifference | None:
    if len(pairs) < 2 or unit is None:
        return None
    found = mean_seed_difference([(_by_seed(p.a, unit), _by_seed(p.b, unit)) for p in pairs], paired=paired)
    if found is not None:
        return found
    each = [pair.difference for pair in pairs if pair.difference]
    return SeedDifference(value=fmean(d.value for d in each), how=NONE, n=sum(d.n for d in each))


def _question(a: Evidence, b: Evidence) -> Iterable[Field]:
    """Yield the fields of the question that differ, in its order."""
    ones, others = (dict(_flat(to_json(each.question))) for each in (a, b))
    for name in dict.fromkeys([*ones, *others]):
        one, other = _said(ones.get(name)), _said(others.get(name))
        if one != other and name != "study":
            yield Field(where="question", name=name, a=one, b=other, arms=None)


def _runs(matched: Sequence[Matched]) -> Iterable[Field]:
    """Yield the fields in which matched runs differ, each with its values over all of them."""
    found: dict[str, tuple[list[str], list[str]]] = {}
    for pair in matched:
        ones, others = (_of_spec(arm.spec) for arm in (pair.a, pair.b))
        for name in dict.fromkeys([*ones, *others]):
            one, other = _said(ones.get(name)), _said(others.get(name))
            if one != other:
                values = found.setdefault(name, ([], []))
                values[0].append(one)
                values[1].append(other)
    for name, (ones_, others_) in found.items():
        yield Field(where="runs", name=name, a=_all(ones_), b=_all(others_), arms=len(ones_))


def _of_spec(spec: RunSpec) -> dict[str, Any]:
    return {name: value for name, value in _flat(spec.to_line()) if name.partition(".")[0] not in LABELS}


def _environment(a: Evidence, b: Evidence) -> Iterable[Field]:
    for name in ("version", "commit", "python", "torch", "device"):
        one, other = (_all([_said(getattr(r.environment, name)) for r in each.records]) for each in (a, b))
        if one != other:
            yield Field(where="environment", name=name, a=one, b=other, arms=None)


def _flat(data: Any, name: str = "") -> Iterable[tuple[str, Any]]:
    """Yield the plain values of nested JSON, by dotted name; a list is one value."""
    if isinstance(data, dict):
        for key, value in data.items():
            yield from _flat(value, f"{name}.{key}" if name else key)
    else:
        yield name, data


def _said(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, list):
        return ", ".join(map(_said, value)) or "none"
    if isinstance(value, dict):
        return value.get("label") or value.get("field") or "…"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _all(values: Sequence[str], most: int = 4) -> str:
    """Write the distinct values; beyond `most` they are counted."""
    distinct = list(dict.fromkeys(values))
    return (
        ", ".join(distinct)
        if len(distinct) <= most
        else f"{', '.join(distinct[:most])} and {len(distinct) - most} more"
    )
