"""Estimates as text: rates, ranges with open ends, differences of losses, p values."""

import pytest

from reports.papers.estimate_text import joined, loss_estimate, p_value, rate_range


@pytest.mark.parametrize(
    ("ends", "text"),
    [
        ((0.187, 0.246), "18.7 to 24.6 %"),
        ((0.187, None), "above 18.7 %"),
        ((None, 0.246), "below 24.6 %"),
        ((None, None), "no bound"),
    ],
)
def test_an_open_end_is_named(ends: tuple[float | None, float | None], text: str) -> None:
    assert rate_range(*ends) == text


def test_a_difference_has_its_interval_and_real_minus_signs() -> None:
    assert loss_estimate((-0.0051, 0.0033)) == "−0.0051 (−0.0084 to −0.0018)"
    assert loss_estimate(None) == "not known"


def test_lists_and_probabilities_read_as_a_sentence_does() -> None:
    assert [joined("a"), joined("ab"), joined("abc")] == ["a", "a and b", "a, b and c"]
    assert [p_value(0.57), p_value(1e-5)] == ["p = 0.57", "p < 0.001"]
