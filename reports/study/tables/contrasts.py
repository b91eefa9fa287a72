"""The table of arms against arms: each side of the lowest MoE arm, and its leads over dense arms."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from reports.page.number_text import fixed
from reports.page.table import DOF, SERIES, VERDICT, Row, TableSpec, interval, number, text
from reports.study.evidence import Evidence
from reports.study.evidence.arm_series import Series, heading
from reports.study.evidence.contrasts import OPEN, leads, sides

if TYPE_CHECKING:
    from fits.compare.means import ArmDifference


def _contrasts(evidence: Evidence) -> Iterator[Row]:
    for series in evidence.series:
        name = heading(series, evidence.series)
        yield from ((name, *row) for row in (*_sides(series), *_leads(series)))


def _sides(series: Series) -> Iterator[Row]:
    for side in sides(series):
        if side.difference is not None:
            names = (f"{side.end.name} ({side.side} end)", f"{side.lowest.name} (lowest)")
            yield *names, *_judged(side.difference, side.tried), side.verdict


def _leads(series: Series) -> Iterator[Row]:
    for lead in leads(series):
        dense = f"{lead.dense.name} ({'lowest dense' if lead.over == 'best' else 'dense of equal N'})"
        low, high = lead.ends or (None, None)
        sure = None if low is None or high is None else "MoE lower" if low > 0 else "dense lower" if high < 0 else OPEN
        yield dense, f"{lead.moe.name} (lowest MoE)", *_judged(lead.difference, lead.tried), sure


def _judged(found: "ArmDifference", tried: int) -> Row:
    """Return difference, SE, dof, difference over SE, the interval, the plain SE, and the number of pairs tried."""
    half = found.half(tried)
    ends = (None, None) if half is None else (found.value - half, found.value + half)
    ratio = found.value / found.se if found.se else None
    return found.value, found.se, found.dof, ratio, *ends, found.plain_se, tried


CONTRASTS = TableSpec(
    title="Arm against arm",
    section="MoE against dense",
    columns=(
        *(SERIES, text("contrast", "mean loss of"), text("less")),
        number("difference", "difference", fixed(4), "nats/token"),
        *(number("se", "SE", fixed(4), "blocked"), DOF, number("errors", "in SE", fixed(1)), *interval("", fixed(4))),
        *(number("plain_se", "SE", fixed(4), "plain"), number("tried", "chosen among"), VERDICT),
    ),
    rows=_contrasts,
    note="Differences of mean losses over the finished seeds; all arms have one noise. Blocked: each seed has an "
    "intercept; plain: it has none. Intervals are blocked, and widened by Bonferroni for the number of arms or pairs "
    "among which the pair was chosen. A side is clear where the interval is above zero, and suggestive where it is "
    "above zero only without the widening.",
)
