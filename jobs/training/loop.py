"""One training run from its spec to its record: resume, steps, checkpoints, evaluation.

What a run computes follows from its spec alone. Data order is a function of the step, so a checkpoint holds
weights, optimizer, random state and the step, and a resumed run repeats the uninterrupted one bit for bit.
"""

import math
import os
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from jobs.corpora import open_store
from jobs.corpora.mixture import Mixture, Stream
from jobs.record import IMBALANCED, RunRecord, write_record
from jobs.training import checkpoint
from jobs.training.environment import environment, now, peak_flops, peak_memory, reset_peak_memory
from jobs.training.evaluate import Evaluation, evaluate
from jobs.training.experts import Experts
from jobs.training.metrics import METRIC_LINES, Metrics, Window
from jobs.training.model import Transformer, cross_entropy
from jobs.training.routing import Routing
from jobs.training.schedule import learning_rate
from planners.errors import UsageError
from planners.files import write_json
from planners.spec import RunSpec
from planners.study import Study


def checkpoint_s() -> float:
    """Return the seconds between checkpoints, what a killed run loses at most: $SCALING_CHECKPOINT_S, or 30."""
    text = os.environ.get("SCALING_CHECKPOINT_S", "30")
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"SCALING_CHECKPOINT_S {text!r} is not a number of seconds, such as 30") from None


class Interrupted(Exception):
    """The run was asked to stop; its checkpoint is written and the next call continues there."""


class Diverged(Exception):
    """The training loss is no longer a number."""


