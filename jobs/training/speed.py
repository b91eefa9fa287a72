"""python -m jobs.training.speed spec.json SECONDS

How fast this machine trains a run: steps of its model on random tokens, timed, nothing written.
"""

import sys
import time
from pathlib import Path

import torch

from jobs.execution import Execution
from jobs.training.device import distributed
from jobs.training.device.environment import keep_freed_memory
from jobs.training.metrics import MetricSums
from jobs.training.network.transformer import Transformer
from jobs.training.step import Stepper
from planners.records.files import read_json
from planners.spec import RunSpec

WARM_UP = 5
"""Steps before the clock starts: the first ones allocate the optimizer's state."""


def tokens_per_s(spec: RunSpec, seconds: float) -> float:
    """Return training tokens per second of this process over about `seconds`, evaluation and files left out."""
    training, ranks = spec.training, distributed.join()
    torch.set_num_threads(training.threads)
    keep_freed_memory()
    generator = torch.Generator().manual_seed(training.seed)
    size = (training.batch_tokens // training.seq_len, training.seq_len + 1)
    batch = torch.randint(spec.shape.vocab_size, size, generator=generator).to(ranks.device)
    model = Transformer(spec.shape, spec.router)
    model.initialise(training.seed)
    stepper, sums = Stepper(model.to(ranks.device).train(), spec, ranks, Execution()), MetricSums(size[0])
    steps, start = -WARM_UP, 0.0
    while steps <= 0 or time.perf_counter() - start < seconds:
        if steps == 0:
            start = time.perf_counter()
        stepper.take(0, batch, sums, detailed=True)
        if ranks.device.type == "cuda":
            torch.cuda.synchronize()
        steps += 1
    return steps * training.batch_tokens / (time.perf_counter() - start)


if __name__ == "__main__":
    print(tokens_per_s(RunSpec.read(read_json(Path(sys.argv[1])), sys.argv[1]), float(sys.argv[2])))
