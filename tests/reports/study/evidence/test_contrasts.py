"""The lead over dense arms and the two sides of the lowest arm are differences of means with their intervals."""

import math
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from report_checks import evidence_of

from planners import Question, RunSpec, Study, preset
from reports.study.answer import answer, question_sentence
from reports.study.evidence import read_evidence
from reports.study.evidence.contrasts import all_leads, leads, sides

Make = Callable[..., Study]


def test_lead_is_the_difference_of_means(wide: Study) -> None:
    evidence = read_evidence(wide)
    (lead,) = leads(evidence.series[0])
    assert (lead.over, lead.is_best, lead.n, lead.tried) == ("matched", True, 3, 5)
    dense, moe = lead.dense.mean("loss"), lead.moe.mean("loss")
    assert dense is not None
    assert moe is not None
    assert lead.difference.value == pytest.approx(dense - moe)
    assert lead.ends is not None
    assert lead.ends[0] < lead.difference.value < lead.ends[1]
    assert moe == min(arm.mean("loss") or 9 for arm in evidence.moe)


@pytest.fixture
def controlled(make: Make, question: Question, tmp_path: Path) -> Callable[[float], Study]:
    """A study whose dense controls, of lower N, end near the given loss and the matched dense arm near 3."""
    asked = replace(question, controls=("optimal", "active:0.12"))

    def build(small: float) -> Study:
        def loss(spec: RunSpec) -> float:
            noise = random.Random(spec.run_id).gauss(0, 0.002)
            rise = 0.03 * math.log(spec.r_a / 0.2) ** 2
            return noise + (small if spec.role == "control" else 3.0 if spec.shape.is_dense else 2.5 + rise)

        return make(tmp_path / f"controls{small}", asked, loss)

    return build


def test_lead_over_the_best_dense_arm_is_said_with_its_N(controlled: Callable[[float], Study]) -> None:
    study = controlled(2.8)
    evidence = read_evidence(study)
    matched, best = leads(evidence.series[0])
    assert (matched.over, matched.is_best, best.over, best.is_best) == ("matched", False, "best", True)
    assert best.dense.spec.role == "control"
    assert best.difference.value == pytest.approx(matched.difference.value - 0.2, abs=0.01)
    assert best.tried == 15
    said = answer(evidence).text
    assert "below the dense arm of equal N and C (N 3" in said
    assert f"below the lowest of 3 dense arms ({best.dense.name}, N " in said
    assert "report both" in evidence_of(study, "dense baseline")


def test_a_dense_control_below_the_moe_arms_is_said_so(controlled: Callable[[float], Study]) -> None:
    assert "above the lowest of 3 dense arms" in answer(read_evidence(controlled(2.4))).text


@pytest.mark.parametrize(
    ("rise", "verdict"), [(0.1, "clear"), (0.009, "suggestive"), (0.004, "not resolved"), (-0.1, "not sampled")]
)
def test_a_side_is_judged_by_its_contrast(
    make: Make, question: Question, tmp_path: Path, rise: float, verdict: str
) -> None:
    heights = {0.12: rise, 0.17: 0.0, 0.25: 0.02, 0.4: 0.05, 0.6: 0.1}
    noise = {0: 0.004, 1: -0.003, 2: -0.001}

    def loss(spec: RunSpec) -> float:
        seed, target = spec.training.seed, spec.target["r_a"]
        turn = 1 if target in (0.12, 0.25, 0.6) else -1  # what no seed shares
        return 2.5 + heights.get(target, 0.5) + 0.3 * seed + turn * noise[seed]

    study = make(tmp_path / "sides", question, loss)
    left, right = sides(read_evidence(study).series[0])
    assert (left.side, left.verdict) == ("left", verdict)
    assert right.verdict == "clear"
    assert f"Left of the lowest arm: {verdict}" in answer(read_evidence(study)).text
    assert left.difference is None or left.difference.plain_se > 10 * left.difference.se  # type: ignore[operator]


def test_given_arms_of_equal_tokens_share_a_budget_and_dense_of_another_n_is_no_match(
    make: Callable[..., Study], tmp_path: Path
) -> None:
    """C of the arms of such a plan differs by a thousandth: that makes no budgets of their own."""
    given = tuple(
        replace(arm, D=98_304) for arm in preset("tinystories-moe").arms if arm.label in ("dense", "E4", "E8")
    )
    question = replace(preset("tinystories-moe"), study="given", arms=given, eval_windows=16, seeds=(0, 1), claims=None)
    evidence = read_evidence(make(tmp_path / "given", question, lambda spec: 8 + spec.N / 1e9, fit=False))
    assert [arm.label for arm in evidence.arms] == ["dense", "E4", "E8"]
    assert len({run.spec.C for run in evidence.runs}) == 3
    assert len(evidence.budgets) == 1
    assert "D = 98.3k training tokens" in question_sentence(evidence)
    found = all_leads(evidence)
    assert {(lead.over, lead.moe.name, lead.dense.name) for lead in found} == {
        ("best", "E4", "dense"),
        ("best", "E8", "dense"),
    }
    assert all(" above the lowest dense arm" in point for point in answer(evidence).points)
