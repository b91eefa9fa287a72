"""The checks of a report carry numbers and say what could be wrong: routing, code, budgets, stale fits."""

import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from report_checks import evidence_of, verdicts

from fits.repeats.reuse import reuse
from jobs.record import RoutingHealth, RunRecord, read_records, write_record
from planners import Question, RunSpec, Study, UsageError, preset
from reports.study.answer import answer
from reports.study.evidence import read_evidence
from reports.study.figures import FIGURES
from reports.study.reuse import reuse_sentences

Make = Callable[..., Study]


def test_checks_of_the_smallest_study(smoke: Study) -> None:
    warned = {name for name, verdict in verdicts(smoke).items() if verdict == "warn"}
    assert warned == {"seeds", "budgets", "fit", "runs for the parameters", "dense baseline"}
    assert "largest in K1: +0.29 %" in evidence_of(smoke, "equal N")
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


def test_what_is_counted_is_counted_over_the_whole_study(make: Make, question: Question, tmp_path: Path) -> None:
    """A check says of several series what it says of each, and a run that is in two of them counts once."""
    asked = replace(question, budgets=(3e13, 6e13), seeds=(0, 1), unique_tokens=("fresh", "strict"))
    study = make(tmp_path / "counts", asked, lambda spec: 3.0 + math.log(spec.r_a / 0.2) ** 2, fit=False)
    done, evidence = len(study.runs()), read_evidence(study)
    assert len(evidence.series) == 4
    assert evidence_of(study, "checkpoints as runs") == f"Each of {done} runs occurs once (run_id)."
    bracket = evidence_of(study, "grid brackets the minimum")
    assert bracket == "In each of 4 series of runs: The lowest mean loss lies between sampled r_a."
    assert f"n = {done} runs" in FIGURES["activation"].caption(evidence)
    assert ", no slot dropped." in evidence_of(study, "routing health")


def test_one_repeated_arm_moves_with_no_rate(make: Make, tmp_path: Path) -> None:
    """Only several arms of one U have epochs that move with r_a; the one arm's scheme and growth are not told."""
    said = {}
    for arms in (("K4",), ("K1", "K4", "K16")):
        study = make(tmp_path / "".join(arms), replace(preset("smoke"), repeat=arms), lambda spec: 3.0, fit=False)
        said[arms] = evidence_of(study, "data reuse")
    assert said["K4",].startswith("Data is repeated in 1 of 5 arms (K4 U=strict): D / U is ")
    assert said["K4",].endswith(" epochs.")
    assert said["K1", "K4", "K16"].endswith("at fixed U it changes with r_a.")
    evidence = read_evidence(Study(tmp_path / "K4"))
    (found,) = reuse(evidence.table, margin=0.01)
    assert found.scheme == "repeated"
    sentences = " ".join(reuse_sentences(replace(evidence, reuse=(found,))))
    assert "(repeated)" not in sentences
    assert "loose" not in sentences
    assert "the growth of the excess with epochs is not tested." in sentences


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
    assert "Left of the lowest arm: not sampled, because K1 at that end is the lowest arm." in said.text
    assert "Only rates below these" in said.steps[0].why
    assert "narrower experts" in said.steps[0].why
    assert "--d-expert 8 --top-k 0,1,2,4,8,16,32" in str(said.steps[0].command)


def test_a_fit_of_other_runs_leads_no_page(make: Make, tmp_path: Path) -> None:
    study = make(tmp_path / "old", preset("smoke"), lambda spec: 3 + spec.r_a)
    assert "fit again" not in evidence_of(study, "fit")
    spec = study.runs()[2]
    write_record(study, replace(read_records(study)[2][1], loss=3.5))
    assert spec.arm == "K4"
    assert "fit again with: python -m scaling.fit studies/old --law" in evidence_of(study, "fit")
    said = answer(read_evidence(study))
    assert "No optimum is claimed: the fits were made from other runs than there are now." in said.text
    assert "scaling.fit studies/old --law" in str([step.command for step in said.steps])


def test_an_edited_fit_is_refused(make: Make, tmp_path: Path) -> None:
    study = make(tmp_path / "edited", preset("smoke"), lambda spec: 3 + spec.r_a)
    path = study.fits / "fits.json"
    path.write_text(re.sub('"n": [0-9]+', '"n": 999', path.read_text()))
    with pytest.raises(UsageError, match=r"was edited after the fit; fit again with: "):
        read_evidence(study)
