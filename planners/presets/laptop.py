"""laptop, laptop-grid, laptop-tuning: real answers to the question on two cores, in minutes to about an hour.

The shapes are the smallest pair at which a pilot on this corpus could distinguish MoE from dense. K = 1 is the sparsest
MoE arm at this expert width; a narrower expert would change granularity together with the rate.
"""

from dataclasses import replace

from planners.matching.frame import Geometry
from planners.question import Question

LADDER = (5e11, 1e12, 2e12)
"""Training compute of the rungs of `laptop-grid`, FLOPs."""
TUNED_AT = 1e12
"""Rung of `laptop`, at which learning rate and batch were tuned, FLOPs."""
MARGIN = 0.01
"""Nats that do not matter: about the worth of 5 % of C in the pilot, where doubling C lowered K4 by 0.10 to 0.15."""
TUNING_SEED = 100
"""Seed of the tuning runs. No study uses it, so no arm is judged by the noise on which it was tuned."""


def laptop(C: float = TUNED_AT) -> Question:
    """Return six rates, strict reuse of one of them, and two dense controls at the rung C: three seeds, 27 runs.

    At 1e12 the dense arm has 1.5 tokens per parameter and is too large for C. Two smaller dense arms are therefore
    added: the compute-optimal one, and one with the N_a of the arm that the pilot found best.
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
        # with 256 windows, contrasts between arms would have a standard error of 0.003 to 0.010 from the windows alone
        eval_windows=1536,
        moe=Geometry(d_model=32, n_layers=3, n_heads=1, d_expert=16),
        dense=Geometry(d_model=88, n_layers=3, n_heads=2),
        margin=MARGIN,
    )


def laptop_grid() -> Question:
    """Return the rates of `laptop` at every rung, with six seeds each, to test whether r_a* moves with C.

    Each rung has its own seeds: common seeds would make the rungs dependent.
    """
    seeds = tuple(range(10, 16))
    return replace(laptop(), study="laptop-grid", budgets=LADDER, seeds=seeds, own_seeds=True, controls=(), repeat=())


def laptop_tuning() -> Question:
    """Return every arm of `laptop` at seven pairs of learning rate and batch around its recipe's (equal effort)."""
    return replace(laptop(), study="laptop-tuning", tune=("all",), repeat=(), seeds=(TUNING_SEED,), margin=None)
