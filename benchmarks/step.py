"""python benchmarks/step.py

Measure a training step at the size of the laptop study, and the time that it spends outside the model (reading data,
schedule, metrics, bookkeeping, files). A plain step is forward, backward, clipping and torch's own AdamW on the same
model and batch. Columns: `peak` compares with a product of two 512 x 512 matrices in the same process; `operations` are
torch operations of a step of a run (of a plain step); `outside` is time outside forward, backward, clipping and
optimizer; `plain / run` is the time of a plain step over that of a step of a run, from interleaved blocks of steps.
One process, one thread, processor time: other processes do not count.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from jobs.corpora import describe, open_store
from jobs.execution import Execution
from jobs.training.device import distributed
from jobs.training.device.environment import keep_freed_memory
from jobs.training.loop import Interrupted, Loop
from jobs.training.step import Stepper
from planners import Study, make_plan, preset

BLOCK = 20
"""Steps of one kind in a row."""


class Inside:
    """Seconds spent in the model, its gradient and its optimizer."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def watch(self, owner: object, name: str) -> None:
        """Count the time of a function of `owner`."""
        function = getattr(owner, name)

        def timed(*args: object, **settings: object) -> object:
            start = time.process_time()
            try:
                return function(*args, **settings)
            finally:
                self.seconds += time.process_time() - start

        setattr(owner, name, timed)


class Operations(TorchDispatchMode):
    """Counts operations of torch, below autograd."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Count one operation and run it."""
        self.count += 1
        return func(*args, **(kwargs or {}))


class Plain:
    """The same model and loss with torch's own optimizer, and nothing around it."""

    def __init__(self, stepper: Stepper) -> None:
        self.stepper = stepper
        self.optimizer = torch.optim.AdamW(stepper.model.parameters(), lr=0.0, weight_decay=0.1, fused=True)

    def step(self, batch: torch.Tensor) -> None:
        """Take a step that changes nothing."""
        loss, _, _ = self.stepper.loss(*self.stepper.objective.examples(batch, range(len(batch))))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.stepper.weights, 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)


def operations(take: Callable[[], object]) -> int:
    """Return the number of torch operations of a call, counted at the second one."""
    take()
    with Operations() as seen:
        take()
    return seen.count


def peak() -> float:
    """Return the FLOP/s of a 512 x 512 matrix product in this process."""
    x, elapsed = torch.randn(512, 512), []
    for _ in range(40):
        start = time.process_time()
        torch.mm(x, x)
        elapsed.append(time.process_time() - start)
    return float(2 * 512**3 / statistics.median(elapsed))


def blocks(loop: Loop, count: int, inside: Inside) -> list[tuple[float, float, float]]:
    """Return the seconds of `count` pairs of blocks: of the run, of the run inside the model, of plain steps."""
    inside.watch(loop.stepper, "gradients")
    inside.watch(loop.stepper.optimizer, "step")
    inside.watch(loop.stepper.optimizer, "zero_grad")
    plain, batches, found = Plain(loop.stepper), [loop.batch(step) for step in range(BLOCK)], []
    inside.seconds, clock = 0.0, time.process_time()

    def pause(step: int) -> bool:
        """Time the plain step on the same batches after each block of steps."""
        nonlocal clock
        if step % BLOCK == 0:
            engine, within = time.process_time() - clock, inside.seconds
            start = time.process_time()
            for batch in batches:
                plain.step(batch)
            found.append((engine, within, time.process_time() - start))
            inside.seconds, clock = 0.0, time.process_time()
        return len(found) == count + 2

    with suppress(Interrupted):
        loop.run(pause)
    loop.metrics.close()
    return found[2:]


def main() -> int:
    """Print one line per arm."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--blocks", type=int, default=40, help="pairs of blocks an arm (default 40)")
    parser.add_argument("--budget", type=float, default=1e12, help="C, which sets batch and steps (default 1e12)")
    parser.add_argument("--batch-tokens", type=int, help="tokens a step of every arm (default: by the rule)")
    parser.add_argument("--plain-malloc", action="store_true", help="do not keep freed memory, which runs do")
    flags = parser.parse_args()
    torch.set_num_threads(1)
    if not flags.plain_malloc:
        keep_freed_memory()
    os.environ["SCALING_CHECKPOINT_S"] = "1e9"  # a checkpoint every 30 s is the user's choice
    question = replace(
        preset("smoke"), budgets=(flags.budget,), batch_tokens=flags.batch_tokens, unique_tokens=1_000_000
    )
    planned = make_plan(question, describe(str(question.data)))
    print(
        f"torch {torch.__version__}, one thread, fp32, {flags.blocks} pairs of {BLOCK} steps, peak"
        f" {peak() / 1e9:.0f} GFLOP/s"
    )
    print(
        f"{'arm':14} {'tokens':>6} {'ms':>6} {'tokens/s':>9} {'GFLOP/s':>8} {'peak':>5} {'operations':>13}"
        f" {'outside':>8}  plain / run (quartiles)"
    )
    inside = Inside()
    inside.watch(torch.nn.utils, "clip_grad_norm_")
    with tempfile.TemporaryDirectory() as folder:
        for spec in planned.runs:
            loop = Loop(Study(Path(folder)), spec, open_store(spec.data), distributed.join(), Execution())
            print(line(loop, flags.blocks, inside), flush=True)
    return 0


def line(loop: Loop, count: int, inside: Inside) -> str:
    """Return the line of one arm."""
    stepper, batch, sums, spec = loop.stepper, loop.batch(0), loop.new_sums(), loop.spec
    ours = operations(lambda: stepper.take(0, batch, sums, detailed=False))
    plain = Plain(stepper)
    theirs = operations(lambda: plain.step(batch))
    found, tokens = blocks(loop, count, inside), spec.training.batch_tokens
    outside = statistics.median(100 * (engine / within - 1) for engine, within, _ in found)
    low, middle, high = statistics.quantiles([other / engine for engine, _, other in found], n=4)
    step = statistics.median(engine for engine, _, _ in found) / BLOCK
    speed = spec.flops_per_token["exact"] * tokens / step
    return (
        f"{spec.arm:14} {tokens:6d} {1e3 * step:6.2f} {tokens / step:9.0f} {speed / 1e9:8.1f}"
        f" {100 * speed / peak():4.0f}% {ours:5d} ({theirs:5d}) {outside:7.2f}%  {middle:.2f} ({low:.2f} to {high:.2f})"
    )


if __name__ == "__main__":
    sys.exit(main())
