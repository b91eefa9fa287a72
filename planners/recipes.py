"""Named recipes for the learning rate, batch and schedule of a run, each with its source.

A recipe is one function, its rule, and one line of `RECIPES`.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from planners.architecture.flops import flops_per_token, parameters
from planners.architecture.shape import Shape
from planners.records.registry import look_up

SMALL = 5e6
"""N below which rules fitted at 60M and above give learning rates two to five times too high (measured at 0.29M)."""


@dataclass(frozen=True, kw_only=True)
class Hyperparameters:
    """The result of a recipe for a run of D tokens."""

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
    schedule: str
    """Shape of the learning rate after warm-up."""


@dataclass(frozen=True, kw_only=True)
class Overrides:
    """Constants that replace the results of a recipe; null leaves a value to the recipe."""

    lr: float | None = None
    """Peak learning rate."""
    batch_tokens: int | None = None
    """Tokens per optimizer step."""
    warmup_steps: int | None = None
    """Steps of linear warm-up."""
    weight_decay: float | None = None
    """Decoupled weight decay."""
    schedule: str | None = None
    """cosine to the recipe's floor, wsd to zero, or constant."""


@dataclass(frozen=True, kw_only=True)
class StepLaw:
    """Peak learning rate and batch as power laws of N and D (arXiv 2503.04715)."""

    lr_scale: float = 1.79
    """Learning rate at N = D = 1."""
    lr_by_N: float = -0.713
    """Exponent of N, the parameters without the vocabulary; all experts count, however many are active."""
    lr_by_D: float = 0.307
    """Exponent of D, the tokens consumed."""
    batch_scale: float = 0.58
    """Tokens per optimizer step at D = 1."""
    batch_by_D: float = 0.571
    """Exponent of D in the batch."""
    smallest_N: float = 6e7
    """N of the smallest models that it was fitted on."""

    def lr(self, N: float, D: float) -> float:
        """Return the peak learning rate."""
        rate: float = self.lr_scale * N**self.lr_by_N * D**self.lr_by_D
        return rate

    def batch_tokens(self, D: float) -> float:
        """Return the tokens per optimizer step, not rounded."""
        tokens: float = self.batch_scale * D**self.batch_by_D
        return tokens


STEP_LAW = StepLaw()

Rule = Callable[[Shape, float, float], tuple[float, float]]
"""(shape, D, C) -> (peak learning rate, batch in tokens, not rounded); C is counted by the convention `li2025`."""


def small_scale(shape: Shape, D: float, C: float = 0.0) -> tuple[float, float]:
    """Return learning rate and batch for models of well under a million parameters.

    lr = 0.2 / d_model, batch = 480 (D / 2e6)^0.7 tokens, at most 512. It was tuned with equal effort on eight dense and
    MoE arms of 0.3M parameters at C = 1e12 (`results/laptop-tuning`, one seed), with half, one and two times this rate
    and a quarter to four times this batch. It is the best in all eight arms (in seven of them in an earlier training,
    LOG.md). The batch follows D because with one batch for all, arms with few tokens would have too few steps.
    """
    return 0.2 / shape.d_model, float(min(480 * (D / 2e6) ** 0.7, 512))


def surface(shape: Shape, D: float, C: float = 0.0) -> tuple[float, float]:
    """Return learning rate and batch for two-layer models of 75k to 600k parameters without shared experts.

    lr = 0.2 / d_model, for dense arms of less than 230k tokens times (230k / D)^0.25. The batch is 240 (D / 1e6)^0.25
    tokens, without a limit that would bind at some budgets only. Tuned with equal effort (seven pairs an arm, one seed)
    for dense, K = 2, 6 and 13 at three corners of `laptop-surface` (its preset `laptop-surface-tuning`). Dense
    arms are best at the smallest batch that was possible, one sequence of 128 tokens.
    """
    warmer = max(1.0, (2.3e5 / D) ** 0.25) if shape.is_dense else 1.0
    return 0.2 * warmer / shape.d_model, 240 * (D / 1e6) ** 0.25


def step_law(shape: Shape, D: float, C: float = 0.0) -> tuple[float, float]:
    """Return learning rate and batch of Step Law: 1.79 N^-0.713 D^0.307 and 0.58 D^0.571 tokens (arXiv 2503.04715)."""
    return STEP_LAW.lr(shape.N, D), STEP_LAW.batch_tokens(D)


def li2025(shape: Shape, D: float, C: float = 0.0) -> tuple[float, float]:
    """Return the rule that arXiv 2506.12119 states: Step Law with the paper's own N, without norms and router.

    Its 7B tables follow the rule. The learning rates of its MoE models of 2B and 3B are 2.0 and 2.8 times the rule's,
    those of its dense models 1.0 and 2.0 times, so the paper did not use one rule for all arms.
    """
    return STEP_LAW.lr(parameters(shape, "li2025")[0], D), STEP_LAW.batch_tokens(D)


