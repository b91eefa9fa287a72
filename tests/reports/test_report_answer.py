"""The answer says what the fit says and no more, in every status; leads carry n; checks carry numbers."""

import math
import random
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fits import fit_law
from fits.files import read_fit
from fits.intervals import half_width
from fits.reuse import reuse
from jobs.record import RoutingHealth, RunRecord, read_records, write_record
from planners import Question, RunSpec, Study, UsageError, preset
from reports import write_report
from reports.answer import answer, ends, question_sentence
from reports.checks import run_checks
from reports.contrasts import all_leads, leads, sides
from reports.device_time import equal
from reports.evidence import read_evidence
from reports.figures import figures_of
from reports.findings import reuse_sentences
from reports.numerals import flops, nats, percent, residual
from reports.tables import make_tables

Make = Callable[..., Study]
NONE: dict[str, object] = {"value": None, "lo": None, "hi": None, "region": None}


def verdicts(study: Study) -> dict[str, str]:
    return {check.name: check.verdict for check in run_checks(read_evidence(study))}


def evidence_of(study: Study, name: str) -> str:
    return next(check.evidence for check in run_checks(read_evidence(study)) if check.name == name)


def with_optimum(study: Study, **changes: object) -> str:
    """Return the answer with another optimum in place of the fitted one."""
    fit = read_fit(study.fits / "quadratic.json")
    assert fit.optimum is not None
    evidence = read_evidence(study)
    changed = replace(fit, optimum=replace(fit.optimum, **changes))  # type: ignore[arg-type]
    return answer(replace(evidence, fits=(replace(evidence.fits[0], result=changed),))).optimum


def test_smallest_study_claims_no_optimum_and_says_why_and_what_next(smoke: Study) -> None:
    said = answer(read_evidence(smoke))
    assert said.optimum.startswith("Unresolved. No optimum is claimed: 3 runs determine 3 coefficients")
    assert "left side not judged (K1 0.0360 above K4, one seed)" in said.optimum
    assert "0.1230 nats/token" in said.lead
    assert "below the dense arm of equal N and C (N 296k)" in said.lead
    assert "n = 1 seed: no interval" in said.lead
    assert "nothing is said of the best dense model" in said.lead
    assert said.steps[0].command is not None
    assert "--preset smoke --top-k 0,1,2,4,8,16 --seeds 0,1,2" in said.steps[0].command


def test_converged_optimum_has_interval_n_region_and_both_sides(wide: Study) -> None:
    said = answer(read_evidence(wide))
    assert said.optimum.startswith("Interior minimum near r_a = ")
    assert "95 % interval" in said.optimum
    assert "are within the margin of 0.005 nats/token" in said.optimum
    assert "left side clear (r_a 0.12" in said.optimum or "left side clear" in said.optimum
    assert "right side clear" in said.optimum
    (basis,) = said.details
    assert "15 MoE runs" in basis
    assert "; the answer's interval is that of a cubic." in basis
    assert re.search(r"Other curves of the same runs put it at: cubic [\d.]+ % \([\d.]+ % to [\d.]+ %\), ", basis)
    assert "nats with the 3 seeds as blocks" in basis
    assert "widened for the choice among arms, n = 3 seeds" in said.lead


@pytest.mark.parametrize(
    ("changes", "words", "never"),
    [
        ({**NONE, "status": "no_minimum", "reason": "it bends"}, "No optimum is claimed: it bends. M", "near"),
        ({**NONE, "status": "not_identified", "reason": "no bound"}, "No optimum is claimed: no bound. M", "near"),
        ({**NONE, "status": "edge", "edge": "low", "hi": 0.13}, "still falls at its low end (r_a 12.5 %)", "near"),
        ({**NONE, "status": "edge", "edge": "low", "hi": 0.13}, "at most 13 %", "near"),
        ({**NONE, "status": "edge", "edge": "high", "lo": 0.5}, "at least 50 %", "near"),
        ({"lo": None}, "below the lowest sampled rate (12.5 %) to", "Interior"),
        ({"hi": None}, "to beyond the highest sampled rate (60.8 %)", "Interior"),
        ({"hi": None}, "not shown to be a minimum on both sides", "claimed"),
        ({"region": None}, "Interior minimum near", "margin"),
    ],
)  # fmt: skip
def test_each_status_has_its_words(wide: Study, changes: dict[str, object], words: str, never: str) -> None:
    text = with_optimum(wide, **changes)
    assert words in text
    assert never not in text


