"""The tables of fits show every curve and where dense is crossed."""

from planners import Study
from reports.study.evidence import read_evidence
from reports.study.tables import make_tables


def test_what_other_curves_say_and_where_dense_is_crossed_are_shown(wide: Study) -> None:
    tables = make_tables(read_evidence(wide))
    assert [row[1] for row in tables["curves"].rows] == ["quadratic", "cubic", "spline"]
    assert {row[2] for row in tables["crossings"].rows} == {"low", "high"}
    named = {row[1]: row for row in tables["fit"].rows}
    lowest = named["lowest loss"]
    assert lowest[3] < lowest[2] < lowest[4]