def joint_moe(shape: Shape, D: float, C: float = 0.0) -> tuple[float, float]:
    """Return the rule with a sparsity term (arXiv 2502.05172): lr = exp(8.39 - 0.81 ln N_a - 0.25 ln E).

    The paper's models have E experts, one of them active and none shared; E is 1 / A_e here, which is equal for them.
    The batch is 256k tokens, the end of the paper's ramp from 64k. Fitted up to 5B parameters and 32 experts.
    """
    experts = 1.0 if shape.A_e is None else 1 / shape.A_e
    return math.exp(8.39 - 0.81 * math.log(shape.N_a) - 0.25 * math.log(experts)), 2**18


def ling(shape: Shape, D: float, C: float) -> tuple[float, float]:
    """Return Ling's rule, a function of C alone: 1.1576 C^-0.1529 and 0.0694 C^0.3644 tokens (arXiv 2507.17702).

    Fitted on C from 3e17 to 3e20.
    """
    return 1.1576 * C**-0.1529, 0.0694 * C**0.3644


def one_percent(steps: int, batch_tokens: int) -> int:
    """Return the warm-up of arXiv 2506.12119: 1 % of the steps, 200 to 2,000, at most half of all steps."""
    return min(max(round(0.01 * steps), 200), 2000, steps // 2)


def five_percent(steps: int, batch_tokens: int) -> int:
    """Return the warm-up of small runs: 5 % of the steps, at most 200."""
    return min(200, math.ceil(0.05 * steps))


def by_tokens(steps: int, batch_tokens: int) -> int:
    """Return the warm-up of arXiv 2502.05172: 130M tokens, at most half of all steps."""
    return min(round(130e6 / batch_tokens), steps // 2)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A rule and its schedule."""

    rule: Rule
    """Learning rate and batch."""
    warmup: Callable[[int, int], int] = one_percent
    """(steps, batch in tokens) -> warm-up steps."""
    schedule: str = "cosine"
    """cosine to a floor, or wsd: constant, then a cooldown to zero (arXiv 2405.18392)."""
    floor_share: float | None = None
    """End of the cosine as a share of the peak; null: 1e-5, as in arXiv 2503.04715 and 2506.12119."""
    weight_decay: float = 0.1
    """Decoupled weight decay, by default of arXiv 2503.04715 and 2506.12119; other sources do not state one."""


RECIPES: Mapping[str, Recipe] = {
    "small-scale": Recipe(rule=small_scale, warmup=five_percent, floor_share=0.1),
    "surface": Recipe(rule=surface, warmup=five_percent, floor_share=0.1),
    "step-law": Recipe(rule=step_law),
    "li2025": Recipe(rule=li2025),
    "joint-moe": Recipe(rule=joint_moe, warmup=by_tokens, schedule="wsd"),
    "ling": Recipe(rule=ling, schedule="wsd"),
}


def default_recipe(N: float) -> str:
    """Return the recipe tuned nearest to N parameters: Step Law from 60M up, small-scale at 0.29M."""
    return "small-scale" if N < SMALL else "step-law"


def hyperparameters(
    name: str, shape: Shape, D: float, seq_len: int, overrides: Overrides | None = None
) -> Hyperparameters:
    """Return the results of the recipe `name` for `shape` and about D tokens in sequences of `seq_len`.

    Raises UsageError for an unknown recipe.
    """
    recipe, given = look_up(RECIPES, name, "recipe"), overrides or Overrides()
    # 1) learning rate and batch, by the rule or as given
    lr, batch = recipe.rule(shape, D, D * flops_per_token(shape, seq_len, "li2025"))
    lr, batch = given.lr or lr, given.batch_tokens or batch
    # 2) whole sequences per step, and the steps that follow
    batch_tokens = seq_len * max(1, round(batch / seq_len))
    steps = max(1, round(D / batch_tokens))
    # 3) schedule
    schedule = given.schedule or recipe.schedule
    warmup = recipe.warmup(steps, batch_tokens) if given.warmup_steps is None else given.warmup_steps
    return Hyperparameters(
        lr=lr,
        lr_floor=_floor(recipe, schedule, lr),
        batch_tokens=batch_tokens,
        warmup_steps=warmup,
        weight_decay=recipe.weight_decay if given.weight_decay is None else given.weight_decay,
        schedule=schedule,
    )


def _floor(recipe: Recipe, schedule: str, lr: float) -> float:
    if schedule in ("wsd", "constant"):
        return 0.0 if schedule == "wsd" else lr
    return min(1e-5, lr) if recipe.floor_share is None else recipe.floor_share * lr
