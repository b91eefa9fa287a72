"""The table of arms against arms: each side of the lowest MoE arm, and its leads over dense arms."""

from collections.abc import Iterator

from fits.compare.means import ArmDifference
from reports.page.number_text import fixed, general
from reports.page.table import DOF, SERIES, VERDICT, Row, TableSpec, interval, number, text
from reports.study.evidence import Evidence
from reports.study.evidence.arms import Series, heading
from reports.study.evidence.contrasts import leads, sides


def _contrasts(evidence: Evidence) -> Iterator[Row]:
    for series in evidence.series:
        name = heading(series, evidence.series)
        yield from ((name, *row) for row in (*_sides(series), *_leads(series)))


def _sides(series: Series) -> Iterator[Row]:
    for side in sides(series):
        if side.difference is not None:
            names = (f"{side.end.name} ({side.side} end)", f"{side.lowest.name} (lowest)")
            yield *names, *_judged(side.difference, side.tried), None, side.verdict


def _leads(series: Series) -> Iterator[Row]:
    for lead in leads(series):
        dense = f"{lead.dense.name} ({'lowest dense' if lead.over == 'best' else 'dense of equal N'})"
        sure = None if lead.ends is None else lead.verdict
        yield dense, f"{lead.moe.name} (lowest MoE)", *_judged(lead.difference, lead.tried), lead.equivalence, sure


def _judged(found: ArmDifference, tried: int) -> Row:
    """Return the difference, how its SE was found, SE, dof, their ratio, the interval, plain SE, and pairs tried."""
    half = found.half(tried)
    ends = (None, None) if half is None else (found.value - half, found.value + half)
    ratio = found.value / found.se if found.se else None
    return found.value, found.how, found.se, round(found.dof, 1), ratio, *ends, found.plain_se, tried


CONTRASTS = TableSpec(
    title="Arm against arm",
    section="MoE against dense",
    columns=(
        *(SERIES, text("contrast", "mean loss of"), text("less")),
        number("difference", "difference", fixed(4), "nats/token"),
        *(
            text("how", "SE by"),
            number("se", "SE", fixed(4)),
            DOF,
            number("errors", "in SE", fixed(1)),
            *interval("", fixed(4)),
        ),
        *(number("plain_se", "SE", fixed(4), "plain"), number("tried", "chosen among")),
        *(number("p", "TOST p", general(2)), VERDICT),
    ),
    rows=_contrasts,
    note="Differences of mean losses over the finished seeds. SE by seeds as blocks: MoE arms of one shape share seeds "
    "and noise. By Welch: each arm has its own noise; dense and MoE share no initial state, so they are independent "
    "unless their losses are measured to move together over seeds (by seed). Plain: one noise for all arms, no blocks. "
    "Intervals are widened by Bonferroni for the number of arms or pairs among which the pair was chosen. TOST p: "
    "dense and MoE are equivalent within the margin where it is below 0.05. A side is clear where the interval is "
    "above zero, and suggestive where it is above zero only without the widening.",
)
