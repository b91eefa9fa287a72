"""Arms that the user gives with their shape, and the settings that some of them share."""

import math
from dataclasses import dataclass
from typing import Any

from planners.architecture.shape import Shape
from planners.records.errors import UsageError
from planners.spec import Router


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What some given arms of a question share in place of the question's own values; null fields follow it."""

    name: str
    """Name of the setting, which is the series of its runs: arms of one setting are compared with each other."""
    data: str | None = None
    """Corpus."""
    seeds: tuple[int, ...] | None = None
    """Seeds of its arms."""
    seq_len: int | None = None
    """Context length T."""
    objective: str | None = None
    """What its arms learn to predict."""
    mask_share: float | None = None
    """Share of the tokens that a masked objective predicts."""
    schedule: str | None = None
    """Schedule of the learning rate."""
    lr: float | None = None
    """Peak learning rate."""
    batch_tokens: int | None = None
    """Tokens per optimizer step."""
    eval_windows: int | None = None
    """Validation windows."""
    eval_steps: int | None = None
    """Steps between evaluations."""
    patience: int | None = None
    """Evaluations in a row without a lower loss after which a run stops early."""
    solved_at: float | None = None
    """Exact match at which a run ends."""

    @property
    def values(self) -> dict[str, Any]:
        """The fields of a question that it sets, with their values."""
        return {name: value for name, value in vars(self).items() if name != "name" and value is not None}


@dataclass(frozen=True, kw_only=True)
class GivenArm:
    """An arm that the user gives with its shape, such as one of a published table. Null fields follow the question."""

    label: str
    """Name of the arm."""
    shape: Shape
    """The architecture, planned as it is."""
    router: Router | None = None
    """How tokens are routed."""
    r_a_target: float | None = None
    """The activation rate that the source states."""
    C: float | None = None
    """Training compute in FLOPs; D follows. Without C and D the arm is planned at every budget."""
    D: float | None = None
    """Tokens consumed, instead of C."""
    U: int | None = None
    """Unique tokens among them."""
    lr: float | None = None
    """Peak learning rate."""
    batch_tokens: int | None = None
    """Tokens per optimizer step."""
    warmup_steps: int | None = None
    """Steps of linear warm-up."""
    setting: str = ""
    """Name of its setting in `Question.settings`; empty: the question's own values."""
    parent: str | None = None
    """Label of an earlier arm of equal shape: each run starts from the final weights of its run with the same seed."""

    @property
    def has_amount(self) -> bool:
        """Whether it is planned at an amount of its own instead of at every budget."""
        return self.C is not None or self.D is not None

    def __post_init__(self) -> None:
        if self.C is not None and self.D is not None:
            raise UsageError(
                f"arm {self.label}: C {self.C:g} decides D, so D {self.D:g} cannot be given too; give one of the two"
            )
        for name in ("r_a_target", "C", "D", "U", "lr", "batch_tokens"):
            value = getattr(self, name)
            if value is not None and not (0 < value < math.inf):
                raise UsageError(f"arm {self.label}: {name} {value!r} must be a positive, finite number")
        if self.router and self.shape.is_dense and (self.router.roles or self.router.top_p is not None):
            raise UsageError(f"arm {self.label} is dense, so it has no experts for roles and top_p; leave them out")
