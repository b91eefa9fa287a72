"""A movement of the optimal rate is claimed only where the test with every curve shows it."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from planners import Study
from reports.study.evidence import Evidence, read_evidence
from reports.study.movement import movement, moves


def with_test(study: Study, **sensitivity: float) -> Evidence:
    """Return the evidence of a study with a test of a constant rate that gives these p by curve."""
    slope = SimpleNamespace(by="C", value=-0.24, lo=-0.32, hi=None)
    found: Any = SimpleNamespace(slopes=(slope,), sensitivity=sensitivity, detectable=0.5, value=0.2, lo=0.18, hi=None)
    return replace(read_evidence(study), constancy=found)


@pytest.mark.parametrize(
    ("p", "said"),
    [
        ({"cubic": 0.01, "quadratic": 0.02}, "The optimal rate moves with C."),
        (
            {"cubic": 0.2, "quadratic": 0.02},
            "Whether the optimal rate moves with C is not resolved: the result depends on the curve.",
        ),
        ({"cubic": 0.2, "quadratic": 0.3}, "Whether the optimal rate moves with C is not resolved."),
    ],
)
def test_movement_needs_every_curve(wide: Study, p: dict[str, float], said: str) -> None:
    assert moves(with_test(wide, **p)) == said


def test_the_test_its_power_and_the_constant_rate_are_stated(wide: Study) -> None:
    _, test, constant = movement(with_test(wide, cubic=0.01))
    assert test == (
        "The test of a constant rate gives, by the curve of each cell: cubic p = 0.01. Fitted: ln r_a* changes by "
        "−0.24 for one unit of ln C (95 %: −0.32 to open). 80 % of such studies would see a movement by a factor of "
        "1.6 from the first to the last."
    )
    assert constant == "If the rate is constant, it is 20 % (95 % interval 18 % to open)."


def test_one_budget_has_no_movement(wide: Study) -> None:
    assert movement(read_evidence(wide)) == ()
