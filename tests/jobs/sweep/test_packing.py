"""Packing: each run is in one pack, packs take about the target time, and parents come first."""

from dataclasses import replace

from hypothesis import given, settings, strategies as st

from jobs.sweep.packing import generations, pack, split
from planners import Study

SECONDS = st.dictionaries(st.uuids().map(str), st.floats(0.001, 1e5), max_size=60)


@settings(max_examples=80, deadline=None)
@given(seconds=SECONDS, target=st.floats(0, 1e5), at_least=st.integers(1, 20))
def test_every_run_is_in_one_pack_of_about_the_target_time(
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
    assert generations([grandchild, first]) == [[grandchild, first]]  # a parent outside the list does not matter
    assert generations([]) == [[]] or generations([]) == []
