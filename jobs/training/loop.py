"""One training run from its spec to its record: resume, steps, evaluations, checkpoints.

What a run computes follows from its spec alone. Data order and router noise are functions of the step, so a checkpoint
holds weights, optimizer and the step, and a resumed run repeats the uninterrupted one bit for bit.
"""

import math
import os
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from jobs.corpora import open_store
from jobs.corpora.mixture import Mixture
from jobs.execution import Execution
from jobs.record import RunRecord, write_record
from jobs.training import checkpoint, outcome
from jobs.training.batches import Batches
from jobs.training.device import distributed, micro_batch
from jobs.training.device.distributed import Ranks
from jobs.training.device.environment import keep_freed_memory, peak_memory, reset_peak_memory
from jobs.training.device.precision import check_precision, set_deterministic
from jobs.training.evaluate import Evaluation, Evaluator
from jobs.training.metrics import METRIC_LINES, Metrics, Window
from jobs.training.network.transformer import Transformer
from jobs.training.progress import Progress
from jobs.training.schedule import learning_rate
from jobs.training.step import Stepper
from planners.records.errors import UsageError
from planners.records.files import write_json
from planners.spec import RunSpec
from planners.study import Study

SAVING = 0.05
"""Most of the time that goes into checkpoints: where one takes long, the next one comes later."""
EXPLODED = 2.0
"""A mean training loss above this many times that of guessing at random, ln V, ends a run as diverged after warm-up."""


def checkpoint_s() -> float:
    """Return the seconds between checkpoints, what a killed run loses at most: $SCALING_CHECKPOINT_S, or 30."""
    text = os.environ.get("SCALING_CHECKPOINT_S", "30")
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not seconds >= 0:
        raise UsageError(f"SCALING_CHECKPOINT_S {text!r} is not a number of seconds, such as 30")
    return seconds


class Interrupted(Exception):
    """The run was asked to stop; its checkpoint is written and the next call continues there."""


class Diverged(Exception):
    """The training loss is no longer a number, or has exploded; the first argument is the flag that says which."""


def train(
    study: Study,
    spec: RunSpec,
    *,
    stop: Callable[[int], bool] = lambda step: False,
    execution: Execution | None = None,
) -> RunRecord:
    """Train `spec` from its newest checkpoint, write its record and return it.

    A loss that is not finite or has exploded ends the run as `diverged`, without a loss. `stop` is asked after every
    step, with the number of steps taken; when it says yes, a checkpoint is written and Interrupted raised.
    Where torchrun started several processes, each calls this, and the first one writes.
    Raises UsageError where the run cannot start, and OutOfMemory where memory runs out whatever the micro-batch.
    """
    if spec.data is None:
        raise UsageError(f"run {spec.run_id} names no corpus; plan the study again with --data")
    ranks = distributed.join()
    execution = execution or Execution()
    execution = replace(execution, devices=ranks.size, shard=execution.shard and ranks.size > 1)
    check_precision(spec.training.precision, ranks.device)
    set_deterministic(execution.deterministic and ranks.device.type == "cuda")
    torch.set_num_threads(spec.training.threads)
    knows_peak = reset_peak_memory(ranks.device)
    keep_freed_memory()
    with micro_batch.explained(spec, execution):
        loop = Loop(study, spec, open_store(spec.data), ranks, execution)
        try:
            loop.run(stop)
            record = outcome.ended(loop, loop.final_evaluation(), knows_peak=knows_peak)
        except Diverged as error:
            record = outcome.diverged(loop, *error.args)
        finally:
            loop.metrics.close()
    if ranks.is_first:
        write_record(study, record)
    return record


