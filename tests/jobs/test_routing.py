import pytest
import torch

from jobs.training.routing import TopKRouter, balance_loss, count, within_capacity
from planners import Router


def router(n_experts: int = 8, top_k: int = 2, **settings: object) -> TopKRouter:
    made = TopKRouter(4, n_experts, top_k, Router(**settings))  # type: ignore[arg-type]
    torch.nn.init.normal_(made.weight, generator=torch.Generator().manual_seed(0))
    return made


X = torch.empty(64, 4).normal_(generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("top_k", [1, 2, 8])
def test_balance_loss_is_one_at_uniform_routing(top_k: int) -> None:
    shares = torch.full((64, 8), 1 / 8)
    experts = (torch.arange(64)[:, None] + torch.arange(top_k)) % 8
    assert float(balance_loss(count(experts, 8), shares)) == pytest.approx(1.0, abs=1e-6)


def test_balance_loss_is_the_number_of_experts_when_all_go_to_one() -> None:
    shares = torch.zeros(64, 8)
    shares[:, 3] = 1
    assert float(balance_loss(count(torch.full((64, 1), 3), 8), shares)) == pytest.approx(8.0)


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
def test_gates_are_the_scores_of_the_chosen(score: str, renormalise: bool) -> None:
    made = router(score=score, renormalise=renormalise)
    routing = made(X)
    logits = X @ made.weight.T
    scores = logits.softmax(-1) if score == "softmax" else logits.sigmoid()
    best = scores.topk(2).values
    expected = best / best.sum(-1, keepdim=True) if renormalise else best
    torch.testing.assert_close(routing.gates, expected)
    assert int(routing.load.sum()) == 128
    torch.testing.assert_close(routing.z_loss, logits.logsumexp(-1).square().mean())


def test_jitter_only_moves_training() -> None:
    made = router(jitter=0.5)
    assert not torch.equal(made(X).gates, made(X).gates)
    made.eval()
    assert torch.equal(made(X).gates, made(X).gates)


def test_capacity_drops_the_last_tokens_of_a_full_expert() -> None:
    experts = torch.tensor([[0], [0], [0], [1], [0], [2]])
    kept = within_capacity(experts, count(experts, 3), 1.0)  # 6 slots, 3 experts: 2 each
    assert kept.flatten().tolist() == [True, True, False, True, False, True]
    made = router(capacity_factor=0.5)
    routing = made(X)
    assert int(routing.dropped) == int((routing.gates == 0).sum()) > 0
    assert int(made.eval()(X).dropped) == 0


def test_loss_free_bias_evens_the_load() -> None:
    made = router(bias_rate=0.01, top_k=1)
    before = made(X).load.float().std()
    for _ in range(300):
        made.update_bias(made(X).load)
    assert made(X).load.float().std() < before / 2
    assert float(made.bias.mean()) == pytest.approx(0, abs=1e-5)


def test_router_stays_in_float32_under_autocast() -> None:
    made = router()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        routing = made(X.bfloat16())
    assert routing.gates.dtype == torch.float32


def test_entropy_is_one_where_the_router_does_not_choose() -> None:
    made = router()
    torch.nn.init.zeros_(made.weight)
    assert float(made(X).entropy) == pytest.approx(1.0)
