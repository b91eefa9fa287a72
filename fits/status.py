"""How a fit, a parameter, an optimum or a crossing came out, and why: codes as data, each with its words."""

from enum import StrEnum
from typing import TypedDict

from planners.records.errors import UsageError


class Status(StrEnum):
    """How something came out; `meaning` says it in a sentence. No status is an error."""

    meaning: str

    def __new__(cls, code: str, meaning: str = "") -> "Status":
        member = str.__new__(cls, code)
        member._value_, member.meaning = code, meaning
        return member

    CONVERGED = "converged", "the search ended at a minimum that the runs determine"
    AT_BOUND = "at_bound", "a parameter ended at a bound of the search"
    NOT_IDENTIFIED = "not_identified", "the runs do not determine the value"
    EDGE = "edge", "the value lies at or beyond an end of the sampled range, which bounds it on one side"
    NO_MINIMUM = "no_minimum", "the fitted curve has no minimum"
    MAX_ITER = "max_iter", "the search ended before it reached a minimum"
    FIXED = "fixed", "the value was given and not fitted"

    @classmethod
    def _missing_(cls, value: object) -> None:
        raise UsageError(f"status {value!r} is not one of {', '.join(cls)}")

    @property
    def words(self) -> str:
        """The code for a reader: not identified."""
        return self.value.replace("_", " ")


class Cause(TypedDict):
    """Why something came out as it did, as two fields of a result."""

    why: "Why"
    reason: str


class NoCause(TypedDict):
    """The same two fields where there is nothing to explain."""

    why: None
    reason: None


NO_CAUSE = NoCause(why=None, reason=None)


class Why(StrEnum):
    """Why something came out as it did: a code, and the sentence about it with its facts in braces."""

    template: str

    def __new__(cls, code: str, template: str) -> "Why":
        member = str.__new__(cls, code)
        member._value_, member.template = code, template
        return member

    # the optimum of a curve
    INSIDE = "inside", "the minimum and its 95 % interval lie within {range}"
    ONE_SIDED = (
        "one_sided",
        "the minimum lies within {range}, but the data do not bound it from {side}; add {more} or seeds",
    )
    NO_BEND = (
        "no_bend",
        "the fitted curve has no minimum because it does not bend upwards; add {more} beyond the {end} end, or seeds",
    )
    MISFIT = "misfit", "the {law} misses the mean losses by more than the noise (p = {p:.2g}); see the other curves"
    NO_CURVE_FITS = (
        "no_curve_fits",
        "no curve with one minimum fits the mean losses (lack-of-fit test, p = {p:.2g}), so no interval is given; plot"
        " the runs and add {more}",
    )
    UNTESTED = (
        "untested",
        "too few runs for an interval that does not assume the curve's shape; add {more} (5 or more) or seeds",
    )
    UNBOUNDED = (
        "unbounded",
        "the interval of the fitted minimum near {at:.3g} spans all of {range}; add seeds",
    )
    NO_EFFECT = "no_effect", "the losses do not differ by more than the noise (p = {p:.2g}); add seeds"
    BEYOND_ALL = (
        "beyond_all",
        "the fitted minimum lies {side} {range}, and its interval spans all of them; add {more} or seeds",
    )
    MEANS_DISAGREE = (
        "means_disagree",
        "the fitted loss still falls at the {end} end of {range}, but the lowest measured mean is at {at:.3g}:"
        " curve and means disagree; add seeds, or {more} {side} them",
    )
    FALLS_AT_END = "falls_at_end", "the fitted loss still falls at the {end} end of {range}; add {more} {side} it"

    # where the MoE curve crosses the loss of a dense arm
    ALWAYS_HIGHER = "always_higher", "the curve is above the loss of {dense} at all sampled values"
    UNDECIDED = "undecided", "the lowest point of the curve may equal the loss of {dense}; add seeds"
    STILL_LOWER = (
        "still_lower",
        "the curve is still below the loss of {dense} at the {side} end of the sampled range",
    )
    LOWER_ABOVE = "lower_above", "the curve is below the loss of {dense} from here on"
    LOWER_BELOW = "lower_below", "the curve is below the loss of {dense} up to here"

    # the fit of a curve, or of a law of several columns
    FEW_RATES = (
        "few_rates",
        "{least} coefficients need at least {least} different rates, and there are {rates}; add rates",
    )
    FEW_RUNS = (
        "few_runs",
        "{n} runs determine {k} coefficients but leave no estimate of the noise; add seeds or rates",
    )
    EQUAL_D = (
        "equal_d",
        "these runs share D = {D:.3g} tokens and not C ({low:.3g} to {high:.3g} FLOPs), so there is no optimum of {of}"
        " to find: more active parameters cost more compute; compare runs of equal C, or fit a law of several columns,"
        " such as --law activation",
    )
    FEW_POINTS = "few_points", "{points} distinct points do not determine {k} parameters; add runs"
    ONE_VALUE = (
        "one_value",
        "{name} is nearly the same in every run, so its term cannot be told from a constant; vary {name}",
    )
    ON_A_LINE = (
        "on_a_line",
        "ln {one} and ln {other} lie on one line, so their terms cannot be told apart; vary {other} / {one}",
    )
    SINGULAR = "singular", "the runs do not tell the parameters apart; vary {columns} further, in more steps"
    NOT_CONVERGED = (
        "not_converged",
        "the search ended short of a minimum (relative gradient {gradient:.1e}); try a larger delta",
    )
    TERM_VANISHED = "term_vanished", "no run depends on {names}: the term has vanished"
    BOUND_REACHED = "bound_reached", "{names} ended at a bound of the search"
    INTERVAL_REACHES_BOUND = (
        "interval_reaches_bound",
        "the interval of {names} reaches zero or a bound of the search, so the runs do not bound it there; add runs, or"
        " hold it with --fixed",
    )
    FLAT = "flat", "{name} is poorly identified: {span} fits within {share:.1%} of the best objective"

    def because(self, **facts: object) -> Cause:
        """Return the code and its sentence, as the fields `why` and `reason` of a result."""
        return Cause(why=self, reason=self.sentence(**facts))

    def sentence(self, **facts: object) -> str:
        """Return the sentence with its `facts`; facts that it does not mention are allowed."""
        return self.template.format(**facts)
