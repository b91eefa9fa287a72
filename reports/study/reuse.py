"""What repeated data cost compared with fresh data, in sentences that claim no more than the test."""

from collections.abc import Iterator

from fits.intervals import TEST_LEVEL
from fits.repeats.reuse import Equivalence, Reuse
from fits.repeats.tost import detectable
from reports.page.number_text import counted, general, nats, sentence, span
from reports.study.evidence import Evidence


def reuse_sentences(evidence: Evidence) -> tuple[str, ...]:
    """Return what repeated data cost, scheme by scheme, with the effect that the study could have seen."""
    several = len(evidence.reuse) > 1
    said = (line for found in evidence.reuse if found.equivalences for line in _of_scheme(found))
    notes = (f"{found.scheme}: {note}" if several else note for found in evidence.reuse for note in found.notes)
    return (*said, *map(sentence, notes))


def _of_scheme(found: Reuse) -> Iterator[str]:
    """Yield the mean over arms, then every other group in brief, then whether the arms differ."""
    first, *others = found.equivalences
    yield _excess(found.scheme, first)
    if others:
        yield f"By group ({found.scheme}): {'; '.join(map(_in_brief, others))}."
    if (test := found.heterogeneity) is not None:
        differ = "differs between arms" if test.p < TEST_LEVEL else "is not shown to differ between arms"
        yield f"The excess {differ}: F({test.arms_dof}, {test.error_dof}) = {test.F:.3g}, p = {test.p:.2g}."


def _in_brief(one: Equivalence) -> str:
    between = "n = 1: no interval"
    if one.lo is not None and one.hi is not None:
        between = f"{one.lo:+.4f} to {one.hi:+.4f}, n = {one.n}"
    return f"{one.of} {one.excess:+.4f} ({between}), {one.words}"


def _excess(scheme: str, one: Equivalence) -> str:
    times = f"repeated {span(one.epochs, general(3))} times"
    said = f"Data {times}" if scheme == "repeated" else f"Over {one.of}, data {times} ({scheme})"
    side = "higher" if one.excess >= 0 else "lower"
    said += f" gives a loss {nats(abs(one.excess))} nats/token {side} than fresh data"
    if one.lo is None or one.hi is None:
        return f"{said} (n = 1: no interval), so nothing is concluded."
    said += f" (95 % interval {nats(one.lo)} to {nats(one.hi)}, n = {counted(one.n, 'difference')}): {one.words}."
    smallest = seen(one)
    if smallest is None:
        return said
    return f"{said} The smallest effect that 80 % of such studies would tell from zero is {smallest:.2g} nats/token."


def seen(one: Equivalence) -> float | None:
    """Return the excess, nats/token, that 80 % of such studies would tell from zero; None without an SD."""
    return None if one.sd is None else detectable(one.sd, one.n)
