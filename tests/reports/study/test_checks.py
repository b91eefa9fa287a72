"""The checks of a report carry numbers and say what could be wrong: routing, times, code, budgets, stale fits."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from said import evidence_of, verdicts

from fits.intervals import half_width
from fits.repeats.reuse import reuse
from jobs.execution import Execution
from jobs.record import RoutingHealth, RunRecord, read_records, write_record
from planners import Question, RunSpec, Study, preset
from reports.page.number_text import signed
from reports.study.answer import answer
from reports.study.consumption import hours
from reports.study.equal_time import equal_time
from reports.study.evidence import read_evidence
from reports.study.figures import FIGURES
from reports.study.reuse import reuse_sentences
from reports.study.tables import make_tables

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


@pytest.fixture
def own_seeds(make: Make, tmp_path: Path) -> Study:
    """Three budgets with seeds of their own; MoE takes 2.5 times as long as dense, and 1.5 times that of a seed."""
    asked = replace(preset("smoke"), budgets=(1e11, 2e11, 4e11), seeds=(0, 1), own_seeds=True)

    def timed(spec: RunSpec, made: RunRecord) -> RunRecord:
        slow = (1.0 if spec.shape.is_dense else 2.5) * (1.5 if spec.arm == "K4" and spec.training.seed % 2 else 1.0)
        taken = slow * spec.budget / 1e9
        environment = replace(made.environment, code=None)
        return replace(made, wall_s=taken, tokens_per_s=made.D_seen / taken, environment=environment)

    def loss(spec: RunSpec) -> float:
        fall = 0.1 * math.log2(spec.budget / 1e11)
        return (3.0 if spec.shape.is_dense else 2.95) - fall + 0.01 * (spec.training.seed % 2)

    return make(tmp_path / "own", asked, loss, change=timed, fit=False)


def test_hours_are_of_what_a_run_has_of_its_devices(smoke: Study) -> None:
    record = read_evidence(smoke).arms[0].done[0]
    alone = hours(replace(record, wall_s=3600.0, execution=None))
    assert alone == record.spec.training.threads
    for execution, wanted in ((Execution(), 1), (Execution(devices=4), 4), (Execution(runs_per_device=4), 0.25)):
        assert hours(replace(record, wall_s=3600.0, execution=execution)) == wanted * alone


def test_equal_time_is_told_where_budgets_share_no_seed(own_seeds: Study) -> None:
    evidence = read_evidence(own_seeds)
    assert not {r.spec.training.seed for r in evidence.at(1e11)[0].done} & {
        r.spec.training.seed for r in evidence.at(2e11)[0].done
    }
    found = equal_time(evidence)
    assert found is not None
    assert found.here.C == 4e11
    share = math.log2(4 / 2.5)  # of the way from 1e11 to 2e11, at 2.5 and 5 times 100 s
    value, half = found.found["K1"].less_dense
    assert value == pytest.approx(2.95 - 0.1 * share - 2.8)
    errors = [0.01**2 / 2 / 2 * weight**2 for weight in (1 - share, share, 1)]
    assert half == pytest.approx(half_width(*((error, 1) for error in errors)))
    table = make_tables(evidence)["equal_time"]
    rows = [dict(zip((column.name for column in table.columns), row, strict=True)) for row in table.rows]
    k1 = next(row for row in rows if row["arm"] == "K1 at C 4e11")
    assert (k1["less_dense_at_time"], k1["lo"]) == (pytest.approx(value), pytest.approx(value - half))
    said = answer(evidence).points[-1]
    assert said.startswith("At equal device-time (0.111 device-hours, what the dense arm takes for C = 4e11 FLOPs), ")
    assert said.endswith(" Speeds of runs with equal steps differ by a factor of up to 1.5, so times say little.")
    write = signed(4)
    assert f"K1 {write(value)} ({write(value - half)} to {write(value + half)})" in said


def test_times_that_differ_between_seeds_and_a_code_that_is_not_recorded_are_said(own_seeds: Study) -> None:
    assert verdicts(own_seeds)["timings"] == verdicts(own_seeds)["environment"] == "warn"
    assert "differ by a factor of up to 1.5 (largest in K4: 532 to 799 tokens/s)" in evidence_of(own_seeds, "timings")
    assert evidence_of(own_seeds, "environment").endswith("but their code is not recorded.")


@pytest.mark.parametrize(("device", "verdict"), [("one", "warn"), ("two", "ok")])
def test_a_budget_trained_in_a_slow_hour_is_said_and_another_device_is_none(
    make: Make, tmp_path: Path, device: str, verdict: str
) -> None:
    """Seeds of one budget agree; budgets with the same batch do not."""
    asked = replace(preset("smoke"), budgets=(1e11, 2e11), seeds=(0, 1), batch_tokens=512)

    def timed(spec: RunSpec, made: RunRecord) -> RunRecord:
        late = spec.budget > 1.5e11
        environment = replace(made.environment, device=device if late else "one")
        return replace(made, tokens_per_s=1000.0 if late else 1400.0, environment=environment)

    study = make(tmp_path / "slow", asked, lambda spec: 3.0, change=timed, fit=False)
    assert verdicts(study)["timings"] == verdict
    assert ("a factor of up to 1.4" in evidence_of(study, "timings")) == (verdict == "warn")


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


def test_a_fit_of_other_runs_is_stale(make: Make, tmp_path: Path) -> None:
    study = make(tmp_path / "old", preset("smoke"), lambda spec: 3 + spec.r_a)
    assert "fit again" not in evidence_of(study, "fit")
    spec = study.runs()[2]
    write_record(study, replace(read_records(study)[2][1], loss=3.5))
    assert spec.arm == "K4"
    assert "fit again with: python -m scaling.fit studies/old" in evidence_of(study, "fit")
