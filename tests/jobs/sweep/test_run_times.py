"""Predicted times of runs, from finished runs or from a guess."""

from dataclasses import replace

import pytest

from jobs.execution import Execution
from jobs.record import Environment, RunRecord
from jobs.sweep.run_times import CPU_FLOPS, measured_times
from planners import Study

WHERE = Environment(version="", commit=None, python="", torch="", device="", host="", started="", ended="")


def test_times_come_from_runs_of_the_shape_then_from_any_run_then_from_a_guess(tiny_study: Study) -> None:
    dense, moe, other = tiny_study.runs()
    tokens = dense.training.D + dense.training.eval_windows * dense.training.seq_len / 3
    M = {run.run_id: run.flops_per_token[run.flops_convention] for run in (dense, moe, other)}
    assert measured_times([]).seconds(dense) == pytest.approx(tokens * M[dense.run_id] / CPU_FLOPS)
    assert "a guess" in measured_times([]).source
    assert measured_times([], flops_per_s=1e9).seconds(dense) == pytest.approx(tokens * M[dense.run_id] / 1e9)
    done = RunRecord(
        spec=dense, state="done", loss=1.0, bpb=1.0, D_seen=1, wall_s=1.0, tokens_per_s=500.0, environment=WHERE
    )
    clock = measured_times([done, replace(done, tokens_per_s=400.0), replace(done, tokens_per_s=9000.0)])
    assert clock.seconds(dense) == pytest.approx(tokens / 500)
    moe_tokens = moe.training.D + moe.training.eval_windows * moe.training.seq_len / 3
    assert clock.seconds(moe) == pytest.approx(moe_tokens * M[moe.run_id] / (500 * M[dense.run_id]))
    assert clock.source == "from 3 finished runs"
    assert measured_times([replace(done, flags=("simulated",))]).n_measured == 0
    on_two = replace(done, execution=Execution(devices=2))
    assert measured_times([on_two], devices=4).seconds(dense) == pytest.approx(tokens / (4 * 500 / 2))
    assert measured_times([], flops_per_s=1e9, devices=4).seconds(dense) == pytest.approx(
        tokens * M[dense.run_id] / 4e9
    )
