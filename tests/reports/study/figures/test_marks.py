"""Arms differ in marker and dashes, so grey print is enough."""

from planners import Study
from reports.study.evidence import read_evidence
from reports.study.figures.marks import marks


def test_arms_are_told_apart_without_colour(wide: Study) -> None:
    used = marks(read_evidence(wide).arms).values()
    assert len({mark.marker for mark in used}) == len({(mark.line, mark.marker) for mark in used}) == 6
