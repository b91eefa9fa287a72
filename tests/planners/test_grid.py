import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planners import Corpus, Data, Question, UsageError, make_plan, preset

SMOKE = preset("smoke")
CORPUS = Corpus(
    data=Data(name="a", fingerprint="b"), vocab_size=256, train_tokens=11_000_000, validation_tokens=900_000
)


def test_arms_of_smoke_are_equal_in_n_and_c() -> None:
    plan = make_plan(SMOKE, CORPUS)
    assert [run.arm for run in plan.runs] == ["dense", "K1", "K4", "K16"]
    for run in plan.runs:
        batch = run.training.batch_tokens * run.flops_per_token["exact"]
        assert abs(run.C - 1e11) <= batch / 2
        assert run.training.D * run.flops_per_token["exact"] == run.C
        assert abs(run.N / 296e3 - 1) < 0.01
        assert run.training.U == run.training.D
        assert run.training.lr == pytest.approx(0.14 / run.shape.d_model)
    assert plan.refused == ()
    assert any("confounds" in note for note in plan.notes)
    assert any("One seed" in note for note in plan.notes)


@settings(max_examples=30, deadline=None)
@given(st.floats(1e10, 1e13), st.sampled_from(["exact", "li2025", "6nd", "causal"]), st.integers(16, 512))
def test_a_plan_repeated_is_byte_identical_and_matched(C: float, convention: str, seq_len: int) -> None:
    asked = replace(SMOKE, budgets=(C,), flops_convention=convention, seq_len=seq_len, data=None)
    try:
        first, second = make_plan(asked), make_plan(asked)
    except UsageError as error:
        assert "steps" in str(error)
        return
    assert [json.dumps(run.to_line()) for run in first.runs] == [json.dumps(run.to_line()) for run in second.runs]
    for run in first.runs:
        assert abs(run.C - C) <= run.training.batch_tokens * run.flops_per_token[convention] / 2 + 1


def test_budgets_and_seeds_make_a_grid_without_duplicates() -> None:
    plan = make_plan(replace(SMOKE, budgets=(1e11, 2e11), seeds=(0, 1, 2)), CORPUS)
    assert len(plan.runs) == 4 * 2 * 3 == len({run.run_id for run in plan.runs})


def test_unique_tokens_strict_loose_and_by_number() -> None:
    strict = make_plan(replace(SMOKE, unique_tokens="strict"), CORPUS).runs
    assert {run.training.U for run in strict} == {strict[0].training.D}
    loose = make_plan(replace(SMOKE, unique_tokens="loose"), CORPUS).runs
    assert all(run.epochs == pytest.approx(2, rel=0.01) for run in loose)
    number = make_plan(replace(SMOKE, unique_tokens=20_000), CORPUS).runs
    assert {run.training.U for run in number} == {20_000 // 128 * 128 + 128 * (20_000 % 128 > 64)}
    with pytest.raises(UsageError, match="dense arm"):
        make_plan(replace(SMOKE, unique_tokens="strict", top_ks=(1,)), CORPUS)


def test_a_corpus_too_small_is_refused_with_its_size() -> None:
    with pytest.raises(UsageError, match="unique tokens"):
        make_plan(SMOKE, replace(CORPUS, train_tokens=1000))
    with pytest.raises(UsageError, match="validation windows"):
        make_plan(SMOKE, replace(CORPUS, validation_tokens=1000))
    partly = make_plan(SMOKE, replace(CORPUS, train_tokens=150_000))
    assert [run.arm for run in partly.runs] == ["dense", "K16"]
    assert len(partly.refused) == 2


@pytest.mark.parametrize(
    "change",
    [{"activations": (), "top_ks": ()}, {"activations": (0.0,)}, {"activations": (1.5,)}, {"unique_tokens": "many"},
     {"recipe": "x"}, {"flops_convention": "x"}],
)  # fmt: skip
def test_impossible_questions_are_refused(change: dict) -> None:
    with pytest.raises(UsageError):
        replace(SMOKE, **change)


def test_absurd_budgets_are_refused() -> None:
    with pytest.raises(UsageError, match="steps"):
        make_plan(replace(SMOKE, budgets=(1e5,)), CORPUS)
    with pytest.raises(UsageError, match="unique tokens"):
        make_plan(replace(SMOKE, budgets=(1e30,)), CORPUS)


def test_the_last_token_of_a_corpus_has_no_target() -> None:
    exact = make_plan(replace(SMOKE, top_ks=(0,)), CORPUS).runs[0].training.U
    with pytest.raises(UsageError, match="unique tokens"):
        make_plan(replace(SMOKE, top_ks=(0,)), replace(CORPUS, train_tokens=exact))
    assert make_plan(replace(SMOKE, top_ks=(0,)), replace(CORPUS, train_tokens=exact + 1)).runs


def test_cells_that_collapse_are_said_to() -> None:
    plan = make_plan(replace(SMOKE, top_ks=(), activations=(0.4, 0.405)), CORPUS)
    assert len(plan.runs) == 1
    assert "same run" in plan.refused[0].reason
    assert "r_a 0.405" in plan.refused[0].cell


def test_a_dense_rate_beside_a_top_k_leaves_the_rate_to_k() -> None:
    plan = make_plan(replace(SMOKE, top_ks=(4,), activations=(1,)), CORPUS)
    assert [run.arm for run in plan.runs] == ["dense", "K4"]


def test_many_repeats_are_noted() -> None:
    assert any("repeated" in note for note in make_plan(replace(SMOKE, unique_tokens=5000), CORPUS).notes)


def test_dense_alone_is_a_plan() -> None:
    plan = make_plan(Question(study="x", total_params=1e6, budgets=(1e13,), activations=(1,)))
    assert [run.arm for run in plan.runs] == ["dense"]
