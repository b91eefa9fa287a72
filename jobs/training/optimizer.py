"""AdamW (arXiv 1711.05101) with little bookkeeping, which for a tiny model costs as much as the arithmetic."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter

from jobs.training.network.transformer import Transformer, is_matrix
from planners.spec import RunSpec


class AdamW(torch.optim.AdamW):
    """torch's fused AdamW; on a CPU it collects its tensors once instead of at every step.

    It calls the same kernel, so weights and state are the same. Every weight must have a gradient in every step.
    """

    # 487 to 274 microseconds a step for the models of the laptop study (LOG.md)

    _kept: list[tuple[dict[str, Any], list[list[Tensor]]]] | None = None

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Take a step with the present gradients; `closure` is never called."""
        if self._kept is None:
            super().step()
            weights = [weight for group in self.param_groups for weight in group["params"]]
            if all(type(weight) is Parameter and weight.device.type == "cpu" for weight in weights):  # not sharded
                self._kept = self._tensors()
            return
        for group, (weights, firsts, seconds, steps) in self._kept:
            steps[0].add_(1)  # one step count serves the whole group; `state_dict` copies it to the others
            gradients = [weight.grad for weight in weights if weight.grad is not None]
            first, second = group["betas"]
            torch._fused_adamw_(
                weights, gradients, firsts, seconds, [], steps, amsgrad=False, maximize=False,
                lr=group["lr"], beta1=first, beta2=second, weight_decay=group["weight_decay"], eps=group["eps"],
            )  # fmt: skip

    def state_dict(self) -> dict[str, Any]:
        """Return the state in the format of torch."""
        for _, (weights, _, _, steps) in self._kept or []:
            for weight in weights:
                self.state[weight]["step"].copy_(steps[0])
        return super().state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue with a saved state."""
        super().load_state_dict(state_dict)
        self._kept = None

    def _tensors(self) -> list[tuple[dict[str, Any], list[list[Tensor]]]]:
        """Return each group with its weights, both moments, and one step count for all of them."""
        kept = []
        for group in self.param_groups:
            states = [self.state[weight] for weight in group["params"]]
            moments = [[state[name] for state in states] for name in ("exp_avg", "exp_avg_sq")]
            kept.append((group, [group["params"], *moments, [states[0]["step"]] * len(states)]))
        return kept


def adamw(model: Transformer, spec: RunSpec) -> AdamW:
    """Return AdamW with weight decay on matrices only, not on norms and biases."""
    training, named = spec.training, list(model.named_parameters())
    decayed = [weight for name, weight in named if is_matrix(name, weight)]
    others = [weight for name, weight in named if not is_matrix(name, weight)]
    groups = [
        {"params": decayed, "weight_decay": training.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    first, second = training.betas
    return AdamW(groups, lr=training.lr, betas=(first, second), fused=True)
