"""The table of claims: what each says, what was compared, and the verdict."""

from collections.abc import Iterator

from fits.compare.verdict import Verdict
from reports.page.number_text import general, signed
from reports.page.table import SEEDS, VERDICT, Row, TableSpec, interval, number, text
from reports.study.claims import compared
from reports.study.evidence import Evidence

_SIGNED = signed(3)


def _rows(evidence: Evidence) -> Iterator[Row]:
    for one in evidence.verdicts:
        head = (one.claim.id, one.claim.says)
        yield from _effects(one) if one.effects else [(*head, one.word, *[None] * 10, _why(one), one.claim.where)]


def _effects(one: Verdict) -> Iterator[Row]:
    """Yield a row for each contrast; the verdict stands at those that decide."""
    for at, each in enumerate(one.effects):
        decides = at == 0 or one.claim.decides == "all"
        said = each.contrast.what if at else one.claim.says
        numbers = (each.value, *each.ends(one.tried), each.contrast.margin, each.n, each.unreached or None, each.bound)
        needs = each.needs(one.tried) if decides and one.needs else None
        yield (
            *(one.claim.id, said, one.word if decides else None, *numbers, needs),
            *(compared(each.contrast), each.contrast.matching, one.claim.remark or None, one.claim.where),
        )


def _why(one: Verdict) -> str | None:
    return f"no finished run has {one.missing[0]}" if one.missing else one.claim.remark or None


CLAIMS = TableSpec(
    title="Verdicts",
    section="Claims",
    columns=(
        *(text("id", "claim"), text("says"), VERDICT, number("effect", "effect", _SIGNED), *interval("", _SIGNED)),
        *(number("margin", "margin", general(2)), SEEDS, number("unreached", "never got there"), text("bound")),
        *(number("needs", "seeds needed"), text("compared"), text("matching", "equal in"), text("remark")),
        text("where", "note:line"),
    ),
    rows=_rows,
    note="Contrasts without a verdict are shown next to the one that decides. Seeds needed: for a half width of "
    "half the margin at this noise. Never got there: runs that ended before what is measured; they make the effect a "
    "bound.",
)
