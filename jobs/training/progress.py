"""How far a run is: what a checkpoint keeps of it beside weights and optimizer, early stopping included."""

from dataclasses import asdict, dataclass, field
from typing import Any

from jobs.training.device.environment import now


@dataclass(kw_only=True)
class Progress:
    """Numbers of a run in progress."""

    step: int = 0
    """Optimizer steps taken."""
    wall_s: float = 0.0
    """Seconds of training so far, over all attempts."""
    compiling_s: float = 0.0
    """Seconds of these in the first steps of processes that compile."""
    compiling_D: int = 0
    """Tokens of those steps."""
    evaluation_s: float = 0.0
    """Seconds of evaluation so far."""
    started: str = field(default_factory=now)
    """When the run was first started, UTC."""
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
    micro_batch: int | None = None
    """Sequences in one forward pass of one process; a run that goes on keeps it."""
    devices: int | None = None
    """Processes that the micro-batch is meant for."""
    evaluation_batch: int | None = None
    """Windows in one forward pass of an evaluation; a run that goes on keeps it, because it rounds the loss."""
    flags: list[str] = field(default_factory=list)
    """What a reader of the record should know."""

    def flag(self, name: str) -> None:
        """Set a flag."""
        if name not in self.flags:
            self.flags.append(name)

    def evaluated(self, loss: float) -> None:
        """Note a validation loss at the present step."""
        if self.best_loss is None or loss < self.best_loss:
            self.best_loss, self.best_step, self.stale = loss, self.step, 0
        else:
            self.stale += 1

    def speed(self, D_seen: int) -> float:
        """Return the tokens per second of training, without first steps that compile where there were others."""
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
        return cls(**{**state, "tail": [(steps, loss) for steps, loss in state["tail"]]})
