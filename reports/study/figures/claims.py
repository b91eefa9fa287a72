"""The claims of a study: each effect with its interval, the margin and the claimed side."""

from fits.compare.verdict import OPEN, Verdict
from reports.page.figure import BAND, EDGE, INK, QUIET, REGION, WIDTH, Axes, Figure, canvas_of
from reports.page.number_text import span, whole
from reports.study.claims import claims_sentence, interval_text
from reports.study.evidence import Evidence

ROW = 0.24
"""Inches per claim."""
EDGE_OF_AXIS = 6.0
"""Margins that the axis shows to either side; longer intervals end there."""
UNIT = 0.1
"""Unit of the effect of a claim whose margin is 0."""


def _shown(evidence: Evidence) -> list[Verdict]:
    return [one for one in evidence.verdicts if one.effect is not None]


def draw(evidence: Evidence, axes: Axes) -> None:
    """Draw a row for each tested claim, in the order of the claims; a hollow marker cannot be told."""
    found = _shown(evidence)
    canvas_of(axes).set_size_inches(WIDTH, 1.2 + ROW * len(found))
    axes.axvspan(0, EDGE_OF_AXIS, facecolor=REGION, edgecolor="none", zorder=0, gid="claimed side")
    axes.axvline(0, color=EDGE, linewidth=1)
    for row, one in enumerate(found):
        _row(one, row, axes)
    axes.set_yticks(range(len(found)), [f"{one.claim.id}  {one.word}" for one in found])
    axes.set_ylim(len(found) - 0.5, -0.5)
    axes.set_xlim(-EDGE_OF_AXIS, EDGE_OF_AXIS)
    axes.set_xlabel("effect in margins  (claimed side: right)")
    axes.grid(visible=False, axis="y")


def _row(one: Verdict, row: int, axes: Axes) -> None:
    effect = one.effect
    assert effect is not None
    margin = effect.contrast.margin
    unit = margin or UNIT
    if margin:
        axes.barh(row, 1, left=0, height=0.9, color=BAND, alpha=0.5, zorder=1)
    low, high = effect.ends(one.tried)
    ends = (-EDGE_OF_AXIS if low is None else low / unit, EDGE_OF_AXIS if high is None else high / unit)
    if low is not None or high is not None:
        style = ":" if None in (low, high) else "-"
        axes.plot(ends, (row, row), color=INK, linewidth=1.4, linestyle=style, gid=f"interval {one.claim.id}")
    place = max(-EDGE_OF_AXIS, min(EDGE_OF_AXIS, effect.value / unit))
    marker = "o" if abs(effect.value / unit) <= EDGE_OF_AXIS else ">" if place > 0 else "<"
    face = "white" if one.word == OPEN else INK
    axes.plot(
        place, row, marker, color=INK, markerfacecolor=face, markersize=4.5, clip_on=False, gid=f"effect {one.claim.id}"
    )
    if low is None and high is None:
        axes.text(place, row, "   no interval", va="center", fontsize=7, color=QUIET)


def caption(evidence: Evidence) -> str:
    """Return what the figure shows, with n and source."""
    found = [one.effect.n for one in _shown(evidence) if one.effect]
    return (
        "Effect of each tested claim in units of its margin (0.1 where the margin is 0), with its 95 % interval, "
        "adjusted for the number of claims (Bonferroni). Yellow: the claimed side; blue: within the margin; hollow: "
        f"cannot be told; dotted: a bound. n = {span(found, whole)} seeds of an arm, {evidence.source}."
    )


def alt(evidence: Evidence) -> str:
    """Return the figure in words."""
    said = [f"{one.claim.id} {interval_text(one.effect, one.tried)}" for one in _shown(evidence) if one.effect]
    return f"{claims_sentence(evidence)} Intervals of effects: {'; '.join(said)}."


FIGURE = Figure(
    title="Claims",
    section="Claims",
    has_data=lambda evidence: bool(_shown(evidence)),
    draw=draw,
    caption=caption,
    alt=alt,
)
