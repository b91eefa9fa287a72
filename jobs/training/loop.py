"""One training run from its spec to its record: resume, steps, evaluations, checkpoints.

What a run computes follows from its spec alone. Data order and router noise are functions of the step. A checkpoint
therefore holds weights, optimizer state and progress, and a resumed run repeats the uninterrupted one bit for bit.
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
from jobs.failures import LostProcess
from jobs.record import RunRecord, write_record
from jobs.training import checkpoint, outcome
from jobs.training.accuracy import mean_exact_match
from jobs.training.batches import Batches
from jobs.training.device import distributed, micro_batch
from jobs.training.device.distributed import Ranks
from jobs.training.device.environment import environment, keep_freed_memory, peak_memory, reset_peak_memory
from jobs.training.device.precision import check_precision, set_deterministic
from jobs.training.evaluate import Evaluation, Evaluator
from jobs.training.metrics import METRIC_LINES, MetricsFile, MetricSums
from jobs.training.network.transformer import Transformer
from jobs.training.run_progress import Progress, SaveTimer, TrainingClock
from jobs.training.schedule import learning_rate
from jobs.training.step import Stepper
from planners.records.errors import UsageError
from planners.records.files import write_json
from planners.spec import RunSpec
from planners.study import Study

EXPLODED = 2.0
"""A mean training loss above this multiple of ln V (uniform guessing), after warm-up, ends a run as diverged."""


def checkpoint_s() -> float:
    """Return the seconds between checkpoints, the most that a killed run loses: $SCALING_CHECKPOINT_S, or 30."""
    text = os.environ.get("SCALING_CHECKPOINT_S", "30")
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not seconds >= 0:
        raise UsageError(f"SCALING_CHECKPOINT_S {text!r} is not a number of seconds; give one such as 30")
    return seconds


class Interrupted(Exception):
    """The run was asked to stop. Its checkpoint is written, and the next call resumes there."""


class Diverged(Exception):
    """The training loss is not finite or has exploded. Arguments: the flag of the record, and the reason."""


def train(
    study: Study,
    spec: RunSpec,
    *,
    stop: Callable[[int], bool] = lambda step: False,
    execution: Execution | None = None,
) -> RunRecord:
    """Train `spec` from its newest checkpoint, write its record and return it.

    A loss that is not finite or has exploded ends the run as `diverged`, without a loss. `stop` is called after every
    step with the number of steps taken; if it returns true, a checkpoint is written and Interrupted raised.
    If torchrun started several processes, each calls this, and the first one writes.
    Raises UsageError if the run cannot start, and OutOfMemory if memory runs out at every micro-batch.
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
            record = loop.record(loop.final_evaluation(), knows_peak=knows_peak)
        except Diverged as error:
            record = outcome.diverged(loop.ended(), *error.args)
        finally:
            loop.metrics.close()
    if ranks.is_first:
        write_record(study, record)
    return record


