"""The answer of a study: one sentence, then its points, its leads with n, and the next steps."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from report_checks import evidence_of, verdicts

from planners import Study, preset
from reports.study.answer import answer
from reports.study.evidence import read_evidence

Make = Callable[..., Study]


def test_smallest_study_claims_no_optimum_and_says_why_and_what_next(smoke: Study) -> None:
    said = answer(read_evidence(smoke))
    assert said.sentence.startswith("No optimum is claimed. 3 runs determine 3 coefficients")
    assert "Left of the lowest arm: not judged. K1 is 0.0360 nats/token above K4 (one seed)." in said.points
    assert "0.1230 nats/token" in said.text
    assert "below the dense arm of equal N and C (N 296k)" in said.text
    assert "There is one seed (n = 1), so leads have no interval." in said.points
    assert "nothing is said of the best dense model" in said.text
    assert said.steps[0].command is not None
    assert "--top-k 0,1,2,4,8,16 --seeds 0,1,2 -o studies/smoke" in said.steps[0].command


def test_no_fit_is_said_with_the_command(make: Make, tmp_path: Path) -> None:
    study = make(tmp_path / "bare", preset("smoke"), lambda spec: 3.0, fit=False)
    said = answer(read_evidence(study))
    assert said.sentence.startswith("No optimum is claimed: no law has been fitted to these runs")
    assert said.steps[0].command == "python -m scaling.fit studies/bare"
    assert verdicts(study)["fit"] == "warn"
    assert "python -m scaling.fit studies/bare" in evidence_of(study, "fit")


def test_lead_above_dense_is_said_so(make: Make, tmp_path: Path) -> None:
    study = make(tmp_path / "worse", preset("smoke"), lambda spec: 3.0 if spec.shape.is_dense else 3.25)
    said = answer(read_evidence(study)).text
    assert "0.2500 nats/token" in said
    assert "above the dense arm" in said


def test_no_lead_without_a_dense_run(make: Make, tmp_path: Path) -> None:
    asked = replace(preset("smoke"), top_ks=(1, 4, 16))
    said = answer(read_evidence(make(tmp_path / "moe", asked, lambda spec: 3.0))).points[-1]
    assert said == "No lead of MoE over dense can be stated: no dense run was planned."


def test_two_budgets_have_a_lead_and_a_fit_each(make: Make, tmp_path: Path) -> None:
    asked = replace(preset("smoke"), budgets=(1e11, 3e11))
    study = make(tmp_path / "two", asked, lambda spec: 3.0 if spec.shape.is_dense else 2.9, fit=False)
    evidence = read_evidence(study)
    said = answer(evidence)
    assert [lead.series.C for lead in said.leads] == [1e11, 3e11]
    assert [point.split(":")[0] for point in said.points] == ["C = 1e11 FLOPs", "C = 3e11 FLOPs"]
    assert len({arm.label for arm in evidence.arms}) == 8
    assert len({arm.name for arm in evidence.arms}) == 4
    assert verdicts(study)["budgets"] == "warn"  # each budget is one line of rates still
