"""Verdicts on claims: does a contrast of trained arms lie on the claimed side, and by more than the margin?

found = verdicts(claims_of("task-conflict"), rows)
[f"{one.claim.id} {one.word}" for one in found]

Within a setting, seeds are blocks and all arms share one noise. Contrasts of several settings add up as independent.
The word of a claim is adjusted for the number of tested claims by Holm's method, and the interval by Bonferroni's. Each
claim has two tests, of an effect of at most 0 and of an effect of at least the margin.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

import numpy as np

from fits.compare.claim_columns import Measured, Row, measure
from fits.compare.means import ArmMeans
from fits.compare.samples import MeanEstimate, sample_mean, sd, weighted_sum
from fits.compare.several_tests import holm
from fits.intervals import LEVEL, TEST_LEVEL, t_quantile
from fits.runs.table import Floats
from planners.claims import Claim, Contrast

HOLDS, HOLDS_LESS, FAILS = "holds", "holds by less than the margin", "does not hold"
OPEN, NOT_RUN, GIVEN, UNTESTED = "cannot be told", "not run", "by construction", "not tested here"
WORDS = (HOLDS, HOLDS_LESS, FAILS, OPEN, NOT_RUN, GIVEN, UNTESTED)
"""What a verdict can be."""
AT_LEAST, AT_MOST, NEITHER = "at least", "at most", "open"
"""What an effect is where some of its runs never reached what is measured."""
NORMAL = 1e9
"""Degrees of freedom of an error that is known."""


@dataclass(frozen=True, kw_only=True)
class Effect:
    """The estimate of a contrast, turned so that the claimed side is positive."""

    contrast: Contrast
    """What was estimated."""
    value: float
    """The estimate, on the scale of the contrast."""
    se: float | None = None
    """Its standard error; null without degrees of freedom."""
    dof: float = 0.0
    """Degrees of freedom of the error."""
    n: int
    """Seeds of the arm that has fewest."""
    unreached: int = 0
    """Runs that never reached what is measured."""
    bound: str | None = None
    """at least, at most, or open, where runs never reached what is measured; else null."""

    def half(self, tried: int, n: int | None = None) -> float | None:
        """Return half the 95 % interval with a Bonferroni correction for `tried` claims, with `n` seeds if given."""
        if self.se is None:
            return None
        n = n or self.n
        dof = self.dof * (n - 1) / max(1, self.n - 1)
        return t_quantile(dof, 1 - (1 - LEVEL) / tried) * self.se * math.sqrt(self.n / n)

    def ends(self, tried: int) -> tuple[float | None, float | None]:
        """Return the ends of that interval; null for an end that the runs leave open."""
        half = self.half(tried)
        if half is None:
            return None, None
        low = self.value - half if self.bound in (None, AT_LEAST) else None
        return low, self.value + half if self.bound in (None, AT_MOST) else None

    @property
    def p_holds(self) -> float:
        """One-sided p of an effect of at most 0."""
        return self._tail(self.value) if self.bound in (None, AT_LEAST) else 1.0

    @property
    def p_fails(self) -> float:
        """One-sided p of an effect of at least the margin."""
        return self._tail(self.contrast.margin - self.value) if self.bound in (None, AT_MOST) else 1.0

    def _tail(self, distance: float) -> float:
        from scipy.special import stdtr

        if self.se is None:
            return 1.0
        if self.se == 0:
            return 0.0 if distance > 0 else 1.0
        return float(stdtr(self.dof, -distance / self.se))

    def needs(self, tried: int) -> int | None:
        """Return the seeds that give a half width of half the margin at this noise; None without noise or margin."""
        target = self.contrast.margin / 2
        if self.se is None or target <= 0 or self.n < 2:
            return None
        n = max(2, math.ceil(self.n * (t_quantile(NORMAL, 1 - (1 - LEVEL) / tried) * self.se / target) ** 2))
        while (half := self.half(tried, n)) is not None and half > target:
            n += max(1, n // 1000)
        return n


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the runs say of a claim."""

    claim: Claim
    """The claim."""
    word: str
    """One of WORDS."""
    effects: tuple[Effect, ...] = ()
    """The estimates of its contrasts that could be made, those that decide first."""
    tried: int = 1
    """Number of claims that were tested together."""
    missing: tuple[str, ...] = ()
    """For a claim that was not run: what has no finished run or was not measured, as arm and column."""

    @property
    def effect(self) -> Effect | None:
        """The estimate of the contrast that decides, the least favourable of several; None where there is none."""
        decides = self.effects if self.claim.decides == "all" else self.effects[:1]
        return min(decides, key=lambda each: each.value - each.contrast.margin, default=None)

    @property
    def needs(self) -> int | None:
        """The seeds that give a half width of half the margin; None where the claim is decided, a bound or unknown."""
        effect = self.effect
        return effect.needs(self.tried) if effect and self.word == OPEN and effect.bound is None else None


