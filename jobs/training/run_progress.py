"""How far a run has come: what its checkpoint keeps apart from weights and optimizer, and the clocks behind it."""

import time
from dataclasses import asdict, dataclass, field
from typing import Any

import torch

from jobs.machine import utc_now
from jobs.record import TaskAccuracy
from jobs.training.accuracy import mean_exact_match, passed

SAVING = 0.05
"""Largest share of the time that goes into checkpoints; if writing one takes long, the next one comes later."""


@dataclass(kw_only=True)
class Progress:
    """Numbers of a run in progress."""

    step: int = 0
    """Optimizer steps taken."""
    wall_s: float = 0.0
    """Seconds of training so far, over all attempts."""
    compiling_s: float = 0.0
    """Seconds of `wall_s` in the first steps of processes that compile."""
    compiling_D: int = 0
    """Tokens of those steps."""
    evaluation_s: float = 0.0
    """Seconds of evaluation so far."""
    started: str = field(default_factory=utc_now)
    """Time at which the run first started, UTC."""
    tail: list[tuple[int, float]] = field(default_factory=list)
    """Steps and mean loss of the latest metrics lines."""
    dropped: int = 0
    """Routed slots dropped so far."""
    best_loss: float | None = None
    """Lowest validation loss so far."""
    best_step: int | None = None
    """Steps taken when it was measured."""
    stale: int = 0
    """Evaluations since then."""
    exact_match: dict[str, float] = field(default_factory=dict)
    """Exact match of each task at the latest evaluation; that of their mean has the empty name."""
    answered_at: int = 0
    """Tokens consumed at that evaluation."""
    until: dict[str, float] = field(default_factory=dict)
    """Tokens until exact matches first passed their levels, and loss_first (`RunRecord.until`)."""
    slots: list[float] = field(default_factory=list)
    """Routed slots that were computed so far in each MoE layer, under top-p routing."""
    micro_batch: int | None = None
    """Sequences in one forward pass of one process; a resumed run keeps it."""
    devices: int | None = None
    """Processes that the micro-batch was chosen for."""
    evaluation_batch: int | None = None
    """Windows in one forward pass of an evaluation. A resumed run keeps it, because it affects rounding of the loss."""
    sources: list[str] = field(default_factory=list)
    """Code, torch and device of every process that trained a part (`Environment.sources`), oldest first."""
    flags: list[str] = field(default_factory=list)
    """What a reader of the record should know."""

    def flag(self, name: str) -> None:
        """Set a flag."""
        if name not in self.flags:
            self.flags.append(name)

    def trained_by(self, sources: str) -> None:
        """Note which code, torch and device train from now on; set a flag if others trained before."""
        if sources not in self.sources:
            self.sources.append(sources)
        if len(self.sources) > 1:
            self.flag("mixed_code")

    def evaluated(self, loss: float) -> None:
        """Note a validation loss at the present step."""
        self.until.setdefault("loss_first", loss)
        if self.best_loss is None or loss < self.best_loss:
            self.best_loss, self.best_step, self.stale = loss, self.step, 0
        else:
            self.stale += 1

    def answered(self, tasks: dict[str, TaskAccuracy], D: int) -> bool:
        """Note the accuracy on tasks at D tokens; return whether half of the examples are right for the first time."""
        mean = mean_exact_match(tasks)
        if mean is None:
            return False
        now = {"": mean, **{name: task.exact_match for name, task in tasks.items()}}
        new = passed(self.exact_match, now, self.answered_at, D)
        first = "tokens_50" in new and "tokens_50" not in self.until
        self.until = {**new, **self.until}
        self.exact_match, self.answered_at = now, D
        return first

    def speed(self, D_seen: int) -> float:
        """Return tokens per second of training, without first steps that compile if there were others."""
        D, seconds = D_seen - self.compiling_D, self.wall_s - self.compiling_s
        return D / seconds if D > 0 and seconds > 0 else D_seen / max(self.wall_s, 1e-9)

    def train_loss(self, steps: float) -> float | None:
        """Return the mean training loss of the metrics lines that hold the last `steps` steps."""
        taken, total = 0, 0.0
        for n, loss in reversed(self.tail):
            if taken >= steps:
                break
            taken, total = taken + n, total + n * loss
        return total / taken if taken else None

    def state(self) -> dict[str, Any]:
        """Return the numbers for a checkpoint."""
        return asdict(self)

    @classmethod
    def restored(cls, state: dict[str, Any]) -> "Progress":
        """Return the progress that a checkpoint holds."""
        return cls(
            **{"sources": ["an older version"], **state, "tail": [(steps, loss) for steps, loss in state["tail"]]}
        )


class TrainingClock:
    """Adds the seconds of training to a progress; evaluations and checkpoints are left out by `restart`."""

    def __init__(self, progress: Progress, device: torch.device):
        self.progress, self.device = progress, device
        self.restart()

    def restart(self) -> None:
        """Count from now on: the time since the last call was not training."""
        self.since = time.monotonic()

    def count(self) -> float:
        """Add the seconds since the last call to the training time, and return them."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)  # queued steps take time too
        present = time.monotonic()
        spent, self.since = present - self.since, present
        self.progress.wall_s += spent
        return spent

    def count_compiling(self, tokens: int) -> None:
        """Count the first step, and also record it separately: most of its time is compilation, not training."""
        self.progress.compiling_s += self.count()
        self.progress.compiling_D += tokens


class SaveTimer:
    """Says when the next checkpoint is due: `wait` seconds after the last one, or later if writing takes long."""

    def __init__(self, wait: float):
        self.wait, self.saved = wait, time.monotonic()

    def due(self) -> bool:
        """Return whether a checkpoint is due."""
        return time.monotonic() - self.saved > self.wait

    def note(self, began: float) -> None:
        """Note that a checkpoint was written, from `began` (monotonic seconds) until now."""
        self.saved = time.monotonic()
        if self.wait:  # 0 asks for a checkpoint after every step, however long it takes
            self.wait = max(self.wait, (self.saved - began) / SAVING)
