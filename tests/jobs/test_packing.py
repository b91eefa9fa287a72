"""Packs hold every run once and are about as long as asked; times come from what was measured."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.execution import Execution
from jobs.record import Environment, RunRecord
from jobs.sweep.packing import CPU_FLOPS, generations, learn, pack, split
from planners import Study

WHERE = Environment(version="", commit=None, python="", torch="", device="", host="", started="", ended="")
SECONDS = st.dictionaries(st.uuids().map(str), st.floats(0.001, 1e5), max_size=60)


@settings(max_examples=80, deadline=None)
@given(seconds=SECONDS, target=st.floats(0, 1e5), at_least=st.integers(1, 20))
def test_every_run_is_in_one_pack_and_none_is_much_too_long(
    seconds: dict[str, float], target: float, at_least: int
) -> None:
    packs = pack(seconds, target, at_least)
    assert sorted(run_id for one in packs for run_id in one) == sorted(seconds)
    assert all(packs)
    assert len(packs) >= min(at_least, len(seconds))
    for one in packs:
        longest, total = max(seconds[run_id] for run_id in one), sum(seconds[run_id] for run_id in one)
        assert [seconds[run_id] for run_id in one] == sorted((seconds[run_id] for run_id in one), reverse=True)
        assert len(one) == 1 or (longest < target and total <= target + longest)


@settings(max_examples=40, deadline=None)
@given(count=st.integers(0, 40), size=st.integers(1, 9))
def test_arrays_are_split_at_the_limit(count: int, size: int) -> None:
    packs = [[str(number)] for number in range(count)]
    arrays = split(packs, size)
    assert [one for array in arrays for one in array] == packs
    assert all(0 < len(array) <= size for array in arrays)


def test_generations_put_parents_first(tiny_study: Study) -> None:
    first, second, third = tiny_study.runs()
    child = replace(second, training=replace(second.training, init_from=first.run_id))
    grandchild = replace(third, training=replace(third.training, init_from=child.run_id))
    assert generations([grandchild, child, first]) == [[first], [child], [grandchild]]
    assert generations([grandchild, first]) == [[grandchild, first]]  # a parent that is not among them is no concern
    assert generations([]) == [[]] or generations([]) == []


def test_times_come_from_finished_runs_of_the_shape_then_from_any_then_from_a_guess(tiny_study: Study) -> None:
    dense, moe, other = tiny_study.runs()
    tokens = dense.training.D + dense.training.eval_windows * dense.training.seq_len / 3
    M = {run.run_id: run.flops_per_token[run.flops_convention] for run in (dense, moe, other)}
    assert learn([]).seconds(dense) == pytest.approx(tokens * M[dense.run_id] / CPU_FLOPS)
    assert "a guess" in learn([]).source
    assert learn([], flops_per_s=1e9).seconds(dense) == pytest.approx(tokens * M[dense.run_id] / 1e9)
    done = RunRecord(
        spec=dense, state="done", loss=1.0, bpb=1.0, D_seen=1, wall_s=1.0, tokens_per_s=500.0, environment=WHERE
    )
    clock = learn([done, replace(done, tokens_per_s=400.0), replace(done, tokens_per_s=9000.0)])
    assert clock.seconds(dense) == pytest.approx(tokens / 500)
    moe_tokens = moe.training.D + moe.training.eval_windows * moe.training.seq_len / 3
    assert clock.seconds(moe) == pytest.approx(moe_tokens * M[moe.run_id] / (500 * M[dense.run_id]))
    assert clock.source == "from 3 finished runs"
    assert learn([replace(done, flags=("simulated",))]).n_measured == 0
    on_two = replace(done, execution=Execution(devices=2))
    assert learn([on_two], devices=4).seconds(dense) == pytest.approx(tokens / (4 * 500 / 2))
    assert learn([], flops_per_s=1e9, devices=4).seconds(dense) == pytest.approx(tokens * M[dense.run_id] / 4e9)
