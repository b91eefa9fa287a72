"""Coefficients that papers print, next to ours."""

from reports.papers.chinchilla.study import PRINTED, REPLICATED, ROUNDED, Chinchilla
from reports.papers.coefficients import coefficient_table, outside


def test_printed_coefficients_have_a_column_next_to_ours(hoffmann: Chinchilla) -> None:
    table = coefficient_table({"all": hoffmann.fit}, {"all": PRINTED}, note="")
    rows = {row[0]: dict(zip((column.name for column in table.columns), row, strict=True)) for row in table.rows}
    assert rows["beta"]["printed_1"] == 0.28
    assert rows["beta"]["outside"] == "as printed, more digits"
    assert rows["alpha"]["outside"] == "none"
    assert "fit" not in [column.name for column in table.heads]  # one fit needs no column of its own
    two = coefficient_table({"all": hoffmann.fit, "again": hoffmann.fit}, {}, note="")
    assert "fit" in [column.name for column in two.heads]


def test_printed_values_outside_our_interval_are_named(hoffmann: Chinchilla) -> None:
    assert outside(hoffmann.fit, REPLICATED) == []
    assert outside(hoffmann.fit, ROUNDED) == ["B", "E", "beta"]
