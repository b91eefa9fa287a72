"""Formulas of columns: names with any sign, and nothing but arithmetic."""

import math
from contextlib import suppress

import pytest
from hypothesis import given, strategies as st

from fits import from_records, read_table
from fits.runs.columns.formula import parse_formula
from planners.records.errors import UsageError

NAMES = ["C", "N", "N_a", "tokens (B)", "val/loss", "tokens (D, B)", "a-b", "ppl", "a*2"]
ROW = {
    "C": 6e18,
    "N": 1e8,
    "N_a": 2e7,
    "tokens (B)": 20.0,
    "val/loss": 3.0,
    "tokens (D, B)": 2.0,
    "a-b": 5.0,
    "ppl": 20.0,
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("tokens (B)*1e9", 2e10), ("C/(6*N)", 1e10), ("ln(ppl)", math.log(20)), ("val/loss", 3.0),
        ("val/loss * 2", 6.0),
        ("tokens (D, B)*1B", 2e9), ("a-b", 5.0), ("N - N_a", 8e7), ("N_a/N", 0.2), ("exp(val/loss)", math.exp(3)),
        ("log2( ppl )", math.log2(20)), ("2*(1+1)*N", 4e8), ("C / 6 / N", 1e10),
    ],
)  # fmt: skip
def test_products_quotients_and_logarithms(text, value):
    assert parse_formula(text, NAMES).value(ROW) == pytest.approx(value)


@pytest.mark.parametrize("text", ["N*", "(N", "N)", "ln(M)", "M*1e9", "N N", "__import__('os')", "", "ln()", "N**2"])
def test_anything_else_is_one_sentence(text):
    with pytest.raises(UsageError) as caught:
        parse_formula(text, NAMES)
    assert "\n" not in str(caught.value)


@given(st.text("N_aCln()*/+-. 0123456789e", max_size=20))
def test_no_text_gives_a_traceback(text):
    try:
        formula = parse_formula(text, ["N", "N_a", "C"])
    except UsageError:
        return
    with suppress(ArithmeticError, ValueError):
        formula.value({"N": 1e8, "N_a": 2e7, "C": 1e18})


def test_deep_brackets_are_refused():
    with pytest.raises(UsageError, match="brackets"):
        parse_formula("(" * 5000 + "N", ["N"])


def test_a_formula_reads_our_columns_in_any_order_and_a_plain_name_the_tables():
    rows = [{"params (M)": 100.0, "ratio": 20.0, "loss": 3.0, "a": 1.0, "b": 2.0}]
    table = from_records(rows, {"D": "ratio*N", "N": "params (M)*1e6", "a": "b", "b": "a"})
    assert (table.numbers("D")[0], table.numbers("a")[0], table.numbers("b")[0]) == (2e9, 2.0, 1.0)
    with pytest.raises(UsageError, match="by each other"):
        from_records(rows, {"N": "D/20", "D": "20*N"})


def test_a_cell_that_is_no_number_stays_in_the_error():
    rows = [{"ppl": 20.0}, {"ppl": "diverged"}, {"ppl": None}, {"ppl": 0.0}]
    with pytest.raises(UsageError, match=r"row 4 of table: loss is ln\(ppl\) with ppl = 0"):
        read_table(rows, {"loss": "ln(ppl)"})
    table = read_table(rows[:3], {"loss": "ln(ppl)"})
    assert [one.reason for one in table.dropped] == ["loss is diverged", "loss is empty"]
