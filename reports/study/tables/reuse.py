"""The tables of repeated data: its cost compared with fresh data, and how the cost grows with the epochs."""

from collections.abc import Iterator

from reports.page.number_text import fixed, general, percent
from reports.page.table import COUNT, THREE, VERDICT, Row, TableSpec, estimate, number, text
from reports.study.evidence import Evidence
from reports.study.reuse import seen

SCHEME, ARMS = text("scheme"), text("of", "arms")


def _reuse(evidence: Evidence) -> Iterator[Row]:
    for found in evidence.reuse:
        for one in found.equivalences:
            tested = (one.margin, one.p, one.power, seen(one), one.smallest, one.words)
            yield found.scheme, one.of, *one.epochs, one.excess, one.lo, one.hi, one.n, *tested


REUSE = TableSpec(
    title="Repeated against fresh data",
    section="Repeated data",
    columns=(
        *(SCHEME, ARMS, number("epochs_lo", "epochs from", THREE), number("epochs_hi", "to", THREE)),
        *(*estimate(number("excess", "excess", fixed(4), "nats/token")), COUNT),
        *(number("margin", show=general(2)), number("p", "TOST p", general(2)), number("power", show=percent)),
        number("detectable", "seen in 80 %", general(2), "nats/token"),
        *(number("smallest", "shown equal in 80 %", general(2), "nats/token"), VERDICT),
    ),
    rows=_reuse,
    note="Excess: loss on repeated data less the loss of the fresh run of the same arm, tokens and seed; n counts "
    "independent differences. Seen in 80 %: the true excess that 80 % of such studies would tell from zero. Shown "
    "equal in 80 %: the margin within which 80 % of such studies would show equality if the true excess is zero. "
    "Both use the SD found here.",
)


def _reuse_cost(evidence: Evidence) -> Iterator[Row]:
    for found in evidence.reuse:
        for c in found.costs:
            free = (c.free_epochs, c.free_lo, c.free_hi)
            yield found.scheme, c.of, c.value, c.lo, c.hi, c.n, *free, c.half_life


REUSE_COST = TableSpec(
    title="Cost of repetition",
    section="Repeated data",
    columns=(
        *(SCHEME, ARMS, *estimate(number("cost", "cost", THREE, "nats/token")), COUNT),
        *(*estimate(number("free_epochs", "free epochs", THREE), "free"), number("half_life", "R_D*", THREE)),
    ),
    rows=_reuse_cost,
    note="Excess = cost × (epochs − 1)² / (2 epochs), which is the law of arXiv 2305.16264 to first order. Free "
    "epochs: where the excess reaches the margin. A dash: this is beyond the epochs that were run, or all pairs have "
    "the same number of epochs. R_D* needs the gradient of the loss with respect to ln D.",
)
