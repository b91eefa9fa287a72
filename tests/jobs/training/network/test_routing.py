import math

import pytest
import torch
from hypothesis import given, settings, strategies as st

from jobs.training.network.routing import (
    MAXIMA,
    TopKRouter,
    balance_loss,
    by_expert,
    by_maxima,
    count,
    entropy_loss,
    rank_in_expert,
    within_capacity,
)
from planners import Router


def router(n_experts: int = 8, top_k: int = 2, **settings: object) -> TopKRouter:
    made = TopKRouter(4, n_experts, top_k, Router(**settings))  # type: ignore[arg-type]
    torch.nn.init.normal_(made.weight, generator=torch.Generator().manual_seed(0))
    return made


X = torch.empty(64, 4).normal_(generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("top_k", [1, 2, 8])
def test_balance_loss_is_one_at_uniform_routing(top_k: int) -> None:
    probabilities = torch.full((64, 8), 1 / 8)
    experts = (torch.arange(64)[:, None] + torch.arange(top_k)) % 8
    assert float(balance_loss(count(experts, 8), probabilities)) == pytest.approx(1.0, abs=1e-6)


def test_balance_loss_is_the_number_of_experts_when_all_go_to_one() -> None:
    probabilities = torch.zeros(64, 8)
    probabilities[:, 3] = 1
    assert float(balance_loss(count(torch.full((64, 1), 3), 8), probabilities)) == pytest.approx(8.0)


def test_balance_loss_pushes_towards_balance() -> None:
    made = router()
    optimizer = torch.optim.SGD(made.parameters(), lr=3.0)
    before = made(X).balance.item()
    for _ in range(200):
        made(X).balance.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert made(X).balance.item() < before


@pytest.mark.parametrize("score", ["softmax", "sigmoid"])
@pytest.mark.parametrize("renormalise", [True, False])
def test_gates_are_the_scores_of_the_chosen_experts(score: str, renormalise: bool) -> None:
    made = router(score=score, renormalise=renormalise)
    routing = made(X)
    logits = X @ made.weight.T
    scores = logits.softmax(-1) if score == "softmax" else logits.sigmoid()
    best = scores.topk(2).values
    expected = best / best.sum(-1, keepdim=True) if renormalise else best
    torch.testing.assert_close(routing.gates, expected)
    assert int(routing.load.sum()) == 128
    torch.testing.assert_close(routing.z_loss, logits.logsumexp(-1).square().mean())


def test_jitter_acts_only_in_training() -> None:
    made = router(jitter=0.5)
    assert not torch.equal(made(X).gates, made(X).gates)
    made.eval()
    assert torch.equal(made(X).gates, made(X).gates)


def test_capacity_drops_the_last_tokens_of_a_full_expert() -> None:
    experts = torch.tensor([[0], [0], [0], [1], [0], [2]])
    kept = within_capacity(experts, count(experts, 3), 1.0)  # 6 slots, 3 experts: 2 each
    assert kept.flatten().tolist() == [True, True, False, True, False, True]
    rounded_up = within_capacity(experts, count(experts, 3), 0.6)  # 1.2 slots an expert are 2
    assert torch.equal(rounded_up, kept)
    made = router(capacity_factor=0.5)
    routing = made(X)
    assert int(routing.dropped) == int((routing.gates == 0).sum()) > 0
    assert int(made.eval()(X).dropped) == 0


@pytest.mark.parametrize(("tokens", "top_k"), [(64, 1), (64, 3), (50, 2), (3, 8)])
def test_forced_routing_is_even(tokens: int, top_k: int) -> None:
    made = router(top_k=top_k)
    made.forced = True
    routing = made(X[:tokens])
    assert int(routing.load.max()) - int(routing.load.min()) <= 1
    assert all(len(set(row)) == top_k for row in routing.experts.tolist())
    routing.gates.sum().backward()
    assert made.weight.grad is not None


def test_entropy_form_of_the_balance_loss() -> None:
    """Zero at even probabilities, ln n_experts if all go to one expert, and the formula in between."""
    even, one = torch.full((64, 8), 1 / 8), torch.zeros(64, 8)
    one[:, 3] = 1
    load = torch.full((8,), 8)
    assert float(entropy_loss(load, even)) == pytest.approx(0, abs=1e-6)
    assert float(entropy_loss(load, one)) == pytest.approx(math.log(8))
    made = router(balance_form="entropy")
    p = (X @ made.weight.T).softmax(-1).mean(0)
    torch.testing.assert_close(made(X).balance, math.log(8) + (p * p.log()).sum())


@pytest.mark.parametrize("form", ["switch", "entropy"])
@pytest.mark.parametrize("score", ["softmax", "sigmoid"])
def test_either_form_of_the_balance_loss_evens_the_load(form: str, score: str) -> None:
    made = router(balance_form=form, score=score, top_k=1)
    optimizer = torch.optim.SGD(made.parameters(), lr=1.0)
    before = made(X).load.float().std()
    for _ in range(300):
        made(X).balance.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert made(X).load.float().std() < before


def test_z_loss_makes_the_logits_smaller() -> None:
    made = router()
    before = made(X).z_loss
    before.backward()
    assert made.weight.grad is not None
    with torch.no_grad():
        made.weight -= 0.01 * made.weight.grad
    assert made(X).z_loss < before


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(1, 9), st.data())
def test_rank_counts_the_earlier_slots_of_an_expert(tokens: int, n_experts: int, data: st.DataObject) -> None:
    top_k = data.draw(st.integers(1, n_experts))
    rows = st.permutations(range(n_experts)).map(lambda row: row[:top_k])
    experts = torch.tensor(data.draw(st.lists(rows, min_size=tokens, max_size=tokens)))
    flat = experts.flatten().tolist()
    expected = [flat[:place].count(expert) for place, expert in enumerate(flat)]
    assert rank_in_expert(experts, count(experts, n_experts)).flatten().tolist() == expected


