"""laptop, laptop-grid, laptop-tuning: the question answered for real on two cores, in minutes or in about an hour.

Shapes are the smallest pair at which a pilot on this corpus saw MoE and dense apart. K 1 is the sparsest MoE arm that
the geometry has at this width of an expert; a narrower expert would change granularity together with the rate.
"""

from dataclasses import replace

from planners.matching.frame import Geometry
from planners.question import Question

LADDER = (5e11, 1e12, 2e12)
"""Training compute of the rungs, FLOPs; `make study` takes the one that suits the machine's measured speed."""
REFERENCE_ARM, REFERENCE_SPEED = "K4", 38_200.0
"""Arm whose speed stands for all, and its tokens per second on one core of the machine that RUNG_S was measured on."""
RUNG_S = {5e11: 620.0, 1e12: 1230.0, 2e12: 2340.0}
"""Core-seconds of all runs of `laptop` at each rung, at that speed."""
TUNED_AT = 1e12
"""Rung that learning rate and batch were tuned at, FLOPs."""
MARGIN = 0.01
"""Nats that do not matter: about what 5 % of C is worth in the pilot, where doubling C took .10 to .15 nats off K 4."""
TUNING_SEED = 100
"""Seed of the tuning runs. No study has it, so no arm is judged by the noise that it was tuned on."""


def laptop(C: float = TUNED_AT) -> Question:
    """Return six rates, strict reuse of one of them, and two dense controls at the rung C: three seeds, 27 runs.

    The dense arm has 1.5 tokens per parameter at 1e12 and is too large for C, so two smaller ones stand beside it: the
    compute-optimal one, and one as large as what is active in the arm that the pilot found best.
    """
    return Question(
        study="laptop",
        total_params=296e3,
        budgets=(C,),
        top_ks=(0, 1, 2, 4, 8, 16),
        seeds=(0, 1, 2),
        controls=("optimal", "active:K4"),
        repeat=("K4",),
        data="stdlib",
        seq_len=128,
        # 256 windows would give contrasts between arms a standard error of .003 to .010 nats from the windows alone
        eval_windows=1536,
        moe=Geometry(d_model=32, n_layers=3, n_heads=1, d_expert=16),
        dense=Geometry(d_model=88, n_layers=3, n_heads=2),
        margin=MARGIN,
    )


def laptop_grid() -> Question:
    """Return the rates of `laptop` at every rung, six seeds a cell and other ones at every rung: does r_a* move with C?

    Seeds that came back at every rung would make the rungs depend on each other.
    """
    return replace(
        laptop(), study="laptop-grid", budgets=LADDER, seeds=tuple(range(10, 16)), own_seeds=True,
        controls=(), repeat=(),
    )  # fmt: skip


def laptop_tuning() -> Question:
    """Return every arm of `laptop` at seven pairs of learning rate and batch, around its recipe's: equal effort."""
    return replace(laptop(), study="laptop-tuning", tune=("all",), repeat=(), seeds=(TUNING_SEED,), margin=None)
