"""What a study tests: a `Claim` is a sentence, and the contrasts of trained arms that decide it.

less("hard E8", "hard dense", "until.tokens_50")
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from planners.records.errors import UsageError

KINDS = ("tested", "by construction", "not tested here")
DECIDES = ("first", "all")
SCALES = ("plain", "log", "share", "spread")
EQUAL_STEPS = "equal steps, more total parameters"
EQUAL_N_AND_C = "equal N and C"
EQUAL_ACTIVE = "equal active FLOPs"
SAME_SHAPE = "same shape"


@dataclass(frozen=True, kw_only=True)
class Term:
    """One part of a contrast: the mean of a column over the runs of an arm, times a weight."""

    weight: float
    """What the mean is multiplied by: 1 and -1 for a difference."""
    arm: str
    """Label of the arm, as `GivenArm.label` and `RunSpec.arm`."""
    column: str
    """Name of the number: a column of `runs.csv`, or of the measures of `scaling.probe`; see `COLUMNS`."""


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """A number that the runs estimate: sum over terms of weight * mean(column of the arm), less `against`."""

    terms: tuple[Term, ...]
    """Means of arms with their weights. Arms of one seed share it as a block."""
    side: int
    """The claimed sign: 1 or -1. The effect is `side * value`, so the claimed side is always positive."""
    margin: float = 0.1
    """The smallest effect that matters, on the scale of the contrast; fixed before the runs. 0.1 of a log is 10 %."""
    scale: str = "plain"
    """plain: the column as it is; log: its natural logarithm, so a difference is a ratio; share: the column is 0 or 1
    for each run, and its mean is a proportion; spread: the log of its standard deviation over seeds."""
    against: float = 0.0
    """Subtracted from the weighted sum, so that a claim such as "above 0.1" is about 0."""
    matching: str = EQUAL_STEPS
    """What the compared arms are equal in."""
    what: str = ""
    """What the contrast is called where a claim has several; empty for the only one."""

    def __post_init__(self) -> None:
        if self.side not in (1, -1):
            raise UsageError(f"the side {self.side!r} of a contrast is not 1 or -1")
        if self.scale not in SCALES:
            raise UsageError(f"the scale {self.scale!r} of a contrast is not one of {', '.join(SCALES)}")
        if not self.terms:
            raise UsageError("a contrast has no terms; give at least one arm and column")


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One sentence about mixtures of experts, with the contrasts that test it."""

    id: str
    """Its number: T1, I1, E1, S1."""
    says: str
    """The claim in our words."""
    where: str
    """Note and lines that say so: A:43; several are separated by spaces."""
    study: str
    """Preset whose arms test it."""
    contrasts: tuple[Contrast, ...] = ()
    """The tests, the note's own first. Empty unless the claim is tested."""
    decides: str = "first"
    """first: the first contrast decides and the others are shown next to it. all: the claim holds where every contrast
    holds, and does not hold where one of them does not."""
    kind: str = "tested"
    """tested, by construction, or not tested here."""
    remark: str = ""
    """Why it is true by construction, what would test it, or what limits the test."""

    def __post_init__(self) -> None:
        if self.kind not in KINDS or self.decides not in DECIDES:
            raise UsageError(f"claim {self.id}: kind {self.kind!r} or decides {self.decides!r} is unknown")
        if (self.kind == "tested") != bool(self.contrasts):
            raise UsageError(f"claim {self.id} is {self.kind} and has {len(self.contrasts)} contrasts")

    @property
    def contrast(self) -> Contrast:
        """The contrast that decides, or the first of those that do. Raises IndexError for a claim without tests."""
        return self.contrasts[0]

    @property
    def arms(self) -> tuple[str, ...]:
        """The arms that it compares."""
        return tuple(dict.fromkeys(term.arm for contrast in self.contrasts for term in contrast.terms))


def less(one: str, other: str, column: str, weight: float = 1.0) -> tuple[Term, ...]:
    """Return the terms of the difference "arm `one` less arm `other`" in a column, times `weight`."""
    return (
        Term(weight=weight, arm=one, column=column),
        Term(weight=-weight, arm=other, column=column),
    )


def mean_of(arms: Sequence[str], column: str, weight: float = 1.0) -> tuple[Term, ...]:
    """Return the terms of the mean of a column over arms, times `weight`."""
    return tuple(Term(weight=weight / len(arms), arm=arm, column=column) for arm in arms)


def trend(parts: Sequence[tuple[Term, ...]]) -> tuple[Term, ...]:
    """Return the terms of the change from the first to the last of equally spaced parts, by the line through them."""
    places = [at - (len(parts) - 1) / 2 for at in range(len(parts))]
    scale = (len(parts) - 1) / sum(place**2 for place in places)
    return tuple(
        Term(weight=term.weight * place * scale, arm=term.arm, column=term.column)
        for place, terms in zip(places, parts, strict=True)
        for term in terms
        if place
    )


