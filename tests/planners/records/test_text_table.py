"""Tables as text."""

from planners.records.text_table import percentage, text_table


def test_tables_are_aligned() -> None:
    lines = text_table(["name", "N"], [["a", "10"], ["long name", "2.5M"], ["b", None]]).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert lines[1].endswith("  10")


def test_a_percentage_has_a_space_and_a_sign_where_asked() -> None:
    assert percentage(0.05, 0) == "5 %"
    assert percentage(-0.0123, 2, sign=True) == "-1.23 %"