def verdicts(claims: Sequence[Claim], rows: Sequence[Row]) -> tuple[Verdict, ...]:
    """Return the verdict on each claim from the runs of its study, in the order of `claims`.

    Each row is a run: `arm`, `seed`, `series` (its setting), `state` and the columns of `planners.claims.COLUMNS`.
    """
    found = [_estimated(claim, rows) for claim in claims]
    tested = [at for at, one in enumerate(found) if one.word == OPEN]
    both = [_p_values(found[at]) for at in tested]
    adjusted = holm([p for pair in both for p in pair])
    for place, at in enumerate(tested):
        holds, fails = (p < TEST_LEVEL for p in adjusted[2 * place : 2 * place + 2])
        word = (HOLDS_LESS if fails else HOLDS) if holds else FAILS if fails else OPEN
        found[at] = replace(found[at], word=word, tried=len(tested))
    return tuple(found)


def _estimated(claim: Claim, rows: Sequence[Row]) -> Verdict:
    """Return a verdict without a decision: `cannot be told` where the claim is tested."""
    if claim.kind != "tested":
        return Verdict(claim=claim, word=GIVEN if claim.kind == GIVEN else UNTESTED)
    decides = claim.contrasts if claim.decides == "all" else claim.contrasts[:1]
    if missing := tuple(dict.fromkeys(lack for each in decides for lack in _lacks(each, rows))):
        return Verdict(claim=claim, word=NOT_RUN, missing=missing)
    effects = (effect_of(each, rows) for each in claim.contrasts if not list(_lacks(each, rows)))
    return Verdict(claim=claim, word=OPEN, effects=tuple(effects))


def _p_values(verdict: Verdict) -> tuple[float, float]:
    """Return the one-sided p that speaks for "holds" and for "does not hold"; of several contrasts all must hold."""
    decides = verdict.effects if verdict.claim.decides == "all" else verdict.effects[:1]
    holds, fails = max(each.p_holds for each in decides), min(each.p_fails for each in decides)
    return min(1.0, holds), min(1.0, len(decides) * fails)


def _lacks(contrast: Contrast, rows: Sequence[Row]) -> Iterator[str]:
    """Yield the arms and columns of a contrast that no finished run has."""
    for term in contrast.terms:
        if not any(row["arm"] == term.arm and _value(row, term.column, contrast.scale) for row in rows):
            yield f"{term.arm}: {term.column}"


def _value(row: Row, column: str, scale: str) -> Measured | None:
    """Return a number of a run on the scale of a contrast."""
    found = measure(row, column)
    if found is None or scale != "log":
        return found
    return found._replace(value=math.log(found.value)) if found.value > 0 else None


def effect_of(contrast: Contrast, rows: Sequence[Row]) -> Effect:
    """Return the estimate of a contrast, of which every arm has a finished run with the column."""
    if contrast.scale == "share":
        return _share(contrast, rows)
    if contrast.scale == "spread":
        return _spread(contrast, rows)
    settings: dict[str, dict[tuple[str, str], float]] = defaultdict(lambda: defaultdict(float))
    home = {row["arm"]: str(row.get("series")) for row in rows}
    for term in contrast.terms:
        settings[home[term.arm]][term.arm, term.column] += term.weight
    parts = [
        _Setting(weights, contrast, [row for row in rows if str(row.get("series")) == name])
        for name, weights in settings.items()
    ]
    total = weighted_sum([(1.0, part.estimate()) for part in parts])
    signs = {sign for part in parts for run in part.unreached for sign in run.signs}
    return Effect(
        contrast=contrast,
        value=contrast.side * (total.value - contrast.against),
        se=None if total.variance is None else math.sqrt(total.variance),
        dof=total.dof,
        n=min(part.n for part in parts),
        unreached=sum(len(part.unreached) for part in parts),
        bound=None if not signs else NEITHER if len(signs) > 1 else AT_LEAST if signs == {1} else AT_MOST,
    )


@dataclass(frozen=True)
class _Run:
    """A run in one setting of a contrast."""

    arm: str
    seed: int
    value: float
    """Its part of the contrast: a weighted sum of its columns."""
    signs: frozenset[int] = frozenset()
    """1 or -1 for each column that it never reached: whether the effect is then at least, or at most, the estimate."""


