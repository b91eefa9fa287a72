"""The loss of an arm in the time that the dense arm takes is interpolated between its budgets."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from report_checks import evidence_of, verdicts

from fits.intervals import half_width
from jobs.record import RunRecord
from planners import RunSpec, Study, preset
from reports.page.number_text import signed
from reports.study.answer import answer
from reports.study.evidence import read_evidence
from reports.study.evidence.equal_time import equal_time
from reports.study.tables import make_tables

Make = Callable[..., Study]


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
