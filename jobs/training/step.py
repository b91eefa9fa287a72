"""One optimizer step: forward and backward over the micro-batches, clipping, AdamW, and the router biases."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from jobs.corpora.mixture import Mixture
from jobs.execution import Execution, check_shares
from jobs.training.device import compiling, distributed, environment, micro_batch
from jobs.training.device.distributed import Ranks
from jobs.training.device.precision import autocast
from jobs.training.metrics import MetricSums, MicroBatch
from jobs.training.network.experts import Experts
from jobs.training.network.routing import Routing
from jobs.training.network.transformer import Transformer
from jobs.training.objectives import objective_of
from jobs.training.objectives.objective import Objective
from jobs.training.optimizer import adamw
from jobs.training.schedule import learning_rate
from planners.spec import Router, RunSpec


class TrainingLoss(nn.Module):
    """The loss that training minimises: that of the objective plus the auxiliary losses of the routers."""

    def __init__(self, model: Transformer, objective: Objective, settings: Router, *, compiled: bool = False):
        super().__init__()
        self.model, self.objective, self.settings, self.compiled = model, objective, settings, compiled

    def forward(
        self, inputs: Tensor, targets: Tensor, domains: Tensor | None = None
    ) -> tuple[Tensor, Tensor, list[Routing]]:
        """Return the whole loss, the objective's loss without gradient, and the routing of each MoE layer."""
        x, routings = self.model.hidden(inputs, domains)
        loss = objective_loss = self.objective.loss(x, self.model.head.weight, targets, compiled=self.compiled)
        for routing in routings:
            loss = loss + self.settings.balance * routing.balance
            if self.settings.z_loss:
                loss = loss + self.settings.z_loss * routing.z_loss
            if self.settings.entropy:
                loss = loss + self.settings.entropy * routing.gate_entropy
        return loss, objective_loss.detach(), routings