class Loop:
    """A run in progress. What a checkpoint holds is what `state` returns."""

    def __init__(self, study: Study, spec: RunSpec, corpus: Mixture, ranks: Ranks, execution: Execution):
        self.study, self.spec, self.corpus, self.ranks = study, spec, corpus, ranks
        training = spec.training
        if corpus.manifest.vocab_size > spec.shape.vocab_size:
            raise UsageError(
                f"run {spec.run_id} has vocabulary {spec.shape.vocab_size}, its corpus {corpus.manifest.vocab_size}"
            )
        self.batch = Batches(corpus.stream(training.seq_len, training.U, training.seed), training, ranks)
        # divided weights go to the GPU block by block, because all of them might not fit there
        self.model, state = _model(study, spec, None if execution.shard else ranks.device)
        with checkpoint.continued(spec.run_id):
            self.progress = Progress.restored(state["progress"]) if state else Progress()
            if not 0 <= self.progress.step <= training.steps:
                raise ValueError(f"step {self.progress.step} of {training.steps}")
        self.check_step()
        self.evaluator = Evaluator(self.model, corpus, training, ranks, shard=execution.shard)
        self.evaluator.limit(execution.micro_batch or self.progress.evaluation_batch)
        if execution.micro_batch is None and self.progress.devices == ranks.size:
            execution = replace(execution, micro_batch=self.progress.micro_batch)
        self.execution, self.stepper = execution, Stepper(self.model, spec, ranks, execution)
        self.window = self.new_window()
        self.measured: Evaluation | None = None
        self.memory_read = -math.inf
        self.memory_bytes: int | None = None
        written = 0
        if state:
            with checkpoint.continued(spec.run_id):
                self.stepper.restore_optimizer(state["optimizer"])
                self.window.restore(state["window"], ranks.device, mine=ranks.is_first)
                written = int(state["metrics_bytes"])
            self.progress.flag("resumed")
        self.metrics = Metrics(study.run_folder(spec.run_id) / "metrics.jsonl", writes=ranks.is_first)
        if ranks.is_first:
            write_json(study.run_folder(spec.run_id) / "spec.json", spec.to_line())
        self.metrics.open(written)

    def check_step(self) -> None:
        """Raise RuntimeError where another process of this run found an older checkpoint, on a slow file system."""
        if any(self.ranks.any(self.ranks.first(self.progress.step) != self.progress.step)):
            raise RuntimeError(
                "the processes of the run found different checkpoints; the next attempt may see them all"
            )

    def run(self, stop: Callable[[int], bool]) -> None:
        """Take the remaining steps, with a metrics line now and then and a checkpoint every `checkpoint_s()`."""
        progress, wait = self.progress, checkpoint_s()
        saved = clock = time.monotonic()
        compiling = self.stepper.compiled
        while not self.is_over:
            reporting = self.reports_after(progress.step + 1)
            self.stepper.take(progress.step, self.batch(progress.step), self.window, detailed=reporting)
            progress.step += 1
            if compiling:
                clock, compiling = self.count_compiling(clock), False
            late = self.ranks.is_first and time.monotonic() - saved > wait  # the first one writes, and knows how long
            stopping, overdue = self.ranks.any(stop(progress.step), late)
            if reporting or stopping or overdue:
                clock = self.count_time(clock)
                if self.evaluates_after(progress.step):
                    self.evaluate_on_the_way()
                    clock = time.monotonic()
                if reporting:
                    self.report()
                if self.is_over or stopping or overdue:
                    begun = time.monotonic()
                    self.save()
                    saved = clock = time.monotonic()
                    wait = wait and max(wait, (saved - begun) / SAVING)
                if stopping and not self.is_over:
                    raise Interrupted(self.spec.run_id)

    @property
    def is_over(self) -> bool:
        """Whether no step is left to take."""
        return self.progress.step == self.spec.training.steps or "stopped_early" in self.progress.flags

    def reports_after(self, step: int) -> bool:
        """Whether a metrics line is due after `step` steps."""
        steps = self.spec.training.steps
        return step % math.ceil(steps / METRIC_LINES) == 0 or step == steps or self.evaluates_after(step)

    def evaluates_after(self, step: int) -> bool:
        """Whether an evaluation is due after `step` steps; the one at the end is another."""
        training = self.spec.training
        return training.eval_steps is not None and step % training.eval_steps == 0 and step < training.steps

    @property
    def D_seen(self) -> int:
        """Tokens consumed so far."""
        return self.progress.step * self.spec.training.batch_tokens

    def new_window(self) -> Window:
        """Return what the steps of the next metrics line are summed in."""
        return Window(self.spec.training.batch_tokens // self.spec.training.seq_len)

    def count_time(self, since: float) -> float:
        """Add the seconds of training since a moment, and return the present one."""
        if self.ranks.device.type == "cuda":
            torch.cuda.synchronize(self.ranks.device)  # the steps that are only queued so far take time too
        self.progress.wall_s += (present := time.monotonic()) - since
        return present

    def count_compiling(self, since: float) -> float:
        """Count likewise the first step, most of which is no training, apart."""
        present = self.count_time(since)
        self.progress.compiling_s += present - since
        self.progress.compiling_D += self.spec.training.batch_tokens
        return present

    def report(self) -> None:
        """Write a metrics line and start the next window. Raises Diverged where the loss is no number or exploded."""
        window, self.window = self.window.added_up(self.ranks.sum), self.new_window()
        progress, loss, speed = self.progress, window.loss(), self.progress.speed(self.D_seen)
        line = {
            "step": progress.step,
            "D": self.D_seen,
            **window.line([module.router.bias for module in self.stepper.experts]),
            "val_loss": self.measured.loss if self.measured and self.evaluates_after(progress.step) else None,
            "lr": learning_rate(progress.step - 1, self.spec.training),
            "tokens_per_s": speed,
            "mfu": outcome.mfu(self, speed),
            "memory_bytes": self.memory(),
            "wall_s": progress.wall_s,
            "eta_s": progress.wall_s / progress.step * (self.spec.training.steps - progress.step),
        }
        progress.dropped += window.dropped()
        self.metrics.write(line)
        if not math.isfinite(loss):
            raise Diverged("not_finite", f"the training loss is not finite at step {progress.step}")
        bound = EXPLODED * math.log(self.spec.shape.vocab_size)
        if loss > bound and progress.step > self.spec.training.warmup_steps:
            raise Diverged(
                "exploded",
                f"the training loss {loss:.4g} at step {progress.step} is above {bound:.4g}, {EXPLODED:g} ln V",
            )
        progress.tail = [*progress.tail, (window.steps, loss)][-METRIC_LINES:]

    def memory(self) -> int | None:
        """Return the peak memory so far, asked of the system once a second at most: that is slow."""
        if (present := time.monotonic()) > self.memory_read + 1:
            self.memory_read, self.memory_bytes = present, peak_memory(self.ranks.device)
        return self.memory_bytes

    def evaluate(self) -> Evaluation:
        """Measure the validation loss; its time counts as the run's. Every process measures the whole of it."""
        clock = time.monotonic()
        slots = self.D_seen * self.spec.shape.top_k * self.spec.shape.n_moe_layers
        dropped = self.progress.dropped + self.window.added_up(self.ranks.sum).dropped()  # not yet in a metrics line
        measured = self.evaluator.measure(dropped / slots if slots else 0.0)
        self.progress.evaluation_s += time.monotonic() - clock
        measured = replace(measured, loss=self.ranks.first(measured.loss))
        if not math.isfinite(measured.loss):
            raise Diverged("not_finite", f"the validation loss is not finite at step {self.progress.step}")
        return measured

    def evaluate_on_the_way(self) -> None:
        """Measure, and stop early where too many evaluations in a row brought nothing."""
        self.measured = self.evaluate()
        self.progress.evaluated(self.measured.loss)
        patience = self.spec.training.patience
        if patience is not None and self.progress.stale >= patience:
            self.progress.flag("stopped_early")

    def final_evaluation(self) -> Evaluation:
        """Return the evaluation after the last step."""
        if "stopped_early" in self.progress.flags:  # after an evaluation, which is known unless this process is new
            return self.measured or self.evaluate()
        measured = self.evaluate()
        if self.spec.training.eval_steps is not None:
            self.progress.evaluated(measured.loss)
        return measured

    def state(self) -> dict[str, Any]:
        """Return what continues this run, on as many devices as may be."""
        self.note_execution()
        return {
            **self.stepper.state(),
            "progress": self.progress.state(),
            "window": self.window.added_up(self.ranks.sum).state(),
            "is_final": self.is_over,
            "metrics_bytes": self.metrics.size(),
        }

    def save(self) -> None:
        """Write a checkpoint of the present step."""
        state = self.state()
        if self.ranks.is_first:
            folder = self.study.run_folder(self.spec.run_id) / "checkpoint"
            checkpoint.save(folder, self.progress.step, self.spec.run_id, state)

    def note_execution(self) -> None:
        """Keep what the next process should know of how the batches were cut, and what the record should say of it."""
        stepper, progress = self.stepper, self.progress
        progress.micro_batch, progress.devices = stepper.micro_batch, self.ranks.size
        progress.evaluation_batch = self.evaluator.batch
        if stepper.halved:
            progress.flag("micro_batch_halved")
        if stepper.parts > 1 and not self.spec.shape.is_dense:
            progress.flag("split_batch")


def _model(study: Study, spec: RunSpec, device: torch.device | None) -> tuple[Transformer, dict[str, Any] | None]:
    """Return the model with the weights of the newest checkpoint, which comes with it, or with its first ones.

    Both are in host memory where no device is given, because the weights are still to be divided.
    """
    model = Transformer(spec.shape, spec.router)
    folder = study.run_folder(spec.run_id) / "checkpoint"
    state = checkpoint.load_newest(folder, spec.run_id, mapped=device is None)
    if state is not None:
        with checkpoint.continued(spec.run_id):
            load_weights(model, state["model"], f"the checkpoint of run {spec.run_id}")
    else:
        model.initialise(spec.training.seed)
        if spec.training.init_from:
            _load_parent(model, study, spec.training.init_from)
    return model.to(device or "cpu").train(), state


def _load_parent(model: Transformer, study: Study, run_id: str) -> None:
    """Start from the final weights of another run of the study. Raises UsageError where it has none that fit."""
    state = checkpoint.load_newest(study.run_folder(run_id) / "checkpoint", run_id)
    if state is None or not state["is_final"]:
        raise UsageError(f"run {run_id} has no final checkpoint to start from; train it to its end first")
    load_weights(model, state["model"], f"the final checkpoint of run {run_id}")


def load_weights(model: Transformer, weights: dict[str, torch.Tensor], whose: str) -> None:
    """Fill a model with the weights of a checkpoint. Raises UsageError where they are not those of its shape."""
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise UsageError(f"{whose} holds weights of another shape; remove it, or start from a fitting run") from error
