"""The answer says what the fit says and no more, in every status; leads carry n; checks carry numbers."""

import math
import random
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from said import evidence_of, verdicts

from fits import fit_law
from planners import Question, RunSpec, Study, UsageError, preset
from reports import write_report
from reports.page.number_text import flops, nats, percent, residual
from reports.study.answer import answer, question_sentence
from reports.study.contrasts import all_leads, leads, sides
from reports.study.evidence import read_evidence
from reports.study.figures import FIGURES
from reports.study.optimum import ends
from reports.study.tables import make_tables

Make = Callable[..., Study]
NONE: dict[str, object] = {"value": None, "lo": None, "hi": None, "region": None}


def with_optimum(study: Study, **changes: object) -> str:
    """Return the answer with another optimum in place of the fitted one."""
    evidence = read_evidence(study)
    (fit,) = evidence.fits
    assert fit.optimum is not None
    changed = replace(fit, optimum=replace(fit.optimum, **changes))  # type: ignore[arg-type]
    return answer(replace(evidence, fits=(changed,))).text


def test_smallest_study_claims_no_optimum_and_says_why_and_what_next(smoke: Study) -> None:
    said = answer(read_evidence(smoke))
    assert said.sentence.startswith("No optimum is claimed. 3 runs determine 3 coefficients")
    assert "Left of the lowest arm: not judged. K1 is 0.0360 nats/token above K4 (one seed)." in said.points
    assert "0.1230 nats/token" in said.text
    assert "below the dense arm of equal N and C (N 296k)" in said.text
    assert "There is one seed (n = 1), so leads have no interval." in said.points
    assert "nothing is said of the best dense model" in said.text
    assert said.steps[0].command is not None
    assert "--preset smoke --top-k 0,1,2,4,8,16 --seeds 0,1,2" in said.steps[0].command


def test_converged_optimum_has_interval_n_region_and_both_sides(wide: Study) -> None:
    said = answer(read_evidence(wide))
    assert re.fullmatch(
        r"The loss is lowest at an activation rate of [\d.]+ % \(95 % interval [\d.]+ % to [\d.]+ %\)\.", said.sentence
    )
    assert "are within the margin of 0.005 nats/token" in said.points[0]
    assert said.points[1].startswith("Left of the lowest arm: clear.")
    assert said.points[2].startswith("Right of the lowest arm: clear.")
    (basis,) = said.details
    assert "15 MoE runs" in basis
    assert "; the answer's interval is that of a cubic." in basis
    assert re.search(r"Other curves of the same runs: cubic [\d.]+ % \([\d.]+ % to [\d.]+ %\), ", basis)
    assert "nats with the 3 seeds as blocks" in basis
    assert (
        "The intervals of leads treat seeds as blocks and are widened for the choice among arms; n = 3 seeds."
        in said.points
    )


@pytest.mark.parametrize(
    ("changes", "words", "never"),
    [
        ({**NONE, "status": "no_minimum", "reason": "it bends"}, "No optimum is claimed. It bends.", "fitted loss"),
        ({**NONE, "status": "not_identified", "reason": "no bound"}, "No optimum is claimed. No bound.", "fitted loss"),
        ({**NONE, "status": "edge", "edge": "low", "hi": 0.13}, "low end of the sampled rates (12.5 %)", "claimed"),
        ({**NONE, "status": "edge", "edge": "low", "hi": 0.13}, "at most 13 %", "claimed"),
        ({**NONE, "status": "edge", "edge": "high", "lo": 0.5}, "at least 50 %", "claimed"),
        ({"lo": None}, "below the lowest sampled rate (12.5 %) to", "The loss"),
        ({"hi": None}, "to beyond the highest sampled rate (60.8 %)", "The loss"),
        ({"hi": None}, "but the runs do not show a minimum on both sides", "claimed"),
        ({"region": None}, "The loss is lowest at", "margin"),
    ],
)  # fmt: skip
def test_each_status_has_its_words(wide: Study, changes: dict[str, object], words: str, never: str) -> None:
    text = with_optimum(wide, **changes)
    assert words in text
    assert never not in text


def test_rates_that_do_as_well_and_the_optimum_without_blocks_have_intervals(wide: Study) -> None:
    between = ((None, 0.19), (0.24, 0.26))
    said = with_optimum(wide, region=(0.18, 0.25), region_ends=between)
    assert "Rates from 18 % (95 %: below 19 %) to 25 % (95 %: 24 % to 26 %) are within the margin of 0.005" in said
    evidence = read_evidence(wide)
    result = evidence.fits[0]
    assert result.blocks is not None
    plain = replace(result.blocks.plain, value=0.2, lo=None, hi=0.3)
    other = replace(result, blocks=replace(result.blocks, plain=plain))
    (basis,) = answer(replace(evidence, fits=(other,))).details
    assert "Minimum without blocks: 20 % (95 % interval below the lowest sampled rate (12.5 %) to 30 %)." in basis
    rows = {row[1]: row for row in make_tables(evidence)["fit"].rows}
    assert result.optimum is not None
    assert result.optimum.region_ends is not None
    assert rows["low end of rates within 0.005"][3:5] == result.optimum.region_ends[0]