@pytest.mark.parametrize("n_experts", [2, 256, 257, 32_768, 32_769])
def test_slots_are_sorted_by_expert_and_then_by_token(n_experts: int) -> None:
    """At the largest number of experts that fits in each integer type, and one more."""
    experts = torch.randint(n_experts, (300, 2), generator=torch.Generator().manual_seed(0))
    experts[0], experts[1] = n_experts - 1, 0
    assert by_expert(experts, n_experts).tolist() == experts.flatten().argsort(stable=True).tolist()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.permutations(range(9)), min_size=1, max_size=5), st.integers(1, 9))
def test_successive_maxima_equal_topk(rows: list[list[int]], top_k: int) -> None:
    scores = torch.tensor(rows) / 8 - 1
    assert torch.equal(by_maxima(scores, top_k), scores.topk(top_k).indices)


@pytest.mark.parametrize("top_k", [2, MAXIMA, MAXIMA + 1])
def test_a_compiled_router_chooses_the_same_experts(top_k: int) -> None:
    made = router(12, top_k, score="sigmoid")
    made.bias += torch.linspace(-0.3, 0.3, 12)
    compiled = torch.compile(made, backend="aot_eager", fullgraph=True)
    expected, found = made(X), compiled(X)
    assert torch.equal(found.experts, expected.experts)
    torch.testing.assert_close(found.gates, expected.gates)


def test_the_loss_free_bias_evens_the_load() -> None:
    made = router(bias_rate=0.01, top_k=1)
    before = made(X).load.float().std()
    for _ in range(300):
        made.update_bias(made(X).load)
    assert made(X).load.float().std() < before / 2
    assert float(made.bias.mean()) == pytest.approx(0, abs=1e-5)


def test_the_router_stays_in_float32_under_autocast() -> None:
    made = router()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        routing = made(X.bfloat16())
    assert routing.gates.dtype == torch.float32


def test_entropy_is_one_for_uniform_gates() -> None:
    made = router()
    torch.nn.init.zeros_(made.weight)
    assert float(made(X).entropy) == pytest.approx(1.0)
