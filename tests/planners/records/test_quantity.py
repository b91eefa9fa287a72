import math

import pytest
from hypothesis import given, strategies as st

from planners.records.errors import UsageError
from planners.records.quantity import format_quantity, parse_counts, parse_quantities, parse_quantity


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("3e18", 3e18),
        ("100M", 1e8),
        ("2.9B", 2.9e9),
        ("290k", 2.9e5),
        ("1T", 1e12),
        (".5", 0.5),
        (" 7 ", 7),
        ("1e-3", 1e-3),
    ],
)
def test_numbers_are_read_as_the_field_writes_them(text: str, number: float) -> None:
    assert parse_quantity(text) == number


@pytest.mark.parametrize("text", ["0", "-3", "nan", "inf", "1e400", "100Q", "", "1,2", "3 e18", "M", "1e5M8", "0x10"])
def test_other_text_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(UsageError, match="--budget") as caught:
        parse_quantity(text, "--budget")
    assert "\n" not in str(caught.value)


@given(st.text(max_size=12))
def test_any_text_is_a_positive_finite_number_or_refused(text: str) -> None:
    try:
        number = parse_quantity(text)
    except UsageError:
        return
    assert number > 0
    assert math.isfinite(number)


@given(st.floats(min_value=1e-2, max_value=1e25))
def test_a_written_number_reads_back_to_its_digits(number: float) -> None:
    assert parse_quantity(format_quantity(number, 6)) == pytest.approx(number, rel=1e-5)


def test_lists_keep_order_and_drop_repeats() -> None:
    assert parse_quantities("1,.5,1,.2") == (1, 0.5, 0.2)
    assert parse_counts("0,1,16,1") == (0, 1, 16)
    assert parse_counts("4k,2e3,1e9,2.5k") == (4000, 2000, 10**9, 2500)
    for bad in ("1,-2", "1.5", "", "1,,2", "nan", "1e400", "2e9", "4Q", "inf", "1.0001k0"):
        with pytest.raises(UsageError):
            parse_counts(bad)
