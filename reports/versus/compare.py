"""Two studies compared: which arms match, and the difference of each pair with its interval.

A difference is B less A. Runs of one seed share initial state and data order. Where both studies also share the
validation set, the difference is taken seed by seed; otherwise Welch's test compares the two means.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean

from fits.compare.by_seed import NONE, SAME, SeedDifference, mean_seed_difference, seed_difference
from fits.runs.same_budget import same_budget
from reports.study.evidence import Evidence
from reports.study.evidence.arms import Arm
from reports.versus.settings import DifferingField, differing_fields

RATE = 0.02
"""Arms of another name are one cell where r_a and N differ by less than this, relatively."""
UNITS = {"loss": "nats/token", "bpb": "bits/byte"}


@dataclass(frozen=True, kw_only=True)
class MatchedArms:
    """An arm of A and its counterpart in B."""

    a: Arm
    """The arm of A."""
    b: Arm
    """The arm of B."""
    by: str
    """What the two share: name, or numbers."""
    difference: SeedDifference | None
    """B less A; null where an arm has no finished run, or the losses cannot be compared."""

    @property
    def name(self) -> str:
        """The name of the two; both names where they differ."""
        return self.a.label if self.a.name == self.b.name else f"{self.a.label} / {self.b.label}"


@dataclass(frozen=True, kw_only=True)
class Versus:
    """Two studies side by side."""

    a: Evidence
    """The first study."""
    b: Evidence
    """The second study."""
    unit: str | None
    """What is compared: loss where both have one validation set, bpb where both have it; null where neither can be."""
    why: str
    """Why, in one sentence."""
    paired: bool
    """Whether runs of one seed are compared with each other."""
    matched: tuple[MatchedArms, ...]
    """The arms that both have."""
    only_a: tuple[Arm, ...]
    """The arms of A without a counterpart."""
    only_b: tuple[Arm, ...]
    """The arms of B without a counterpart."""

    @property
    def source(self) -> str:
        """Where the numbers come from."""
        return self.a.source if self.a.source == self.b.source else f"A {self.a.source}, B {self.b.source}"

    @property
    def compared(self) -> list[MatchedArms]:
        """The pairs of arms with a difference."""
        return [pair for pair in self.matched if pair.difference is not None]

    @property
    def other_runs(self) -> list[MatchedArms]:
        """The pairs of arms with a difference whose runs are not the same runs in both studies."""
        return [pair for pair in self.compared if pair.difference and pair.difference.how != SAME]

    @cached_property
    def fields(self) -> tuple[DifferingField, ...]:
        """Every field in which the questions, the matched runs or the environments differ."""
        return tuple(differing_fields(self.a, self.b, [(pair.a, pair.b) for pair in self.matched]))

    @cached_property
    def overall(self) -> SeedDifference | None:
        """The mean of the differences over arms whose runs are not the same in both; null below two such arms.

        It is taken by seed, over the seeds that every pair shares, where runs are paired.
        """
        pairs, unit = self.other_runs, self.unit
        if len(pairs) < 2 or unit is None:
            return None
        found = mean_seed_difference([(_by_seed(p.a, unit), _by_seed(p.b, unit)) for p in pairs], paired=self.paired)
        if found is not None:
            return found
        each = [pair.difference for pair in pairs if pair.difference]
        return SeedDifference(value=fmean(d.value for d in each), how=NONE, n=sum(d.n for d in each))


def against(a: Evidence, b: Evidence) -> Versus:
    """Return the two studies side by side."""
    unit, why, paired = _comparable(a, b)
    matched = tuple(
        MatchedArms(a=one, b=other, by=by, difference=_difference(one, other, unit, paired))
        for one, other, by in match(a.arms, b.arms)
    )
    taken = {id(arm) for pair in matched for arm in (pair.a, pair.b)}
    only_a, only_b = (tuple(arm for arm in each.arms if id(arm) not in taken) for each in (a, b))
    return Versus(a=a, b=b, unit=unit, why=why, paired=paired, matched=matched, only_a=only_a, only_b=only_b)


def _comparable(a: Evidence, b: Evidence) -> tuple[str | None, str, bool]:
    """Return which number can be compared, why, and whether runs of one seed are pairs."""
    corpora = [{arm.spec.data.fingerprint if arm.spec.data else None for arm in each.arms} for each in (a, b)]
    windows = [{(arm.spec.training.seq_len, arm.spec.training.eval_windows) for arm in each.arms} for each in (a, b)]
    if corpora[0] == corpora[1] and len(corpora[0]) == 1 and None not in corpora[0]:
        if windows[0] == windows[1]:
            return "loss", "Both read one corpus and measure the loss on one validation set, in nats per token.", True
        text = "Both read one corpus but measure the loss on different windows of it, so runs are not paired by seed."
        return "loss", text, False
    differ = f"The corpora differ ({a.corpus} and {b.corpus})"
    if not all(map(_has_bytes, (a, b))):
        return None, f"{differ}, and not both have bits per byte of text, so no loss is compared.", False
    text = (
        f"{differ}, so losses per token cannot be compared; bits per byte can. If the texts differ and not only the "
        "tokenizer, a difference mixes how hard the texts are with how well the models learned."
    )
    return "bpb", text, False


def _has_bytes(evidence: Evidence) -> bool:
    """Return whether any run has bits per byte; generated tokens, whose entropy is known, have no bytes."""
    done = [record for arm in evidence.arms for record in arm.done]
    generated = any(domain.floor is not None for record in done for domain in record.domains.values())
    return not generated and any(record.bpb is not None for record in done)


def match(ones: Sequence[Arm], others: Sequence[Arm]) -> list[tuple[Arm, Arm, str]]:
    """Return the arms that are one cell of both studies: the same name and budget, or else the same numbers."""
    rules: tuple[tuple[str, Callable[[Arm, Arm], bool]], ...] = (("name", _of_one_name), ("numbers", _of_one_cell))
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


def _of_one_name(one: Arm, other: Arm) -> bool:
    return one.name == other.name and one.is_dense == other.is_dense and same_budget(one.budget, other.budget)


def _of_one_cell(one: Arm, other: Arm) -> bool:
    """Return whether two arms are one cell: both dense or both MoE, with equal C, N, r_a and K."""
    a, b = one.spec, other.spec
    numbers = abs(math.log(b.r_a / a.r_a)) < RATE and abs(math.log(b.N / a.N)) < RATE
    kinds = one.is_dense == other.is_dense and a.shape.top_k == b.shape.top_k and a.role == b.role
    return kinds and numbers and same_budget(one.budget, other.budget)


def _difference(one: Arm, other: Arm, unit: str | None, paired: bool) -> SeedDifference | None:
    """Return the mean of `other` less that of `one`; None where an arm has no finished run with that number."""
    if unit is None:
        return None
    a, b = _by_seed(one, unit), _by_seed(other, unit)
    if not a or not b:
        return None
    if {r.spec.run_id for r in one.done} == {r.spec.run_id for r in other.done}:
        return SeedDifference(value=0.0, how=SAME, n=len(a))
    return seed_difference(a, b, paired=paired)


def _by_seed(arm: Arm, unit: str) -> dict[int, float]:
    return {r.spec.training.seed: float(value) for r in arm.done if (value := getattr(r, unit)) is not None}