def check_claims(claims: Iterable[Claim], arms: Iterable[str]) -> None:
    """Raise UsageError for a claim that names an arm outside `arms` or a column outside `COLUMNS`."""
    known = set(arms)
    for claim in claims:
        for term in (term for contrast in claim.contrasts for term in contrast.terms):
            if term.arm not in known:
                raise UsageError(f"claim {claim.id} names the arm {term.arm!r}, which the question does not have")
            if column_source(term.column) is None:
                raise UsageError(f"claim {claim.id} names the column {term.column!r}; there are {', '.join(COLUMNS)}")


COLUMNS: dict[str, tuple[str, str]] = {
    "loss": ("record", "validation loss after the last step, nats per predicted token"),
    "until.loss_first": ("record", "validation loss at the first evaluation"),
    "tokens_per_s": ("record", "tokens per second of training"),
    "last_is_best": ("record", "1 where the last evaluation has the lowest loss of the run, else 0"),
    "has_dead": ("record", "1 where an expert has less than 1 % of the mean load, else 0"),
    "routing.max_load": ("record", "load of the busiest expert over the mean load at the last evaluation"),
    "routing.dropped": ("record", "share of routed slots that the capacity factor dropped in training"),
    "total": ("record", "all parameters"),
    "memory_counted": ("record", "bytes of a training step, counted from the shape"),
    "until.tokens_50": ("record", "tokens at which the mean exact match over tasks first passes 50 %; TASK follows"),
    "until.tokens_90": ("record", "the same at 90 %"),
    "until.flops_50": ("record", "until.tokens_50 times the FLOPs of a token"),
    "until.flops_90": ("record", "until.tokens_90 times the FLOPs of a token"),
    "until.seconds_50": ("record", "until.tokens_50 over the tokens per second of the run"),
    "until.tokens_50.TASK": ("record", "tokens of all tasks at which the exact match of one task passes 50 %"),
    "domains.NAME.loss": ("record", "validation loss on one domain"),
    "probe.rises": (
        "probe",
        "rises of the validation loss per evaluation, over the tokens that all arms of a seed saw",
    ),
    "probe.grad_norm_cv": ("probe", "standard deviation over mean of the gradient norm after warm-up"),
    "probe.load_early": ("probe", "load of the busiest expert over the mean load, in the first 40 steps"),
    "probe.load_late": ("probe", "the same in the last 40 steps"),
    "probe.conflict.cosine": ("probe", "lowest corrected cosine of two domains' gradients of the FFN"),
    "probe.conflict.negative": ("probe", "share of pairs with negative products, over experts or parts of the FFN"),
    "probe.conflict.halves": ("probe", "cosine of the FFN gradients of two halves of a domain"),
    "probe.overlap.layer1": ("probe", "usage overlap of two domains in the first layer, mean over pairs"),
    "probe.overlap.layer2": ("probe", "the same in the second layer"),
    "probe.superposition.dimensionality": ("probe", "mean feature dimensionality"),
    "probe.superposition.between": ("probe", "mean squared cosine of features of different domains"),
    "probe.rank": ("probe", "effective rank of the FFN features at answers"),
    "probe.specialisation": ("probe", "I(expert; domain) / H(domain) in the last layer at answers, given the token"),
    "probe.specialisation.all": ("probe", "the same of all tokens, not given the token"),
    "probe.knockout": ("probe", "share of the harm of a removed expert that falls outside its main domain"),
    "probe.difficulty": ("probe", "Spearman correlation of experts used and loss of a token"),
    "probe.forgetting": ("probe", "loss of the old domains after the second stage less before it"),
    "probe.forgetting.matched": ("probe", "the same at the loss of the new domains that all arms reached"),
    "probe.relearning": ("probe", "share of the lost loss that a tenth of the tokens regains"),
    "probe.tail": ("probe", "loss of values whose key has rank 100 to 1,000"),
    "probe.gap": ("probe", "validation loss less training loss"),
    "probe.alone": ("probe", "own tokens to 50 % in the mixture over those alone, mean over tasks, ln"),
    "probe.latency": ("probe", "median time of one sequence, batch 1, seconds"),
    "probe.latency.between": ("probe", "variance of that time between inputs, less the variance within repeats"),
    "probe.latency.batch8": ("probe", "median time of a batch of 8 sequences, seconds"),
    "probe.gather": ("probe", "share of a step's time in gather, scatter and sort"),
}
"""The columns that contrasts use: name -> (who writes it, what it is). TASK and NAME stand for a task or a domain."""


def column_source(column: str) -> str | None:
    """Return who writes a column, record or probe; None for an unknown one."""
    if column in COLUMNS:
        return COLUMNS[column][0]
    head, _, last = column.rpartition(".")
    if head in ("until.tokens_50", "until.tokens_90") and last:
        return "record"
    return "record" if column.startswith("domains.") and last == "loss" else None