def test_rates_that_do_as_well_and_the_optimum_without_blocks_have_intervals(wide: Study) -> None:
    between = ((None, 0.19), (0.24, 0.26))
    said = with_optimum(wide, region=(0.18, 0.25), region_ends=between)
    assert "; rates from 18 % (95 %: below 19 %) to 25 % (95 %: 24 % to 26 %) are within the margin of 0.005" in said
    evidence = read_evidence(wide)
    result = evidence.fits[0].result
    assert result.blocks is not None
    plain = replace(result.blocks.plain, value=0.2, lo=None, hi=0.3)
    other = replace(result, blocks=replace(result.blocks, plain=plain))
    (basis,) = answer(replace(evidence, fits=(replace(evidence.fits[0], result=other),))).details
    assert "the minimum is at: 20 % (95 % interval below the lowest sampled rate (12.5 %) to 30 %)." in basis
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
    cubic = replace(evidence.fits[0], name="cubic", result=replace(result, sensitivity=rows))
    found = replace(evidence, fits=(cubic,))
    (basis,) = answer(found).details
    assert "; the answer's interval is that of a cubic." in basis
    assert "each interval assuming its curve. Outside the answer's interval: quadratic." in basis
    note, caption = make_tables(found)["curves"].note, figures_of("study")["curves"].caption(found)
    assert note.endswith("; the answer's interval is that of a cubic.")
    assert "; the answer's interval is that of a cubic. An arrow" in caption
    assert "does not" not in note + caption


def test_no_fit_is_said_with_the_command(make: Make, tmp_path: Path) -> None:
    study = make(tmp_path / "bare", preset("smoke"), lambda spec: 3.0, fit=False)
    said = answer(read_evidence(study))
    assert said.optimum.startswith("Unresolved. No optimum is claimed: no law has been fitted to these runs")
    assert said.steps[0].command == "python -m scaling.fit studies/bare"
    assert verdicts(study)["fit"] == "warn"
    assert "python -m scaling.fit studies/bare" in evidence_of(study, "fit")


def test_fit_without_optimum_claims_none(wide: Study) -> None:
    evidence = read_evidence(wide)
    bare = replace(evidence.fits[0], result=replace(evidence.fits[0].result, law="chinchilla", optimum=None))
    said = answer(replace(evidence, fits=(bare,))).optimum
    assert said.startswith("Unresolved. No optimum is claimed: the fitted law (chinchilla) has none. Measured, ")


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
    said = answer(evidence).lead
    assert "below the dense arm of equal N and C (N 3" in said
    assert f"below the lowest of 3 dense arms ({best.dense.name}, N " in said
    assert "give both" in evidence_of(study, "dense baseline")


def test_a_dense_control_below_the_moe_arms_is_said_so(controlled: Callable[[float], Study]) -> None:
    assert "above the lowest of 3 dense arms" in answer(read_evidence(controlled(2.4))).lead


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
    said = answer(read_evidence(study)).optimum
    assert f"left side {verdict}" in said
    assert left.difference is None or left.difference.plain_se > 10 * left.difference.se  # type: ignore[operator]


def test_lead_above_dense_is_said_so(make: Make, tmp_path: Path) -> None:
    study = make(tmp_path / "worse", preset("smoke"), lambda spec: 3.0 if spec.shape.is_dense else 3.25)
    assert "0.2500 nats/token" in answer(read_evidence(study)).lead
    assert "above the dense arm" in answer(read_evidence(study)).lead


def test_no_lead_without_a_dense_run(make: Make, tmp_path: Path) -> None:
    asked = replace(preset("smoke"), top_ks=(1, 4, 16))
    lead = answer(read_evidence(make(tmp_path / "moe", asked, lambda spec: 3.0))).lead
    assert lead == "No lead of MoE over dense can be stated: no dense run was planned."


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
    with pytest.raises(UsageError, match="there is no study"):
        write_report(Study(tmp_path / "nowhere"))
    empty = make(tmp_path / "empty", preset("smoke"), lambda spec: 3.0, change=lambda spec, made: None)
    with pytest.raises(UsageError, match=r"nothing to report; train them with: python -m scaling.sweep .* --go"):
        write_report(empty)
    assert not empty.report.exists()


