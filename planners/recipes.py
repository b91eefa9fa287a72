"""Named rules that give learning rate, batch and schedule to a run, each with its source.

A rule is one function and one line of `RECIPES`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from planners.errors import UsageError
from planners.shape import Shape


@dataclass(frozen=True, kw_only=True)
class Hyperparameters:
    """What a recipe decides for a run of D tokens."""

    lr: float
    """Peak learning rate."""
    lr_floor: float
    """Learning rate at the end."""
    batch_tokens: int
    """Tokens per optimizer step, a multiple of the sequence length."""
    warmup_steps: int
    """Steps of linear warm-up."""
    weight_decay: float
    """Decoupled weight decay."""


@dataclass(frozen=True, kw_only=True)
class Overrides:
    """Constants that stand in for what a recipe would decide."""

    lr: float | None = None
    """Peak learning rate."""
    batch_tokens: int | None = None
    """Tokens per optimizer step."""


Rule = Callable[[Shape, float], tuple[float, float]]
"""(shape, D) -> (peak learning rate, batch in tokens, not yet rounded)."""


def small_scale(shape: Shape, D: float) -> tuple[float, float]:
    """Return learning rate and batch for models of well under a million parameters.

    Tuned with equal effort per arm on dense and MoE models of 0.29M parameters at C = 1e12: lr = 0.14 / d_model, batch
    = 480 (D / 2e6)^0.7 tokens, at most 512. One batch for all arms would starve those with few tokens of steps.
    """
    return 0.14 / shape.d_model, min(480 * (D / 2e6) ** 0.7, 512)


def step_law(shape: Shape, D: float) -> tuple[float, float]:
    """Return learning rate and batch of Step Law (arXiv 2503.04715): 1.79 N^-0.713 D^0.307, 0.58 D^0.571 tokens.

    N is the parameters without the vocabulary, all experts counted. Two to five times too hot below a million.
    """
    return 1.79 * shape.N**-0.713 * D**0.307, 0.58 * D**0.571


RECIPES: dict[str, Rule] = {"small-scale": small_scale, "step-law": step_law}


def default_recipe(N: float) -> str:
    """Return the rule that was tuned nearest to N parameters: Step Law was fitted from 60M up, the other at 0.29M."""
    return "small-scale" if N < 5e6 else "step-law"


def hyperparameters(
    name: str, shape: Shape, D: float, seq_len: int, overrides: Overrides | None = None
) -> Hyperparameters:
    """Return what the recipe `name` decides for `shape` and about D tokens in sequences of `seq_len`.

    Schedule (both rules): warm-up over 5 % of the steps and at most 200 (small-scale), or 1 % and 200 to 2,000
    (step-law, as arXiv 2506.12119); cosine to 10 % of the peak, or to 1e-5; weight decay 0.1.
    Raises UsageError for an unknown recipe.
    """
    if name not in RECIPES:
        raise UsageError(f"recipe {name!r} is not one of {', '.join(RECIPES)}")
    overrides = overrides or Overrides()
    # 1) learning rate and batch, by the rule or as given
    lr, batch = RECIPES[name](shape, D)
    lr, batch = overrides.lr or lr, overrides.batch_tokens or batch
    # 2) whole sequences per step, and the steps that follow
    batch_tokens = seq_len * max(1, round(batch / seq_len))
    steps = max(1, round(D / batch_tokens))
    # 3) warm-up and floor
    if name == "small-scale":
        warmup, floor = min(200, math.ceil(0.05 * steps)), 0.1 * lr
    else:
        warmup, floor = min(max(round(0.01 * steps), 200), 2000, steps // 2), min(1e-5, lr)
    return Hyperparameters(lr=lr, lr_floor=floor, batch_tokens=batch_tokens, warmup_steps=warmup, weight_decay=0.1)
