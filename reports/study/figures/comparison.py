"""Laws compared on the same runs: by AICc, and by their error on held-out runs."""

from fits.compare.laws import Comparison, LawScore
from reports.page.figure import SERIES, Axes, Figure, key, panels, points
from reports.page.number_text import counted
from reports.study.evidence import Evidence

ROW = 0.42
"""Inches per law."""


def draw(evidence: Evidence, axes: Axes) -> None:
    """Draw one row for each law: AICc above the lowest on the left, held-out error on the right."""
    found = evidence.comparisons
    laws = list(dict.fromkeys(score.law for each in found for score in each.scores))
    left, right = panels(axes, 2, columns=2, height=0.6 + ROW * len(laws), sharey=True)
    for at, each in enumerate(found):
        dodge = 0.6 * ((at + 0.5) / len(found) - 0.5)
        _points(each, [score.delta for score in each.scores], laws, at, dodge, left)
        _points(each, [_percent(score) for score in each.scores], laws, at, dodge, right)
    left.set_yticks(range(len(laws)), laws)
    left.set_ylim(len(laws) - 0.5, -0.5)
    left.set_xlabel("AICc above the lowest")
    right.set_xlabel("held-out error of L  (%)")
    for panel in (left, right):
        panel.margins(x=0.1)
        panel.set_xlim(0, panel.get_xlim()[1])
    if len(found) > 1:
        key([left], columns=2)


def _percent(score: LawScore) -> float | None:
    return None if score.error is None else 100 * score.error


def _points(each: Comparison, values: list[float | None], laws: list[str], at: int, dodge: float, axes: Axes) -> None:
    mark = SERIES[at % len(SERIES)]
    known = [(x, laws.index(score.law) + dodge) for x, score in zip(values, each.scores, strict=True) if x is not None]
    x, y, gid = [x for x, _ in known], [y for _, y in known], f"laws {each.series or each.data}"
    points(axes, x, y, mark, 6, label=each.heading, gid=gid, clip_on=False)


def has_data(evidence: Evidence) -> bool:
    """Return whether laws were compared."""
    return any(score.delta is not None for each in evidence.comparisons for score in each.scores)


def caption(evidence: Evidence) -> str:
    """Return what the figure shows, with n and source."""
    n = sum(each.scores[0].n for each in evidence.comparisons)
    by = " and ".join(dict.fromkeys(each.by for each in evidence.comparisons))
    return (
        "Left: AICc of each law above that of the best law on the same runs; a difference below 2 decides nothing. "
        f"Right: root mean square error of ln L where each {by} is predicted from the others. "
        f"n = {counted(n, 'run')}, {evidence.source}."
    )


def alt(evidence: Evidence) -> str:
    """Return the figure in words."""
    said = []
    for each in evidence.comparisons:
        scores = [f"{s.law} {s.delta:.1f}" for s in each.scores if s.delta is not None]
        said.append(f"{each.heading}: {', '.join(scores)}")
    return f"AICc above the lowest, by law. {'; '.join(said)}."


FIGURE = Figure(
    title="Laws compared",
    section="Comparison of laws",
    has_data=has_data,
    draw=draw,
    caption=caption,
    alt=alt,
    size=(5.0, 2.2),
)
