"""Claims with their verdicts: the table of them, and verdicts on differences with an interval."""

from dataclasses import replace

from reports.papers.claim import AGREES, CANNOT, DIFFERS, Claim, below_zero, claims_table, either, every_below_zero


def test_the_rule_of_a_verdict_has_a_column_where_one_is_given() -> None:
    claim = Claim(says="It is 4.", where="text", found="It is 4.", verdict=AGREES)
    assert [column.name for column in claims_table([claim]).columns] == ["says", "verdict", "found", "where"]
    judged = claims_table([replace(claim, by="count")], says="claim")
    assert [column.name for column in judged.columns] == ["claim", "verdict", "by", "found", "where"]


def test_a_difference_is_below_zero_by_its_whole_interval_or_cannot_be_told() -> None:
    assert [below_zero(value, 0.1) for value in (-0.2, 0.0, 0.2)] == [AGREES, CANNOT, DIFFERS]
    assert [either(True), either(False)] == [AGREES, DIFFERS]


def test_one_difference_decides_on_all() -> None:
    assert every_below_zero([-0.2, -0.3], 0.1) == AGREES
    assert every_below_zero([-0.2, 0.0], 0.1) == CANNOT
    assert every_below_zero([-0.2, 0.0, 0.2], 0.1) == DIFFERS