def test_the_interval_of_a_cubic_is_said_to_be_that_of_a_cubic(wide: Study) -> None:
    """Where the law is the reference, its interval assumes its shape; another curve's rate may lie outside it."""
    evidence = read_evidence(wide)
    result = fit_law(evidence.table, "cubic", margin=0.005)
    assert result.optimum is not None
    rows = tuple(replace(row, value=0.3) if row.law == "quadratic" else row for row in result.sensitivity)
    cubic = replace(result, series=evidence.fits[0].series, sensitivity=rows)
    found = replace(evidence, fits=(cubic,))
    (basis,) = answer(found).details
    assert "; the answer's interval is that of a cubic." in basis
    assert "each interval assumes its own curve. Outside the answer's interval: quadratic." in basis
    note, caption = make_tables(found)["curves"].note, FIGURES["curves"].caption(found)
    assert note.endswith("; the answer's interval is that of a cubic.")
    assert "; the answer's interval is that of a cubic. An arrow" in caption
    assert "does not" not in note + caption


def test_no_fit_is_said_with_the_command(make: Make, tmp_path: Path) -> None:
    study = make(tmp_path / "bare", preset("smoke"), lambda spec: 3.0, fit=False)
    said = answer(read_evidence(study))
    assert said.sentence.startswith("No optimum is claimed: no law has been fitted to these runs")
    assert said.steps[0].command == "python -m scaling.fit studies/bare"
    assert verdicts(study)["fit"] == "warn"
    assert "python -m scaling.fit studies/bare" in evidence_of(study, "fit")


def test_fit_without_optimum_claims_none(wide: Study) -> None:
    evidence = read_evidence(wide)
    bare = replace(evidence.fits[0], law="chinchilla", optimum=None)
    said = answer(replace(evidence, fits=(bare,))).sentence
    assert said == "No optimum is claimed: the fitted law (chinchilla) has no optimum."


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


@pytest.mark.usefixtures("sketched")
def test_partial_names_each_run_with_its_reason(broken: Study) -> None:
    report = write_report(broken)
    assert not report.complete
    assert report.answer.startswith("Partial: 1 of 4 planned runs done.")
    text = (report.folder / "report.html").read_text() + (report.folder / "report.md").read_text()
    for part in ("K1 seed 0", "it has no record yet", "failed: out of memory", "diverged: loss is NaN at step 7"):
        assert text.count(part) == 2
    assert sum("--retry" in (step.command or "") for step in answer(read_evidence(broken)).steps) == 1
    assert evidence_of(broken, "runs") == "1 of 4 planned runs done, 1 diverged, 1 failed, 1 missing."


def test_no_study_and_no_record_are_usage_errors(make: Make, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no study"):
        write_report(Study(tmp_path / "nowhere"))
    empty = make(tmp_path / "empty", preset("smoke"), lambda spec: 3.0, change=lambda spec, made: None)
    with pytest.raises(UsageError, match=r"nothing to report; train them with: python -m scaling.sweep .* --go"):
        write_report(empty)
    assert not empty.report.exists()


@pytest.mark.usefixtures("sketched")
def test_simulated_runs_are_said_to_be(make: Make, tmp_path: Path) -> None:
    study = make(
        tmp_path / "sim",
        preset("smoke"),
        lambda spec: 3.0,
        change=lambda spec, made: replace(made, flags=("simulated",)),
    )
    report = write_report(study)
    assert "Simulated" in report.answer
    assert "measured here" not in (report.folder / "report.html").read_text()


def test_numerals() -> None:
    assert [percent(0.1716), percent(1.0)] == ["17.2 %", "100 %"]
    assert [flops(1e11), flops(2.96e18), flops(3.125e9)] == ["1e11", "2.96e18", "3.12e9"]
    assert [residual(0.00146), residual(-0.001), residual(-9.7e-6), residual(0)] == [
        "+0.15 %",
        "−0.10 %",
        "−0.001 %",
        "0 %",
    ]
    assert [nats(0.123), nats(4.2e-4), nats(0), nats(3e-5)] == ["0.1230", "0.00042", "0.0000", "3.00e-05"]
    assert ends(None, 0.2, (0.1, 0.5)) == "below the lowest sampled rate (10 %) to 20 %"


def test_given_arms_of_equal_tokens_share_a_budget_and_dense_of_another_n_is_no_match(
    make: Callable[..., Study], tmp_path: Path
) -> None:
    """C of the arms of such a plan differs by a thousandth: that makes no budgets of their own."""
    given = tuple(
        replace(arm, D=98_304) for arm in preset("tinystories-moe").arms if arm.label in ("dense", "E4", "E8")
    )
    question = replace(preset("tinystories-moe"), study="given", arms=given, eval_windows=16, seeds=(0, 1))
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