class Loop:
    """A run in progress. A checkpoint holds what `state` returns."""

    def __init__(self, study: Study, spec: RunSpec, corpus: Mixture, ranks: Ranks, execution: Execution):
        self.study, self.spec, self.corpus, self.ranks = study, spec, corpus, ranks
        self.folder = study.run_folder(spec.run_id)
        training = spec.training
        if corpus.manifest.vocab_size > spec.shape.vocab_size:
            raise UsageError(
                f"run {spec.run_id} has vocabulary {spec.shape.vocab_size}, but its corpus has"
                f" {corpus.manifest.vocab_size}; plan the study again with this corpus"
            )
        self.batch = Batches(corpus.stream(training.seq_len, training.U, training.seed), training, ranks)
        # Sharded weights move to the GPU block by block, because all of them might not fit there.
        self.model, state = _model(study, spec, None if execution.shard else ranks.device)
        with checkpoint.continued(spec.run_id):
            self.progress = Progress.restored(state["progress"]) if state else Progress()
            if not 0 <= self.progress.step <= training.steps:
                raise ValueError(f"step {self.progress.step} of {training.steps}")
        self.check_step()
        given = execution.micro_batch
        # A resumed run keeps its micro-batch, unless the user gives one or the number of processes has changed.
        if execution.micro_batch is None and self.progress.devices == ranks.size:
            execution = replace(execution, micro_batch=self.progress.micro_batch)
        self.execution, self.stepper = execution, Stepper(self.model, spec, ranks, execution, corpus)
        self.evaluator = Evaluator(self.model, corpus, self.stepper.objective, ranks, shard=execution.shard)
        self.evaluator.limit(given or self.progress.evaluation_batch)
        self.sums = self.new_sums()
        self.latest: Evaluation | None = None
        self.memory_read = -math.inf
        self.memory_bytes: int | None = None
        written = 0
        if state:
            with checkpoint.continued(spec.run_id):
                self.stepper.restore_optimizer(state["optimizer"])
                self.sums.restore(state["sums"], ranks.device, mine=ranks.is_first)
                written = int(state["metrics_bytes"])
            self.progress.flag("resumed")
        self.metrics = MetricsFile(self.folder / "metrics.jsonl", writes=ranks.is_first)
        if ranks.is_first:
            write_json(study.make_run_folder(spec.run_id) / "spec.json", spec.to_line())
        self.metrics.open(written)

    def check_step(self) -> None:
        """Raise LostProcess if the processes of this run found different checkpoints, as on a slow file system."""
        if any(self.ranks.any(self.ranks.first(self.progress.step) != self.progress.step)):
            raise LostProcess("the processes of the run found different checkpoints; another attempt may succeed")

    def run(self, stop: Callable[[int], bool]) -> None:
        """Take the remaining steps; evaluate, log and save on the way.

        Raises Interrupted after a checkpoint if `stop` returned true, and Diverged.
        """
        progress, saves = self.progress, SaveTimer(checkpoint_s())
        clock = TrainingClock(progress, self.ranks.device)
        compiling = self.stepper.compiled
        while not self.is_over:
            log = self.logs_after(progress.step + 1)
            domains = self.batch.domains(progress.step) if self.knows_domains else None
            self.stepper.take(progress.step, self.batch(progress.step), self.sums, detailed=log, domains=domains)
            progress.step += 1
            if compiling:
                clock.count_compiling(self.spec.training.batch_tokens)
                compiling = False

            # The processes agree here, in one exchange per step: evaluations and checkpoints need all of them, and one
            # that left the loop alone would leave the others waiting. Only the first one writes, so its clock decides.
            stopping, overdue = self.ranks.any(stop(progress.step), self.ranks.is_first and saves.due())
            save = stopping or overdue
            if not (log or save):
                continue
            clock.count()

            if self.evaluates_after(progress.step):
                self.evaluate_on_the_way()  # which may end the run early
                clock.restart()  # evaluation time is counted separately
            if log:
                self.log()  # before the checkpoint, which holds the length of the file
            if save or self.is_over:
                began = time.monotonic()
                self.save()
                saves.note(began)
                clock.restart()  # writing is not training
            if stopping and not self.is_over:
                raise Interrupted(self.spec.run_id)

    @property
    def is_over(self) -> bool:
        """Whether no step remains."""
        return self.progress.step == self.spec.training.steps or self.has_stopped

    @property
    def has_stopped(self) -> bool:
        """Whether an evaluation has ended the run."""
        return not {"stopped_early", "solved"}.isdisjoint(self.progress.flags)

    @property
    def knows_domains(self) -> bool:
        """Whether a step needs to know which domain each window is of."""
        return len(self.corpus.domains) > 1

    @property
    def answers_now(self) -> bool:
        """Whether the present step has an evaluation with answers."""
        return bool(self.progress.exact_match) and self.evaluates_after(self.progress.step)

    def logs_after(self, step: int) -> bool:
        """Return whether a metrics line is due after `step` steps."""
        steps = self.spec.training.steps
        return step % math.ceil(steps / METRIC_LINES) == 0 or step == steps or self.evaluates_after(step)

    def evaluates_after(self, step: int) -> bool:
        """Return whether an evaluation is due after `step` steps, apart from the final one."""
        training = self.spec.training
        return training.eval_steps is not None and step % training.eval_steps == 0 and step < training.steps

    @property
    def D_seen(self) -> int:
        """Tokens consumed so far."""
        return self.progress.step * self.spec.training.batch_tokens

    def new_sums(self) -> MetricSums:
        """Return empty sums for the next metrics line."""
        return MetricSums(self.spec.training.batch_tokens // self.spec.training.seq_len)

    def log(self) -> None:
        """Write a metrics line and start new sums. Raises Diverged if the loss is not finite or has exploded."""
        sums, self.sums = self.sums.of_all(self.ranks.sum), self.new_sums()
        progress, loss, speed = self.progress, sums.loss(), self.progress.speed(self.D_seen)
        line = {
            "step": progress.step,
            "D": self.D_seen,
            **sums.line([module.router.bias for module in self.stepper.experts]),
            "val_loss": self.latest.loss if self.latest and self.evaluates_after(progress.step) else None,
            **({"exact_match": progress.exact_match} if self.answers_now else {}),
            "lr": learning_rate(progress.step - 1, self.spec.training),
            "tokens_per_s": speed,
            "mfu": outcome.mfu(self.spec, self.ranks.size, self.ranks.device, speed),
            "memory_bytes": self.memory(),
            "wall_s": progress.wall_s,
            "eta_s": progress.wall_s / progress.step * (self.spec.training.steps - progress.step),
        }
        progress.dropped += sums.dropped()
        if self.spec.router.top_p is not None:
            progress.slots = sums.slots(progress.slots)
        self.metrics.write(line)  # before the check, so that the last line of a diverged run shows why
        self.check_loss(loss)
        progress.tail = [*progress.tail, (sums.steps, loss)][-METRIC_LINES:]

    def check_loss(self, loss: float) -> None:
        """Raise Diverged if a mean training loss is not finite, or too large after warm-up."""
        step, bound = self.progress.step, EXPLODED * math.log(self.spec.shape.vocab_size)
        if not math.isfinite(loss):
            raise Diverged("not_finite", f"the training loss is not finite at step {step}")
        if loss > bound and step > self.spec.training.warmup_steps:
            reason = f"the training loss {loss:.4g} at step {step} is above {bound:.4g}, {EXPLODED:g} ln V"
            raise Diverged("exploded", reason)

    def memory(self) -> int | None:
        """Return the peak memory so far in bytes, read at most once a second because reading is slow."""
        if (present := time.monotonic()) > self.memory_read + 1:
            self.memory_read, self.memory_bytes = present, peak_memory(self.ranks.device)
        return self.memory_bytes

    def evaluate(self) -> Evaluation:
        """Measure the validation loss and count its time. Every process measures the whole of it.

        Raises Diverged if the loss is not finite.
        """
        began = time.monotonic()
        slots = self.D_seen * self.spec.shape.top_k * self.spec.shape.n_moe_layers
        # Slots since the last metrics line are still in the sums.
        dropped = self.progress.dropped + self.sums.of_all(self.ranks.sum).dropped()
        measured = self.evaluator.measure(dropped / slots if slots else 0.0)
        self.progress.evaluation_s += time.monotonic() - began
        # Processes may differ in the last bits, but must take the same decision about stopping.
        measured = replace(measured, loss=self.ranks.first(measured.loss))
        if not math.isfinite(measured.loss):
            raise Diverged("not_finite", f"the validation loss is not finite at step {self.progress.step}")
        return measured

    def evaluate_on_the_way(self) -> None:
        """Evaluate, and stop early if too many evaluations in a row brought no lower loss."""
        self.latest = self.evaluate()
        self.progress.evaluated(self.latest.loss)
        self.note_answers(self.latest)
        patience = self.spec.training.patience
        if patience is not None and self.progress.stale >= patience:
            self.progress.flag("stopped_early")
        wanted, reached = self.spec.training.solved_at, mean_exact_match(self.latest.tasks)
        if wanted is not None and reached is not None and reached >= wanted:
            self.progress.flag("solved")

    def note_answers(self, measured: Evaluation) -> None:
        """Note the accuracy on tasks; keep the weights at which half of the examples are right for the first time."""
        if self.progress.answered(measured.tasks, self.D_seen):
            weights = self.stepper.weights_of_all()
            if self.ranks.is_first:
                checkpoint.keep(self.folder / "checkpoint", "half", self.progress.step, self.spec.run_id, weights)

    def final_evaluation(self) -> Evaluation:
        """Return the evaluation after the last step."""
        if self.has_stopped:  # it stopped after an evaluation, which a new process must repeat
            return self.latest or self.evaluate()
        measured = self.evaluate()
        if self.spec.training.eval_steps is not None:
            self.progress.evaluated(measured.loss)
        self.note_answers(measured)
        return measured

    def state(self) -> dict[str, Any]:
        """Return all that is needed to continue this run, on any number of devices."""
        self.note_execution()
        return {
            **self.stepper.state(),
            "progress": self.progress.state(),
            "sums": self.sums.of_all(self.ranks.sum).state(),
            "is_final": self.is_over,
            "metrics_bytes": self.metrics.size(),
        }

    def save(self) -> None:
        """Write a checkpoint of the present step. All processes gather its state; the first one writes it."""
        state = self.state()
        if self.ranks.is_first:
            checkpoint.save(self.folder / "checkpoint", self.progress.step, self.spec.run_id, state)

    def note_execution(self) -> None:
        """Store in the progress how batches were cut, for the next process and for the flags of the record."""
        stepper, progress = self.stepper, self.progress
        progress.micro_batch, progress.devices = stepper.micro_batch, self.ranks.size
        progress.evaluation_batch = self.evaluator.batch
        progress.trained_by(environment(self.ranks.device, progress.started).sources)
        if stepper.halved:
            progress.flag("micro_batch_halved")
        if stepper.forward_passes > 1 and not self.spec.shape.is_dense:
            progress.flag("split_batch")

    def ended(self) -> outcome.Ended:
        """Return the part of this run that its record needs."""
        self.note_execution()
        execution = replace(self.execution, micro_batch=self.stepper.micro_batch, compile=self.stepper.compiled)
        return outcome.Ended(spec=self.spec, progress=self.progress, execution=execution, device=self.ranks.device)

    def record(self, measured: Evaluation, *, knows_peak: bool) -> RunRecord:
        """Return the record of the finished run, from its final evaluation."""
        return outcome.done(
            self.ended(),
            measured,
            bytes_per_token=self.corpus.bytes_per_token if self.stepper.objective.is_likelihood else None,
            peak_memory_bytes=peak_memory(self.ranks.device) if knows_peak else None,
            left_out=self.corpus.manifest.all_left_out,
        )


def _model(study: Study, spec: RunSpec, device: torch.device | None) -> tuple[Transformer, dict[str, Any] | None]:
    """Return the model and the newest checkpoint, whose weights it has; initial weights and None without one.

    Both stay in host memory if no device is given, because the weights are still to be sharded.
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
    """Fill the model with the final weights of another run of the study. Raises UsageError if it has none that fit."""
    state = checkpoint.load_newest(study.run_folder(run_id) / "checkpoint", run_id)
    if state is None or not state["is_final"]:
        raise UsageError(f"run {run_id} has no final checkpoint to start from; train it to its end first")
    load_weights(model, state["model"], f"the final checkpoint of run {run_id}")


def load_weights(model: Transformer, weights: dict[str, torch.Tensor], whose: str) -> None:
    """Fill a model with the weights of a checkpoint. Raises UsageError if they belong to another shape."""
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise UsageError(f"{whose} holds weights of another shape; remove it, or start from a fitting run") from error
