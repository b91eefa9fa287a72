"""The defaults of a plan from one number: what they are, that each names its flag, and what they leave alone."""

import pytest
from hypothesis import given, settings, strategies as st

from planners import UsageError, make_plan
from planners.defaults import RATES, PerParameter, completed
from planners.matching.controls import CHINCHILLA


def flags(asked: dict, **settings: bool) -> dict[str, str]:
    return {default.flag: default.value for default in completed(asked, **settings)[1]}


def test_a_budget_alone_is_a_question_near_the_compute_optimum() -> None:
    question, defaults = completed({"budgets": (1e20,)})
    assert question.totals[0] == pytest.approx(CHINCHILLA.optimal_N(1e20), rel=0.05)
    assert [default.flag for default in defaults] == [
        "--total-params", "--activation", "--seq-len", "--vocab-size", "--precision", "--seeds"
    ]  # fmt: skip
    assert all(default.reason for default in defaults)
    assert "2404.10102" in defaults[0].reason
    plan = make_plan(question)
    dense = plan.runs[0]
    assert 10 < dense.training.D / dense.N < 40
    assert not plan.refused
    assert {0.5, 0.2, 0.1} <= set(question.activations)


@settings(max_examples=12, deadline=None)
@given(st.floats(6, 26).map(lambda power: float(f"{10**power:.2g}")))
def test_every_budget_is_planned_without_refusals_or_is_one_sentence(C: float) -> None:
    """The rates are those that the backbone reaches, whatever the size; tiny models do not reach low ones."""
    try:
        question, _ = completed({"budgets": (C,)})
        plan = make_plan(question)
    except UsageError as error:
        assert C < 1e12
        assert "\n" not in str(error)
        return
    assert not [refusal for refusal in plan.refused if "steps" not in refusal.reason]
    assert {run.target["r_a"] for run in plan.runs} <= set(question.activations)
    assert any(0.2 < rate < 1 for rate in question.activations)
    assert any(rate < 0.2 for rate in question.activations)


def test_what_is_given_is_kept() -> None:
    asked = {"budgets": (1e18,), "total_params": 1e8, "activations": (1, 0.3)}
    question, defaults = completed(asked)
    assert not defaults
    assert (question.seq_len, question.vocab_size, question.precision, question.seeds) == (128, 256, "fp32", (0,))
    own = {"budgets": (1e18,), "seq_len": 512, "seeds": (7,), "precision": "fp32", "activations": (1, 0.2)}
    question, defaults = completed(own)
    assert (question.seq_len, question.seeds, question.precision) == (512, (7,), "fp32")
    assert {default.flag for default in defaults} == {"--total-params", "--vocab-size"}


def test_a_gpu_means_bf16() -> None:
    asked = {"budgets": (1e18,), "total_params": 1e8, "activations": (1, 0.3)}
    assert flags(asked, gpu=True) == {"--precision": "bf16"}
    assert flags({**asked, "precision": "fp32"}, gpu=True) == {}


def test_a_corpus_brings_its_vocabulary() -> None:
    assert "--vocab-size" not in flags({"budgets": (1e18,), "data": "stdlib"})


def test_tokens_per_parameter_are_a_budget() -> None:
    question, _ = completed({"total_params": 2e7, "budgets": (PerParameter(ratio=20), PerParameter(ratio=100))})
    ratios = {run.training.D / run.N for run in make_plan(question).runs if run.shape.is_dense}
    assert sorted(ratios) == pytest.approx([20, 100], rel=0.005)


def test_n_follows_from_tokens_where_arms_are_equal_in_n_and_d() -> None:
    question, _ = completed({"match": "N=D", "tokens": (2e9,)})
    assert question.totals == (1e8,)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({}, "--budget 1e20 is enough"),
        ({"total_params": 3e9}, "--budget 20N"),
        ({"budgets": (PerParameter(ratio=20),)}, "give --total-params"),
        ({"total_params": 1.0, "budgets": (1e9,)}, "."),
    ],
)
def test_half_a_question_asks_for_the_other_half(asked: dict, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        completed(asked)


def test_rates_that_the_backbone_cannot_reach_are_named() -> None:
    question, defaults = completed({"budgets": (1e20,)})
    lost = set(RATES) - set(question.activations)
    assert lost
    assert all(f"{rate:g}" in defaults[1].reason for rate in lost)


def test_tokens_per_parameter_are_another_budget_for_each_size() -> None:
    asked, _ = completed({"total_params": (1e8, 2e8), "budgets": (PerParameter(ratio=10), PerParameter(ratio=20))})
    assert asked.by_size
    assert len(asked.budgets) == 4
    dense = [run for run in make_plan(asked).runs if run.shape.is_dense and run.training.seed == 0]
    assert [round(run.training.D / run.N) for run in dense] == [10, 20, 10, 20]
    assert [round(run.N / 1e8) for run in dense] == [1, 1, 2, 2]