def test_checks_of_the_smallest_study(smoke: Study) -> None:
    warned = {name for name, verdict in verdicts(smoke).items() if verdict == "warn"}
    assert warned == {"seeds", "budgets", "fit", "runs for the parameters", "dense baseline"}
    assert "worst: K1, +0.29 %" in evidence_of(smoke, "equal N")
    assert "D/N 0.146 to 0.861" in evidence_of(smoke, "budgets")
    assert "sees 0.146 tokens per parameter" in evidence_of(smoke, "dense baseline")


def test_sick_routing_is_named(make: Make, tmp_path: Path) -> None:
    def sick(spec: RunSpec, made: RunRecord) -> RunRecord:
        health = RoutingHealth(max_load=7.5, load_cv=1.0, dead_experts=3, dropped=0.0, entropy=0.2)
        return replace(made, routing=health) if spec.arm == "K4" else made

    study = make(tmp_path / "sick", preset("smoke"), lambda spec: 3.0, change=sick)
    assert verdicts(study)["routing health"] == "warn"
    assert "7.5" in evidence_of(study, "routing health")
    assert evidence_of(study, "routing health").endswith("limits: K4.")


@pytest.fixture
def own_seeds(make: Make, tmp_path: Path) -> Study:
    """Three budgets with seeds of their own; MoE takes 2.5 times as long as dense, and 1.5 times that of a seed."""
    asked = replace(preset("smoke"), budgets=(1e11, 2e11, 4e11), seeds=(0, 1), own_seeds=True)

    def timed(spec: RunSpec, made: RunRecord) -> RunRecord:
        slow = (1.0 if spec.shape.is_dense else 2.5) * (1.5 if spec.arm == "K4" and spec.training.seed % 2 else 1.0)
        return replace(made, wall_s=slow * spec.budget / 1e9, environment=replace(made.environment, code=None))

    def loss(spec: RunSpec) -> float:
        fall = 0.1 * math.log2(spec.budget / 1e11)
        return (3.0 if spec.shape.is_dense else 2.95) - fall + 0.01 * (spec.training.seed % 2)

    return make(tmp_path / "own", asked, loss, change=timed, fit=False)


def test_equal_time_is_told_where_budgets_share_no_seed(own_seeds: Study) -> None:
    evidence = read_evidence(own_seeds)
    assert not {r.spec.training.seed for r in evidence.at(1e11)[0].done} & {
        r.spec.training.seed for r in evidence.at(2e11)[0].done
    }
    found = equal(evidence)
    assert found is not None
    assert found.here.C == 4e11
    share = math.log2(4 / 2.5)  # of the way from 1e11 to 2e11, at 2.5 and 5 times 100 s
    value, half = found.found["K1"].less_dense
    assert value == pytest.approx(2.95 - 0.1 * share - 2.8)
    errors = [0.01**2 / 2 / 2 * weight**2 for weight in (1 - share, share, 1)]
    assert half == pytest.approx(half_width(*((error, 1) for error in errors)))
    table = make_tables(evidence)["time"]
    rows = [dict(zip((column.name for column in table.columns), row, strict=True)) for row in table.rows]
    k1 = next(row for row in rows if row["arm"] == "K1 at C 4e11")
    assert (k1["less_dense_at_time"], k1["lo"]) == (pytest.approx(value), pytest.approx(value - half))
    said = answer(evidence).points[-1]
    assert said.startswith("In the device-time that the dense arm takes for C = 4e11 FLOPs (0.111 device-hours)")
    assert said.endswith("; the times of one arm differ up to 1.5-fold between seeds, so they say little")
    assert f"K1 {nats(value)} ({nats(value - half)} to {nats(value + half)}) above" in said


def test_times_that_differ_between_seeds_and_a_code_that_is_not_recorded_are_said(own_seeds: Study) -> None:
    assert verdicts(own_seeds)["timings"] == verdicts(own_seeds)["environment"] == "warn"
    assert "up to 1.5-fold between seeds (most: K4 at C 1e11, 250.0 to 375.0 s)" in evidence_of(own_seeds, "timings")
    assert evidence_of(own_seeds, "environment").endswith("which code trained them is not recorded.")


