"""Our AdamW equals torch's: weights, state and checkpoints are the same bits."""

import copy
from typing import Any

import torch
from torch import nn

from jobs.training.optimizer import AdamW

STEPS = 7


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 8), nn.Linear(8, 3, bias=False))


def optimizer_of(kind: type[torch.optim.Optimizer], model: nn.Module) -> Any:
    first, *others = model.parameters()
    groups = [{"params": others, "weight_decay": 0.1}, {"params": [first], "weight_decay": 0.0}]
    return kind(groups, lr=0.1, betas=(0.9, 0.95), fused=True)  # type: ignore[call-arg]


def take(model: nn.Module, optimizer: Any, first: int, last: int) -> None:
    """Take steps with gradients and rates that depend on the step."""
    for step in range(first, last):
        generator = torch.Generator().manual_seed(step)
        for weight in model.parameters():
            weight.grad = torch.empty(weight.shape).normal_(generator=generator)
        for group in optimizer.param_groups:
            group["lr"] = 0.1 / (step + 1)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)


def same(one: nn.Module, other: nn.Module) -> None:
    """Assert that two models have the same weights, up to the rounding of another order of operations."""
    for ours, theirs in zip(one.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_it_equals_the_fused_adamw_of_torch() -> None:
    ours, theirs = network(), network()
    optimizers = optimizer_of(AdamW, ours), optimizer_of(torch.optim.AdamW, theirs)
    for model, optimizer in zip((ours, theirs), optimizers, strict=True):
        take(model, optimizer, 0, STEPS)
    same(ours, theirs)
    mine, expected = (optimizer.state_dict() for optimizer in optimizers)
    assert mine["param_groups"] == expected["param_groups"]
    for index, state in expected["state"].items():
        assert state["step"] == STEPS
        for name, value in state.items():
            torch.testing.assert_close(mine["state"][index][name], value)


def test_state_moves_between_torchs_optimizer_and_ours() -> None:
    """A checkpoint that either optimizer resumes leads to the result of the uninterrupted run."""
    whole = network()
    take(whole, optimizer_of(AdamW, whole), 0, STEPS)
    for before, after in ((AdamW, torch.optim.AdamW), (torch.optim.AdamW, AdamW), (AdamW, AdamW)):
        model = network()
        optimizer = optimizer_of(before, model)
        take(model, optimizer, 0, 3)
        state = copy.deepcopy(optimizer.state_dict())
        optimizer = optimizer_of(after, model)
        optimizer.load_state_dict(state)
        take(model, optimizer, 3, STEPS)
        same(model, whole)
