"""python benchmarks/step.py

What a training step costs outside the model (reading data, schedule, metrics, bookkeeping, files) at the size of the
embedded study, found in two ways: `outside` is the time of a run's steps that is not spent in forward, backward,
clipping and optimizer; `against bare` compares blocks of steps with interleaved blocks of nothing but those.
One process, one thread, processor time: what other processes take does not count.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

from jobs.corpora import describe, open_store
from jobs.execution import Execution
from jobs.training import distributed
from jobs.training.environment import keep_freed_memory
from jobs.training.loop import Interrupted, Loop
from jobs.training.step import Stepper
from planners import RunSpec, Study, make_plan, preset

BLOCK = 20
"""Steps of one kind in a row."""


class Inside:
    """The time spent in the model, its gradient and its optimizer."""

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


def bare_step(stepper: Stepper, batch: torch.Tensor) -> None:
    """Take a step with nothing around the model."""
    loss, _, _ = stepper.objective(batch)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(stepper.model.parameters(), 1.0)
    stepper.optimizer.step()
    stepper.optimizer.zero_grad(set_to_none=True)


def blocks(study: Study, spec: RunSpec, count: int, inside: Inside) -> list[tuple[float, float, float]]:
    """Return the seconds of `count` pairs of blocks: of the engine, thereof inside the model, of the bare model."""
    ranks = distributed.join()
    loop = Loop(study, spec, open_store(spec.data), ranks, Execution())
    inside.watch(loop.stepper, "gradients")
    inside.watch(loop.stepper.optimizer, "step")
    inside.watch(loop.stepper.optimizer, "zero_grad")
    batches, found = [loop.batch(step) for step in range(BLOCK)], []
    inside.seconds, clock = 0.0, time.process_time()

    def pause(step: int) -> bool:
        nonlocal clock
        if step % BLOCK == 0:
            engine, within = time.process_time() - clock, inside.seconds
            start = time.process_time()
            for batch in batches:
                bare_step(loop.stepper, batch)
            found.append((engine, within, time.process_time() - start))
            inside.seconds, clock = 0.0, time.process_time()
        return len(found) == count + 2

    with suppress(Interrupted):
        loop.run(pause)
    loop.metrics.close()
    return found[2:]


def main() -> int:
    """Print a line an arm."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--blocks", type=int, default=40, help="pairs of blocks an arm (default 40)")
    parser.add_argument("--budget", type=float, default=1e12, help="C, which sets batch and steps (default 1e12)")
    parser.add_argument("--plain-malloc", action="store_true", help="do not keep freed memory, which runs do")
    count = parser.parse_args().blocks
    torch.set_num_threads(1)
    if not parser.parse_args().plain_malloc:
        keep_freed_memory()
    os.environ["SCALING_CHECKPOINT_S"] = "1e9"  # a checkpoint every 30 s is the user's choice
    question = replace(preset("smoke"), budgets=(parser.parse_args().budget,), unique_tokens=1_000_000)
    planned = make_plan(question, describe(str(question.data)))
    print(f"torch {torch.__version__}, one thread, fp32, {count} pairs of {BLOCK} steps, engine against bare model")
    print(f"{'arm':8} {'tokens/step':>11} {'ms/step':>8} {'tokens/s':>9} {'outside':>8}  against bare (quartiles)")
    inside = Inside()
    inside.watch(torch.nn.utils, "clip_grad_norm_")
    with tempfile.TemporaryDirectory() as folder:
        for spec in planned.runs:
            tokens = spec.training.batch_tokens
            found = blocks(Study(Path(folder)), spec, count, inside)
            low, middle, high = statistics.quantiles([100 * (engine / bare - 1) for engine, _, bare in found], n=4)
            outside = statistics.median(100 * (engine / within - 1) for engine, within, _ in found)
            step = statistics.median(engine for engine, _, _ in found) / BLOCK
            print(
                f"{spec.arm:8} {tokens:11d} {1e3 * step:8.2f} {tokens / step:9.0f} {outside:7.2f}%"
                f"  {middle:.2f}% ({low:.2f}% to {high:.2f}%)"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