class _Setting:
    """The part of a contrast that lies in one setting: weights of (arm, column), and the runs of the setting."""

    def __init__(self, weights: Mapping[tuple[str, str], float], contrast: Contrast, rows: Sequence[Row]):
        self.arms, self.columns = ([*dict.fromkeys(pair[at] for pair in weights)] for at in (0, 1))
        matrix = np.array([[weights.get((arm, column), 0.0) for column in self.columns] for arm in self.arms])
        profile = matrix[int(np.argmax(np.abs(matrix).sum(axis=1)))]
        of_arm = matrix @ profile / float(profile @ profile)
        self.is_blocked = bool(np.allclose(matrix, np.outer(of_arm, profile)) and abs(of_arm.sum()) < 1e-9)
        """Whether it is a difference of arms in one number, the sum of the columns with the weights `profile`."""
        self.weights = dict(zip(self.arms, of_arm.tolist() if self.is_blocked else [1.0] * len(matrix), strict=True))
        own = [profile] * len(matrix) if self.is_blocked else matrix
        parts = dict(zip(self.arms, own, strict=True))
        runs = (self._run(row, parts.get(row["arm"], profile), contrast) for row in rows)
        self.runs = [run for run in runs if run and (run.arm in self.weights or (self.is_blocked and not run.signs))]

    def _run(self, row: Row, part: Floats, contrast: Contrast) -> _Run | None:
        """Return a run with its part of the contrast; None where one of its numbers was not measured."""
        pairs = [(w, _value(row, name, contrast.scale)) for w, name in zip(part, self.columns, strict=True) if w]
        known = [(float(w), found) for w, found in pairs if found is not None]
        if len(known) < len(pairs):
            return None
        side = contrast.side * self.weights.get(row["arm"], 1.0)
        signs = frozenset(1 if w * side > 0 else -1 for w, found in known if not found.reached)
        return _Run(row["arm"], row["seed"], sum(w * found.value for w, found in known), signs)

    @property
    def unreached(self) -> list[_Run]:
        """The runs that never reached what is measured."""
        return [run for run in self.runs if run.signs]

    @property
    def n(self) -> int:
        """Seeds of the arm that has fewest."""
        return min(len({run.seed for run in self.runs if run.arm == name}) for name in self.arms)

    def estimate(self) -> MeanEstimate:
        """Return the weighted sum; where runs never reached what is measured, the noise is that of the other runs."""
        complete = [run for run in self.runs if not run.signs]
        if self.is_blocked:
            noise = (_arm_means(complete).noise if complete else (math.nan, 0)) if self.unreached else None
            return _arm_means(self.runs).contrast(self.weights, noise)
        found = sample_mean(self._by_seed(self.runs))
        if not self.unreached:
            return found
        rest = sample_mean(self._by_seed(complete))
        return replace(found, variance=rest.variance and rest.variance * rest.n / found.n, dof=rest.dof)

    def _by_seed(self, runs: Sequence[_Run]) -> list[float]:
        """Return the sum over arms at each seed that all of them have; without such a seed the sum of their means."""
        values = {name: {run.seed: run.value for run in runs if run.arm == name} for name in self.arms}
        shared = set.intersection(*(set(of) for of in values.values()))
        whole = [sum(of[seed] for of in values.values()) for seed in sorted(shared)]
        return whole or [sum(fmean(of.values()) if of else math.nan for of in values.values())]


def _arm_means(runs: Sequence[_Run]) -> ArmMeans:
    return ArmMeans([run.arm for run in runs], [run.seed for run in runs], [run.value for run in runs])


def _share(contrast: Contrast, rows: Sequence[Row]) -> Effect:
    """Return the proportion of runs with a 1, over all runs of the arms.

    The standard error adds two runs of either kind (A. Agresti and B. A. Coull, Am. Stat. 52 (1998) 119): it is not
    zero where all runs agree.
    """
    by_arm = list(_numbers(contrast, rows))
    values = [value for of in by_arm for value in of]
    share = (sum(values) + 2) / (len(values) + 4)
    se = math.sqrt(share * (1 - share) / (len(values) + 4))
    value = contrast.side * (fmean(values) - contrast.against)
    return Effect(contrast=contrast, value=value, se=se, dof=NORMAL, n=min(map(len, by_arm)))


def _spread(contrast: Contrast, rows: Sequence[Row]) -> Effect:
    """Return a contrast of ln SD over seeds, whose bias is removed; each has variance trigamma(dof / 2) / 4."""
    from scipy.special import digamma, polygamma

    by_arm = list(_numbers(contrast, rows))
    total, variance, n = -contrast.against, 0.0, min(map(len, by_arm))
    for term, values in zip(contrast.terms, by_arm, strict=True):
        if not (spread := sd(values)):
            return Effect(contrast=contrast, value=0.0, n=n)
        half = (len(values) - 1) / 2
        total += term.weight * (math.log(spread) - (float(digamma(half)) - math.log(half)) / 2)
        variance += term.weight**2 * float(polygamma(1, half)) / 4
    return Effect(contrast=contrast, value=contrast.side * total, se=math.sqrt(variance), dof=NORMAL, n=n)


def _numbers(contrast: Contrast, rows: Sequence[Row]) -> Iterator[list[float]]:
    """Yield the numbers of the runs of each term."""
    for term in contrast.terms:
        runs = (measure(row, term.column) for row in rows if row["arm"] == term.arm)
        yield [found.value for found in runs if found is not None]
