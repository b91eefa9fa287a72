"""One optimizer step: forward and backward over the parts of a batch, clipping, AdamW, and the router biases."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from jobs.execution import Execution, check_shares
from jobs.training.device import compiling, distributed, environment, micro_batch
from jobs.training.device.distributed import Ranks
from jobs.training.device.precision import autocast
from jobs.training.metrics import Part, Window
from jobs.training.network.cross_entropy import linear_cross_entropy
from jobs.training.network.experts import Experts
from jobs.training.network.routing import Routing
from jobs.training.network.transformer import Transformer
from jobs.training.optimizer import adamw
from jobs.training.schedule import learning_rate
from planners.spec import Router, RunSpec


class Objective(nn.Module):
    """What is minimised: cross entropy and the losses of the routers, each a mean over the tokens of one call."""

    def __init__(self, model: Transformer, settings: Router, *, compiled: bool = False):
        super().__init__()
        self.model, self.settings, self.compiled = model, settings, compiled

    def forward(self, windows: Tensor) -> tuple[Tensor, Tensor, list[Routing]]:
        """Return loss, cross entropy and routings of windows (batch, T + 1)."""
        x, routings = self.model.hidden(windows[:, :-1])
        loss = entropy = linear_cross_entropy(x, self.model.head.weight, windows[:, 1:], compiled=self.compiled)
        for routing in routings:
            loss = loss + self.settings.balance * routing.balance
            if self.settings.z_loss:
                loss = loss + self.settings.z_loss * routing.z_loss
        return loss, entropy.detach(), routings


class Stepper:
    """A model with its optimizer. A step is the same however many parts its batch is cut into, up to rounding.

    With experts the balance loss is the mean of the parts' own, and a capacity holds per part; the biases of loss-free
    balancing follow the load of the whole batch.
    """

    def __init__(self, model: Transformer, spec: RunSpec, ranks: Ranks, execution: Execution):
        self.model, self.spec, self.ranks = model, spec, ranks
        check_shares(ranks.size, spec.training)
        self.windows = spec.training.batch_tokens // spec.training.seq_len // ranks.size
        self.compiled = compiling.compiles(execution, spec, ranks.device)
        prepare_blocks(model, execution, ranks, compiled=self.compiled)
        self.objective = ranks.wrap(Objective(model, spec.router, compiled=self.compiled))
        self.optimizer = adamw(model, spec)
        self.weights = list(model.parameters())
        self.experts = [module for module in model.modules() if isinstance(module, Experts)]
        for module in self.experts:
            module.masked = environment.grouped_gradient_is_wrong(ranks.device)
        shards = ranks.size if execution.shard else 1
        fitting = execution.micro_batch or micro_batch.micro_batch(
            spec,
            ranks.device,
            self.windows,
            recompute=execution.recompute,
            shards=shards,
            runs=execution.runs_per_device,
        )
        self.micro_batch = ranks.least(min(self.windows, fitting))  # divided weights are gathered once for each part
        self.halved = False

    @property
    def parts(self) -> int:
        """Forward passes that a batch takes, over all processes."""
        return -(-self.windows // self.micro_batch) * self.ranks.size

    def take(self, step: int, batch: Tensor, window: Window, *, detailed: bool) -> None:
        """Take optimizer step `step` (from 0) on this process's share of its batch, (windows, T + 1), and note it.

        A metrics line wants its last step `detailed`.
        """
        training = self.spec.training
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(step, training)
        parts = self.gradients(step, batch, detailed)
        while parts is None:
            self._halve()
            parts = self.gradients(step, batch, detailed)
        norm = torch.nn.utils.clip_grad_norm_(self.weights, training.clip)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if self.spec.router.bias_rate:
            self._step_biases(parts)
        window.add(parts, distributed.whole(norm))

    def gradients(self, step: int, batch: Tensor, detailed: bool) -> list[Part] | None:
        """Leave the gradient of the batch in the weights, and return its parts.

        None where memory ran out; then there are no gradients.
        """
        if self.spec.router.jitter:  # noise is a function of the step, so that it needs no place in checkpoints
            mixed = np.random.SeedSequence([self.spec.training.seed, step, self.ranks.rank])
            torch.manual_seed(int(mixed.generate_state(1, np.uint64)[0]))
        parts = []
        try:
            for windows in (split := torch.split(batch, self.micro_batch)):
                with self.ranks.accumulate(self.objective, last=windows is split[-1]):
                    with autocast(self.spec.training.precision, self.ranks.device):
                        loss, entropy, routings = self.objective(windows)
                    parts.append(Part.of(len(windows), entropy, routings, detailed=detailed))
                    del routings  # the backward pass frees what they hold
                    (loss if len(split) == 1 else loss * (len(windows) / len(batch))).backward()
            return parts
        except Exception as error:
            if not micro_batch.is_out_of_memory(error) or self.micro_batch == 1:
                raise
            if self.ranks.size > 1:
                raise micro_batch.cannot_halve(self.micro_batch) from error
        return None  # outside of the except block, whose error keeps the activations alive

    def _halve(self) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        self.micro_batch, self.halved = micro_batch.halved(self.micro_batch, self.ranks.device), True

    def _step_biases(self, parts: list[Part]) -> None:
        """Step the router biases by the load of the whole batch."""
        loads = torch.stack([torch.stack([load for load, _, _ in part.layers]) for part in parts]).sum(0)
        for module, load in zip(self.experts, self.ranks.sum(loads), strict=True):
            module.router.update_bias(load)

    def state(self) -> dict[str, Any]:
        """Return weights and optimizer, whole on the first process, whatever they are divided into here."""
        return {
            "model": distributed.gathered(self.model.state_dict(), keep=self.ranks.is_first),
            "optimizer": distributed.gathered(self.optimizer.state_dict(), keep=self.ranks.is_first),
        }

    def restore_optimizer(self, state: dict[str, Any]) -> None:
        """Continue with the optimizer of a checkpoint; the weights are loaded before they are divided."""
        weights = [weight for group in self.optimizer.param_groups for weight in group["params"]]
        moments = {
            index: {name: distributed.divided_like(value, weights[index]) for name, value in values.items()}
            for index, values in state["state"].items()
        }
        self.optimizer.load_state_dict({**state, "state": moments})


def prepare_blocks(model: Transformer, execution: Execution, ranks: Ranks, *, compiled: bool) -> None:
    """Recompute, compile and divide the blocks of `model` as asked; their weights keep their names."""
    from torch.utils.checkpoint import checkpoint

    if compiled:
        compiling.start_afresh()
    for layer in model.layers:
        if execution.recompute:
            kept = layer.forward
            layer.forward = lambda *inputs, kept=kept: checkpoint(kept, *inputs, use_reentrant=False)
        if compiled:  # for each size anew: after one graph of unknown sizes no other would be used
            layer.compile(fullgraph=True, dynamic=False)
    if execution.shard:
        distributed.shard(model, model.layers, ("hidden",))
