"""Numbers as tables write them; a cell that could be read in two ways is not read."""

import math

import pytest
from hypothesis import given, strategies as st

from fits.runs.columns.cells import decimal_mark, is_missing, number


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3.1", 3.1), ("1e18", 1e18), (" 7 ", 7.0), ("-.5", -0.5), ("50M", 5e7), ("18.9 B", 18.9e9),
        ("8.02 T", 8.02e12),
        ("2.00×10¹⁹", 2e19), ("1.31 x 10^20", 1.31e20), ("10²⁰", 1e20), (r"$2.0 \times 10^{19}$", 2e19), ("5%", 0.05),
        ("12.5 %", 0.125), ("49,999,999", 49999999.0), ("1,234.5", 1234.5), ("49_999_999", 49999999.0),
        ("49 999 999", 49999999.0), ("49\u202f999\u202f999", 49999999.0), ("49'999'999", 49999999.0), ("−3.5", -3.5),
        ("1.5 billion", 1.5e9), (4, 4.0), (True, 1.0),
    ],
)  # fmt: skip
def test_numbers_of_every_usual_form_are_read(text, value):
    assert number(text) == pytest.approx(value, rel=1e-15)


@pytest.mark.parametrize(
    "text", ["", "abc", "1,5", "12,34", "1,2345", "0,123", "1.2.3", "5Q", "1e5e5", "1e999", "2025-01-01", "1 2", None]
)  # fmt: skip
def test_other_cells_are_not_numbers(text):
    assert number(text) is None


def test_a_decimal_comma_is_known_from_cells_that_leave_no_choice():
    assert decimal_mark(["7,192785", "1.234.567"]) == ","
    assert number("7,192785", ",") == 7.192785
    assert number("1.234.567,5", ",") == 1234567.5
    assert number("1,27016e+10", ",") == 1.27016e10
    assert number("1.27", ",") is None
    assert decimal_mark(["7.19", "49,999,999"]) == "."
    assert decimal_mark(["3.0", "1,5"]) == ""
    assert number("1,5", "") is None
    assert number("1.234", "") is None
    assert number("1.5", "") == 1.5
    assert decimal_mark(["8,192"]) == "."
    assert decimal_mark(["8,192"], grouped=False) == ""


def test_missing_values_have_usual_words():
    assert all(map(is_missing, [None, float("nan"), "", " ", "NaN", "N/A", "null", "-"]))
    assert not any(map(is_missing, [0, "0", "diverged", "x"]))


@given(st.floats(1e-3, 1e15), st.sampled_from([",", " ", "_", "'"]))
def test_grouping_does_not_change_a_number(value, group):
    text = f"{value:,.6f}"
    assert number(text.replace(",", group)) == float(text.replace(",", ""))
    swapped = text.translate(str.maketrans(",.", ".,"))
    assert number(swapped, ",") == float(text.replace(",", ""))


@given(st.text("0123456789.,eE+-_' %MBx×^¹⁰", max_size=12), st.sampled_from([".", ",", ""]))
def test_any_text_gives_a_finite_number_or_none(text, decimal):
    value = number(text, decimal)
    assert value is None or math.isfinite(value)
