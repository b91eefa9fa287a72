"""laptop, laptop-grid, laptop-tuning: the question answered for real on two cores, in minutes, an hour, and an hour.

Shapes are the smallest pair at which a pilot on this corpus saw MoE and dense apart. K 1 is the sparsest MoE arm that
the geometry has at this width of an expert; a narrower expert would change granularity together with the rate.
"""

from dataclasses import replace

from planners.geometry import Geometry
from planners.question import Question

LADDER = (5e11, 1e12, 2e12)
"""Training compute of the rungs, FLOPs; the machine's measured speed picks one."""
TUNED_AT = 1e12
"""Rung that learning rate and batch were tuned at, FLOPs."""
TUNING_SEED = 100
"""Seed of the tuning runs; no study has it, so that no arm is judged by the noise that it was tuned on."""


def laptop(C: float = TUNED_AT) -> Question:
    """Return six rates and three dense controls at the rung C with three seeds, and strict reuse of every arm.

    The margin is 5 % of C at the local slope.
    """
    return Question(
        study="laptop",
        total_params=296e3,
        budgets=(C,),
        top_ks=(0, 1, 2, 4, 8, 16),
        seeds=(0, 1, 2),
        controls=("optimal", "active:K4"),
        data="stdlib",
        seq_len=128,
        eval_windows=1536,
        moe=Geometry(d_model=32, n_layers=3, n_heads=1, d_expert=16),
        dense=Geometry(d_model=88, n_layers=3, n_heads=2),
    )


def laptop_tuning() -> Question:
    """Return every arm of `laptop` at nine pairs of learning rate and batch: equal effort for each."""
    return replace(laptop(), study="laptop-tuning", tune=("all",), seeds=(TUNING_SEED,))
