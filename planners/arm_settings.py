"""What a question says about single arms: further seeds of one arm, and a learning rate or batch of its own."""

import math
from dataclasses import dataclass

from planners.records.errors import UsageError
from planners.records.quantity import parse_counts, parse_quantity


@dataclass(frozen=True, kw_only=True)
class AddedRuns:
    """Seeds of one arm in addition to the grid. The arm may be outside the grid: another K or another rate."""

    arm: str
    """What the arm is called: dense, K4, a rate such as 0.17, or the whole label of a cell."""
    C: float | None = None
    """The budget; null: every budget."""
    seeds: tuple[int, ...]
    """Seeds, as they are: `own_seeds` does not move them."""

    def is_at(self, C: float | None) -> bool:
        """Return whether it concerns the budget C."""
        return self.C is None or (C is not None and math.isclose(self.C, C, rel_tol=1e-6))


@dataclass(frozen=True, kw_only=True)
class ArmRecipe:
    """Numbers of one arm that replace those of the recipe."""

    arm: str
    """What the arm is called: dense, K4, or a rate."""
    lr: float | None = None
    """Peak learning rate."""
    batch_tokens: int | None = None
    """Tokens per optimizer step."""


def parse_added(text: str, flag: str) -> AddedRuns:
    """Return the runs that `text`, ARM[@C]=SEED,…, adds. Raises UsageError for anything else."""
    where, equals, seeds = text.rpartition("=")
    arm, at, C = where.rpartition("@") if "@" in where else (where, "", "")
    if not equals or not arm:
        raise UsageError(f"{flag} {text!r} is not ARM=SEED,… or ARM@C=SEED,…, such as K4=3,4 or K4@1e18=3,4")
    return AddedRuns(
        arm=arm.strip(),
        C=parse_quantity(C, f"{flag} {arm}") if at else None,
        seeds=parse_counts(seeds, f"{flag} {arm}"),
    )


def by_arm(text: str, flag: str) -> dict[str, float]:
    """Return the numbers of `text`, [ARM=]NUMBER,…, by arm; the empty name stands for all other arms."""
    found: dict[str, float] = {}
    for item in text.split(","):
        arm, _, number = (part.strip() for part in item.rpartition("="))
        if arm in found:
            raise UsageError(f"{flag} {text!r} has two values for {arm or 'all arms'}; give one")
        found[arm] = parse_quantity(number, f"{flag} {arm}".strip())
    return found


def arm_recipes(lr: dict[str, float], batch_tokens: dict[str, float]) -> tuple[ArmRecipe, ...]:
    """Return the recipe of each named arm."""
    arms = filter(None, dict.fromkeys((*lr, *batch_tokens)))
    return tuple(ArmRecipe(arm=arm, lr=lr.get(arm), batch_tokens=_whole(batch_tokens.get(arm))) for arm in arms)


def _whole(number: float | None) -> int | None:
    return None if number is None else round(number)


def written_added(added: AddedRuns) -> str:
    """Return the text that `parse_added` reads."""
    C = "" if added.C is None else f"@{added.C:g}"
    return f"{added.arm}{C}={','.join(map(str, added.seeds))}"