class Stepper:
    """A model with its objective and its optimizer.

    A step is the same up to rounding however its batch is cut into micro-batches, with two exceptions for experts: the
    balance loss is the mean over the micro-batches, and a capacity holds for each of them. The biases of loss-free
    balancing follow the load of the whole batch.
    """

    def __init__(
        self, model: Transformer, spec: RunSpec, ranks: Ranks, execution: Execution, corpus: Mixture | None = None
    ):
        self.model, self.spec, self.ranks = model, spec, ranks
        check_shares(ranks.size, spec.training)
        self.windows = spec.training.batch_tokens // spec.training.seq_len // ranks.size
        """Windows of a batch that this process takes."""
        self.compiled = compiling.compiles(execution, spec, ranks.device)
        prepare_blocks(model, execution, ranks, compiled=self.compiled)
        self.objective = objective_of(spec, corpus)
        self.loss = ranks.wrap(TrainingLoss(model, self.objective, spec.router, compiled=self.compiled))
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
        # All processes take the same number of micro-batches: sharded weights are gathered once for each of them.
        self.micro_batch = ranks.least(min(self.windows, fitting))
        self.halved = False
        """Whether the micro-batch was halved because memory ran out."""

    @property
    def forward_passes(self) -> int:
        """Forward passes per batch, over all processes."""
        return -(-self.windows // self.micro_batch) * self.ranks.size

    def take(
        self, step: int, batch: Tensor, sums: MetricSums, *, detailed: bool, domains: Tensor | None = None
    ) -> None:
        """Take optimizer step `step` (from 0) on this process's windows of the batch, (windows, seq_len + 1).

        `domains` (windows,) are the numbers of their domains; None: all are of the first one.

        Adds its metrics to `sums`. The last step before a metrics line is `detailed`.
        """
        training = self.spec.training
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(step, training)
        micro_batches = self.gradients(step, batch, detailed, domains)
        while micro_batches is None:
            self._halve()
            micro_batches = self.gradients(step, batch, detailed, domains)
        norm = torch.nn.utils.clip_grad_norm_(self.weights, training.clip)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if self.spec.router.bias_rate:
            self._step_biases(micro_batches)
        sums.add(micro_batches, distributed.whole(norm))

    def gradients(
        self, step: int, batch: Tensor, detailed: bool, domains: Tensor | None = None
    ) -> list[MicroBatch] | None:
        """Leave the gradient of the batch in the weights, and return the metrics of its micro-batches.

        Returns None if memory ran out; the gradients are then incomplete.
        """
        if self.spec.router.jitter:  # noise is a function of the step, so a checkpoint need not hold generators
            mixed = np.random.SeedSequence([self.spec.training.seed, step, self.ranks.rank])
            torch.manual_seed(int(mixed.generate_state(1, np.uint64)[0]))
        first = (step * self.ranks.size + self.ranks.rank) * self.windows
        examples = self.objective.examples(batch, range(first, first + len(batch)), domains)
        of_windows = (*examples, batch.new_zeros(len(batch)) if domains is None else domains)
        micro_batches = []
        try:
            split = list(zip(*(torch.split(part, self.micro_batch) for part in of_windows), strict=True))
            for number, parts in enumerate(split, 1):
                with self.ranks.accumulate(self.loss, last=number == len(split)):
                    with autocast(self.spec.training.precision, self.ranks.device):
                        loss, objective_loss, routings = self.loss(*parts)
                    micro_batches.append(MicroBatch.of(len(parts[0]), objective_loss, routings, detailed=detailed))
                    del routings  # the backward pass frees the activations that they refer to
                    (loss if len(split) == 1 else loss * (len(parts[0]) / len(batch))).backward()
            return micro_batches
        except Exception as error:
            if not micro_batch.is_out_of_memory(error) or self.micro_batch == 1:
                raise
            if self.ranks.size > 1:  # the others would wait for this one's gradients for ever
                raise micro_batch.cannot_halve(self.micro_batch) from error
        return None  # outside the except block: there the error would keep the activations alive

    def _halve(self) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        self.micro_batch, self.halved = micro_batch.halved(self.micro_batch, self.ranks.device), True

    def _step_biases(self, micro_batches: list[MicroBatch]) -> None:
        """Step the router biases by the load of the whole batch."""
        loads = torch.stack([torch.stack([load for load, _, _ in one.layers]) for one in micro_batches]).sum(0)
        for module, load in zip(self.experts, self.ranks.sum(loads), strict=True):
            module.router.update_bias(load)

    def state(self) -> dict[str, Any]:
        """Return weights and optimizer state; the first process gets whole tensors even if they are sharded here."""
        return {
            "model": self.weights_of_all(),
            "optimizer": distributed.gathered(self.optimizer.state_dict(), keep=self.ranks.is_first),
        }

    def weights_of_all(self) -> dict[str, Any]:
        """Return the weights; the first process gets whole tensors even if they are sharded here."""
        weights: dict[str, Any] = distributed.gathered(self.model.state_dict(), keep=self.ranks.is_first)
        return weights

    def restore_optimizer(self, state: dict[str, Any]) -> None:
        """Continue with the optimizer state of a checkpoint. The weights were loaded earlier, before sharding."""
        weights = [weight for group in self.optimizer.param_groups for weight in group["params"]]
        moments = {
            index: {name: distributed.sharded_like(value, weights[index]) for name, value in values.items()}
            for index, values in state["state"].items()
        }
        self.optimizer.load_state_dict({**state, "state": moments})


def prepare_blocks(model: Transformer, execution: Execution, ranks: Ranks, *, compiled: bool) -> None:
    """Recompute, compile and shard the blocks of `model` as `execution` says; weights keep their names."""
    from torch.utils.checkpoint import checkpoint

    if compiled:
        compiling.start_afresh()
    for layer in model.layers:
        if execution.recompute:
            plain = layer.forward
            layer.forward = lambda *inputs, plain=plain: checkpoint(plain, *inputs, use_reentrant=False)
        if compiled:  # a graph per size: after one graph for dynamic sizes torch would use no other
            layer.compile(fullgraph=True, dynamic=False)
    if execution.shard:
        distributed.shard(model, model.layers, ("hidden",))