def device() -> torch.device:
    """Return where runs are trained: the first GPU that this process sees, else the processor."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def train(study: Study, spec: RunSpec, *, stop: Callable[[int], bool] = lambda step: False) -> RunRecord:
    """Train `spec` from its newest checkpoint, write its record and return it.

    A loss that is not finite ends the run as `diverged`, without a loss. `stop` is asked after every step, with
    the number of steps taken; when it says yes, a checkpoint is written and Interrupted raised.
    Raises UsageError where the run cannot start.
    """
    if spec.data is None:
        raise UsageError(f"run {spec.run_id} names no corpus; plan the study again with --data")
    torch.set_num_threads(spec.training.threads)
    knows_peak = reset_peak_memory(device())
    run = _Run.start(study, spec, open_store(spec.data), knows_peak)
    try:
        run.train(stop)
        measured = run.evaluate()
        record = (
            run.done(measured) if math.isfinite(measured.loss) else run.diverged("the validation loss is not finite")
        )
    except Diverged as error:
        record = run.diverged(str(error))
    finally:
        run.metrics.close()
    write_record(study, record)
    return record


@dataclass(kw_only=True)
class _Run:
    """A run in progress. What a checkpoint holds is what `state` returns."""

    study: Study
    spec: RunSpec
    device: torch.device
    model: Transformer
    optimizer: torch.optim.Optimizer
    corpus: Mixture
    stream: Stream
    metrics: Metrics
    window: Window
    knows_peak: bool
    evaluation_s: float = 0.0
    step: int = 0
    wall_s: float = 0.0
    started: str = field(default_factory=now)
    resumed: bool = False
    tail: list[tuple[int, float]] = field(default_factory=list)
    dropped: int = 0

    @classmethod
    def start(cls, study: Study, spec: RunSpec, corpus: Mixture, knows_peak: bool) -> "_Run":
        """Return the run at its newest checkpoint, or at step 0."""
        place = device()
        folder = study.run_folder(spec.run_id)
        training = spec.training
        if corpus.manifest.vocab_size != spec.shape.vocab_size:
            raise UsageError(
                f"run {spec.run_id} has vocabulary {spec.shape.vocab_size}, its corpus {corpus.manifest.vocab_size}"
            )
        write_json(folder / "spec.json", spec.to_line())
        torch.manual_seed(training.seed)
        model = Transformer(spec.shape, spec.router)
        model.initialise(training.seed)
        if training.init_from:
            _load_parent(model, study, training.init_from)
        model.to(place).train()
        run = cls(
            study=study,
            spec=spec,
            device=place,
            model=model,
            optimizer=_optimizer(model, spec),
            corpus=corpus,
            stream=corpus.stream(training.seq_len, training.U, training.seed),
            metrics=Metrics(folder / "metrics.jsonl"),
            window=Window(place),
            knows_peak=knows_peak,
        )
        state = checkpoint.load_newest(folder / "checkpoint", spec.run_id, place)
        if state is not None:
            run.restore(state)
        run.metrics.open(state["metrics_bytes"] if state else 0)
        return run

    def train(self, stop: Callable[[int], bool]) -> None:
        """Take the remaining steps, with a metrics line now and then and a checkpoint every `checkpoint_s()`."""
        training, every = self.spec.training, math.ceil(self.spec.training.steps / METRIC_LINES)
        saved, wait = (clock := time.monotonic()), checkpoint_s()
        while self.step < training.steps:
            self.window.add(*self.take_step())
            self.step += 1
            ended, stopping = self.step == training.steps, stop(self.step)
            if self.step % every == 0 or ended or stopping or time.monotonic() - saved > wait:
                if self.device.type == "cuda":
                    torch.cuda.synchronize(self.device)  # the steps that are only queued so far take time too
                self.wall_s, clock = self.wall_s + time.monotonic() - clock, time.monotonic()
                if self.step % every == 0 or ended:
                    self.report()
                if ended or stopping or clock - saved > wait:
                    self.save()
                    saved = clock
                if stopping and not ended:
                    raise Interrupted(self.spec.run_id)

    def take_step(self) -> tuple[Tensor, Tensor, list[Routing]]:
        """Take one optimizer step; return cross entropy and gradient norm, both without gradient, and the routing."""
        training, settings = self.spec.training, self.spec.router
        batch = self.batch()
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.step, training)
        with self.autocast():
            logits, routings = self.model(batch[:, :-1])
        loss = entropy = cross_entropy(logits, batch[:, 1:])
        for routing in routings:
            loss = loss + settings.balance * routing.balance + settings.z_loss * routing.z_loss
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), training.clip)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if settings.bias_rate:
            experts = [module for module in self.model.modules() if isinstance(module, Experts)]
            for module, routing in zip(experts, routings, strict=True):
                module.router.update_bias(routing.load)
        return entropy.detach(), norm, routings

    def batch(self) -> Tensor:
        """Return the windows of the next step, shape (windows, seq_len + 1)."""
        training = self.spec.training
        count = training.batch_tokens // training.seq_len
        return torch.from_numpy(self.stream(self.step * count, count)).to(self.device, non_blocking=True)

    def autocast(self) -> Any:
        """Return the context in which the forward pass runs."""
        if self.spec.training.precision == "bf16":
            return torch.autocast(self.device.type, dtype=torch.bfloat16)
        return nullcontext()

    def report(self) -> None:
        """Write a metrics line and start the next window. Raises Diverged where the loss is not finite."""
        window, self.window = self.window, Window(self.device)
        loss = window.loss()
        D = self.step * self.spec.training.batch_tokens
        line = {
            "step": self.step,
            "D": D,
            "loss": loss if math.isfinite(loss) else None,
            "balance": window.balance(),
            "lr": learning_rate(self.step - 1, self.spec.training),
            "grad_norm": window.grad_norm(),
            "tokens_per_s": D / max(self.wall_s, 1e-9),
            "wall_s": self.wall_s,
            "max_load": window.max_load(),
        }
        self.dropped += int(window.dropped)
        self.metrics.write(line)
        if not math.isfinite(loss):
            raise Diverged(f"the training loss is not finite at step {self.step}")
        self.tail = [*self.tail, (window.steps, loss)][-METRIC_LINES:]

    def evaluate(self) -> Evaluation:
        """Measure the validation loss; its time counts as the run's."""
        clock, training = time.monotonic(), self.spec.training
        with self.autocast():
            measured = evaluate(
                self.model,
                self.corpus,
                training.seq_len,
                training.eval_windows,
                self.device,
                dropped=self.dropped_share,
            )
        self.evaluation_s = time.monotonic() - clock
        return measured

    def state(self) -> dict[str, Any]:
        """Return what continues this run."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "cpu_random": torch.get_rng_state(),
            "cuda_random": torch.cuda.get_rng_state(self.device) if self.device.type == "cuda" else None,
            "wall_s": self.wall_s,
            "started": self.started,
            "is_final": self.step == self.spec.training.steps,
            "tail": self.tail,
            "dropped": self.dropped,
            "window": self.window.state(),
            "metrics_bytes": self.metrics.size(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from `state`."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["cpu_random"].cpu())
        if self.device.type == "cuda" and state["cuda_random"] is not None:
            torch.cuda.set_rng_state(state["cuda_random"].cpu(), self.device)
        self.step, self.wall_s, self.started = state["step"], state["wall_s"], state["started"]
        self.tail = [(steps, loss) for steps, loss in state["tail"]]
        self.dropped, self.resumed = state["dropped"], True
        self.window.restore(state["window"])

    def save(self) -> None:
        """Write a checkpoint of the present step."""
        folder = self.study.run_folder(self.spec.run_id) / "checkpoint"
        checkpoint.save(folder, self.step, self.spec.run_id, self.state())

    @property
    def dropped_share(self) -> float:
        """Share of routed slots that were dropped in training; 0 for a dense model."""
        slots = self.spec.training.D * self.spec.shape.top_k * self.spec.shape.n_moe_layers
        return self.dropped / slots if slots else 0.0

    def train_loss(self) -> float:
        """Return the mean cross entropy of the metrics lines that hold the last tenth of the steps."""
        steps, total = 0, 0.0
        for n, loss in reversed(self.tail):
            if steps >= self.spec.training.steps / 10:
                break
            steps, total = steps + n, total + n * loss
        return total / steps

    def done(self, measured: Evaluation) -> RunRecord:
        """Return the record of a finished run."""
        training, health = self.spec.training, measured.routing
        speed, peak = training.D / self.wall_s, peak_flops(self.device, training.precision)
        M = self.spec.flops_per_token[self.spec.flops_convention]
        flags = ["resumed"] if self.resumed else []
        if health:
            flags += ["dead_experts"] if health.dead_experts else []
            flags += ["imbalanced"] if health.max_load > IMBALANCED else []
        flags += ["below_floor"] if measured.below_floor else []
        return RunRecord(
            spec=self.spec,
            state="done",
            loss=measured.loss,
            bpb=measured.loss / math.log(2) / self.corpus.bytes_per_token,
            train_loss=self.train_loss(),
            D_seen=training.D,
            wall_s=self.wall_s + self.evaluation_s,
            tokens_per_s=speed,
            mfu=speed * M / peak if peak else None,
            peak_memory_bytes=peak_memory(self.device) if self.knows_peak else None,
            routing=health,
            domains=measured.domains,
            environment=environment(self.device, self.started),
            flags=tuple(flags),
        )

    def diverged(self, reason: str) -> RunRecord:
        """Return the record of a run whose loss is no number."""
        return RunRecord(
            spec=self.spec,
            state="diverged",
            D_seen=self.step * self.spec.training.batch_tokens,
            wall_s=self.wall_s,
            environment=environment(self.device, self.started),
            error=reason,
        )


def _optimizer(model: Transformer, spec: RunSpec) -> torch.optim.Optimizer:
    """Return AdamW with weight decay on matrices and none on norms."""
    training = spec.training
    weights = list(model.parameters())
    groups = [
        {"params": [weight for weight in weights if weight.dim() > 1], "weight_decay": training.weight_decay},
        {"params": [weight for weight in weights if weight.dim() == 1], "weight_decay": 0.0},
    ]
    first, second = training.betas
    return torch.optim.AdamW(groups, lr=training.lr, betas=(first, second), fused=True)


def _load_parent(model: Transformer, study: Study, run_id: str) -> None:
    """Start from the final weights of another run of the study. Raises UsageError where it has none that fit."""
    state = checkpoint.load_newest(study.run_folder(run_id) / "checkpoint", run_id, torch.device("cpu"))
    if state is None or not state["is_final"]:
        raise UsageError(f"run {run_id} has no final checkpoint to start from; train it to its end first")
    try:
        model.load_state_dict(state["model"])
    except RuntimeError as error:
        raise UsageError(
            f"the weights of run {run_id} do not fit this shape; start from a run of the same shape"
        ) from error