def test_what_is_counted_is_counted_over_the_whole_study(make: Make, question: Question, tmp_path: Path) -> None:
    """A check says of several series what it says of each, and a run that is in two of them counts once."""
    asked = replace(question, budgets=(3e13, 6e13), seeds=(0, 1), unique_tokens=("fresh", "strict"))
    study = make(tmp_path / "counts", asked, lambda spec: 3.0 + math.log(spec.r_a / 0.2) ** 2, fit=False)
    done, evidence = len(study.runs()), read_evidence(study)
    assert len(evidence.series) == 4
    assert evidence_of(study, "checkpoints as runs") == f"Each of {done} runs stands once (run_id)."
    bracket = evidence_of(study, "grid brackets the minimum")
    assert bracket == "In each of 4 series of runs: The lowest mean loss lies between sampled r_a."
    assert f"n = {done} runs" in figures_of("study")["activation"].caption(evidence)
    assert ", no slot dropped, " in evidence_of(study, "routing health")


def test_one_repeated_arm_moves_with_no_rate(make: Make, tmp_path: Path) -> None:
    """Only several arms of one U have epochs that move with r_a; the one arm's scheme and growth are not told."""
    said = {}
    for arms in (("K4",), ("K1", "K4", "K16")):
        study = make(tmp_path / "".join(arms), replace(preset("smoke"), repeat=arms), lambda spec: 3.0, fit=False)
        said[arms] = evidence_of(study, "data reuse")
    assert said["K4",].startswith("Data is repeated in 1 of 5 arms (K4 U=strict): D / U is ")
    assert said["K4",].endswith(" epochs.")
    assert said["K1", "K4", "K16"].endswith("which moves with r_a at fixed U.")
    evidence = read_evidence(Study(tmp_path / "K4"))
    (found,) = reuse(evidence.table, margin=0.01)
    assert found.scheme == "repeated"
    sentences = " ".join(reuse_sentences(replace(evidence, reuse=(found,))))
    assert "(repeated)" not in sentences
    assert "loose" not in sentences
    assert "How the excess grows" in sentences or "how the excess grows with epochs is not tested." in sentences


def test_runs_of_two_codes_are_warned_of(make: Make, tmp_path: Path) -> None:
    def change(spec: RunSpec, made: RunRecord) -> RunRecord:
        return replace(made, environment=replace(made.environment, code="another")) if spec.arm == "K4" else made

    study = make(tmp_path / "codes", preset("smoke"), lambda spec: 3.0, change=change)
    assert verdicts(study)["environment"] == "warn"
    assert "2 values of code" in evidence_of(study, "environment")


def test_unequal_compute_is_warned_of(make: Make, tmp_path: Path) -> None:
    def short(spec: RunSpec, made: RunRecord) -> RunRecord:
        return replace(made, D_seen=made.D_seen // 2) if spec.arm == "K16" else made

    study = make(tmp_path / "short", preset("smoke"), lambda spec: 3.0, change=short)
    assert verdicts(study)["equal C"] == "warn"
    assert "K16" in evidence_of(study, "equal C")


def test_minimum_at_the_end_of_the_grid_is_warned_of(make: Make, tmp_path: Path) -> None:
    study = make(tmp_path / "end", preset("smoke"), lambda spec: 3 + spec.r_a)
    assert verdicts(study)["grid brackets the minimum"] == "warn"
    said = answer(read_evidence(study))
    assert "left side not sampled: K1 at that end is the lowest arm" in said.optimum
    assert "Only rates below these" in said.steps[0].why
    assert "narrower experts" in said.steps[0].why
    assert "--d-expert 8 --top-k 0,1,2,4,8,16,32" in str(said.steps[0].command)


def test_a_fit_of_other_runs_is_stale(make: Make, tmp_path: Path) -> None:
    study = make(tmp_path / "old", preset("smoke"), lambda spec: 3 + spec.r_a)
    assert "fit again" not in evidence_of(study, "fit")
    spec = study.runs()[2]
    write_record(study, replace(read_records(study)[2][1], loss=3.5))
    assert spec.arm == "K4"
    assert "fit again with: python -m scaling.fit studies/old" in evidence_of(study, "fit")


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
