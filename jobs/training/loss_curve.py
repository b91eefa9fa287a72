"""The training loss of each of the first steps of a run, for a comparison with another engine."""

import torch

from jobs.corpora import open_store
from jobs.execution import Execution
from jobs.training.batches import Batches
from jobs.training.device import distributed
from jobs.training.metrics import MetricSums
from jobs.training.network.transformer import Transformer
from jobs.training.step import Stepper
from planners.records.errors import UsageError
from planners.spec import RunSpec


def loss_curve(spec: RunSpec, steps: int) -> list[float]:
    """Return the cross entropy of the first `steps` batches, in nats per token, each before its optimizer step."""
    if spec.data is None:
        raise UsageError(f"run {spec.run_id} names no corpus; plan the study again with --data")
    training, ranks = spec.training, distributed.join()
    torch.set_num_threads(training.threads)
    model = Transformer(spec.shape, spec.router)
    model.initialise(training.seed)
    stepper = Stepper(model.to(ranks.device).train(), spec, ranks, Execution())
    batches = Batches(open_store(spec.data).stream(training.seq_len, training.U, training.seed), training, ranks)
    losses = []
    for step in range(steps):
        sums = MetricSums(training.batch_tokens // training.seq_len)
        stepper.take(step, batches(step), sums, detailed=True)
        losses.append(float(sums.loss()))
    return losses
