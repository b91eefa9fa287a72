import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st
from shapes import LI2025_2B

from planners import Corpus, Data, GivenArm, Question, Router, Study, UsageError, make_plan, preset

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
        assert run.training.lr == pytest.approx(0.2 / run.shape.d_model)
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


def test_each_size_has_its_own_budgets_and_seeds() -> None:
    asked = replace(SMOKE, total_params=(100e3, 296e3), budgets=(1e11, 2e11, 3e11, 4e11), by_size=True, own_seeds=True)
    cells = {(round(run.N, -4), round(run.C, -10), run.training.seed) for run in make_plan(asked, CORPUS).runs}
    assert cells == {(100e3, 1e11, 0), (100e3, 2e11, 1), (300e3, 3e11, 2), (300e3, 4e11, 3)}
    with pytest.raises(UsageError, match="3 budgets cannot be shared among 2 sizes"):
        replace(asked, budgets=(1e11, 2e11, 3e11))


def test_unique_tokens_strict_loose_and_by_number() -> None:
    strict = make_plan(replace(SMOKE, unique_tokens="strict"), CORPUS).runs
    assert {run.training.U for run in strict} == {strict[0].training.D}
    loose = make_plan(replace(SMOKE, unique_tokens="loose"), CORPUS).runs
    assert all(run.epochs == pytest.approx(2, rel=0.01) for run in loose)
    number = make_plan(replace(SMOKE, unique_tokens=20_000), CORPUS).runs
    assert {run.training.U for run in number} == {20_000 // 128 * 128 + 128 * (20_000 % 128 > 64)}
    with pytest.raises(UsageError, match="dense arm"):
        make_plan(replace(SMOKE, unique_tokens="strict", top_ks=(1,)), CORPUS)


@pytest.mark.parametrize("epochs", [1, 2, 4, 16])
def test_a_share_of_d_is_a_number_of_epochs_for_every_arm(epochs: int) -> None:
    runs = make_plan(replace(SMOKE, unique_tokens=f"D/{epochs}"), CORPUS).runs
    assert all(pytest.approx(epochs, rel=0.02) == run.training.D / run.training.U for run in runs)


@pytest.mark.parametrize("unique", ["D/0", "D/", "D/x", "D/-2", "half"])
def test_other_words_for_unique_tokens_are_refused(unique: str) -> None:
    with pytest.raises(UsageError, match=r"must be a number, D/2, D/4"):
        replace(SMOKE, unique_tokens=unique)


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


def test_cells_with_the_same_run_are_refused_with_a_reason() -> None:
    plan = make_plan(replace(SMOKE, top_ks=(), activations=(0.4, 0.405)), CORPUS)
    assert len(plan.runs) == 1
    assert "same run" in plan.refused[0].reason
    assert "r_a 0.405" in plan.refused[0].cell


def test_with_a_dense_rate_and_a_top_k_the_rate_follows_K() -> None:
    plan = make_plan(replace(SMOKE, top_ks=(4,), activations=(1,)), CORPUS)
    assert [run.arm for run in plan.runs] == ["dense", "K4"]


def test_many_repeats_are_noted() -> None:
    assert any("repeated" in note for note in make_plan(replace(SMOKE, unique_tokens=5000), CORPUS).notes)


def test_a_recipe_outside_its_fitted_range_is_noted() -> None:
    asked = Question(study="x", total_params=2e7, budgets=(1e16,), activations=(1, 0.3))
    noted = [note for note in make_plan(asked).notes if "Step Law was fitted" in note]
    assert len(noted) == 1
    assert "20M" in noted[0]
    for other in ({"total_params": 1e8}, {"lr": 1e-3}, {"recipe": "ling"}):
        assert not any("Step Law was fitted" in note for note in make_plan(replace(asked, **other)).notes)


def test_dense_alone_is_a_plan() -> None:
    plan = make_plan(Question(study="x", total_params=1e6, budgets=(1e13,), activations=(1,)))
    assert [run.arm for run in plan.runs] == ["dense"]


GIVEN = GivenArm(label="paper K6", shape=LI2025_2B, D=2**37, r_a_target=0.1912, lr=2.73e-3, batch_tokens=2**21,
                 warmup_steps=1180)  # fmt: skip


def test_given_arms_are_planned_as_given(tmp_path: Path) -> None:
    jittered = replace(GIVEN, label="jitter", router=Router(jitter=0.1), D=None, C=4e20, U=2**30)
    asked = Question(study="x", seq_len=2048, vocab_size=65536, arms=(GIVEN, jittered), seeds=(0, 1))
    plan = make_plan(asked)
    assert [run.arm for run in plan.runs] == ["paper K6", "jitter"] * 2
    first, second = plan.runs[:2]
    training = first.training
    assert (training.D, training.lr, training.batch_tokens, training.warmup_steps) == (2**37, 2.73e-3, 2**21, 1180)
    assert first.target == {"D": 2**37, "r_a": 0.1912}
    assert first.shape == LI2025_2B
    assert second.target == {"C": 4e20, "r_a": 0.1912}
    assert second.router.jitter == 0.1
    assert second.training.U == 2**30
    assert plan.refused == ()
    study = Study(tmp_path / "x")
    assert study.write(plan)
    assert study.asked().question == asked
    assert tuple(study.runs()) == plan.runs
    assert not study.write(plan)


def test_given_arms_without_an_amount_are_planned_at_every_budget() -> None:
    shape = make_plan(SMOKE).runs[0].shape
    mine = GivenArm(label="mine", shape=replace(shape, d_ff=shape.d_ff + 8))
    plan = make_plan(replace(SMOKE, budgets=(1e11, 2e11), top_ks=(0, 4), arms=(mine,), data=None))
    assert [run.arm for run in plan.runs] == ["dense", "K4", "mine"] * 2
    assert plan.runs[2].target == {"N": 296e3, "C": 1e11}


@pytest.mark.parametrize("change", [{"C": 1e20}, {"D": 0.0}, {"D": math.inf}, {"U": -1}, {"lr": math.nan}])
def test_impossible_given_arms_are_refused(change: dict) -> None:
    with pytest.raises(UsageError, match="paper K6"):
        replace(GIVEN, **change)
    with pytest.raises(UsageError, match="budget"):
        Question(study="x", arms=(replace(GIVEN, D=None),))


def test_a_given_arm_whose_vocabulary_is_too_small_for_the_corpus_is_refused() -> None:
    small = replace(GIVEN, shape=replace(LI2025_2B, vocab_size=100), batch_tokens=128, D=2**20)
    with pytest.raises(UsageError, match="vocabulary"):
        make_plan(Question(study="x", arms=(small,)), CORPUS)
