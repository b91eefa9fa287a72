"""A movement of the optimal rate is claimed only where a test shows it."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from planners import Study
from reports.study.evidence import Evidence, read_evidence
from reports.study.movement import movement, moves


def with_test(study: Study, p: float | None, trend: float = 0.5) -> Evidence:
    """Return the evidence of a study with these p of the test of a constant rate and of the trend test."""
    slope = SimpleNamespace(by="C", value=-0.24, lo=-0.32, hi=None, p=trend)
    found: Any = SimpleNamespace(
        slopes=(slope,), p=p, detectable=0.5, value=None if p is None else 0.2, lo=0.18, hi=None,
        basis="a curve with one minimum", withheld="no curve with one minimum fits the means of C1e18",
    )  # fmt: skip
    return replace(read_evidence(study), constancy=found)


@pytest.mark.parametrize(
    ("p", "trend", "said"),
    [
        (0.2, 0.01, "The optimal rate moves with C."),
        (0.01, 0.2, "The optimal rate is not the same everywhere, but shows no trend with C."),
        (0.04, 0.04, "Whether the optimal rate moves with C is not resolved."),
        (
            None,
            0.5,
            "Whether the optimal rate moves with C was not tested: no curve with one minimum fits the means of C1e18.",
        ),
    ],
)
def test_both_tests_share_the_level(wide: Study, p: float | None, trend: float, said: str) -> None:
    assert moves(with_test(wide, p, trend)) == said


def test_the_test_its_power_and_the_constant_rate_are_stated(wide: Study) -> None:
    _, test, constant = movement(with_test(wide, 0.01))
    assert test == (
        "The test of a constant rate, which assumes a curve with one minimum in each cell, gives p = 0.01. Fitted: ln "
        "r_a* changes by −0.24 for one unit of ln C (95 %: −0.32 to open; trend test p = 0.5). 80 % of such studies "
        "would see a movement by a factor of 1.6 from the first to the last."
    )
    assert constant == "If the rate is constant, it is 20 % (95 % interval 18 % to open)."


def test_one_budget_has_no_movement(wide: Study) -> None:
    assert movement(read_evidence(wide)) == ()
