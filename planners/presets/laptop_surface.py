"""laptop-surface, laptop-surface-tuning: the optimal activation rate as a surface over N and C, on two cores.

All MoE layers are sparse and have no shared expert, so the backbone reaches rates of 0.06. `laptop-grid` has one dense
layer and a shared expert as wide as the routed ones: K = 1 is its lowest rate and its only arm on that side.
"""

from dataclasses import replace

from planners.matching.frame import Geometry
from planners.presets.laptop import MARGIN, TUNING_SEED
from planners.question import Question
from planners.varied_fields import Varied

SIZES = (75e3, 212e3, 594e3)
"""N, each 2.8 times the one before. Width, experts and their width scale together, so an arm has one K at every N."""
STEPS = (2.6, 5.2, 10.4)
"""C / N^2 in FLOPs. Equal steps at every size make tokens per parameter comparable across N. The largest is nearly the
largest at which the sparsest arm of the largest size does not repeat the corpus."""
TOP_KS = (0, 1, 2, 4, 6, 9, 13, 19)
"""The dense arm, and seven rates from 0.05 to 0.36, of about 60 experts; `laptop-grid` has its optimum at 0.16."""


def laptop_surface() -> Question:
    """Return seven rates and dense at three sizes, each at three budgets with equal C / N^2, with four seeds.

    Every budget has its own seeds, so budgets and sizes are independent. Controls are smaller dense arms, with the N_a
    of K = 13 and of K = 19: about a quarter and a third of N. The compute-optimal dense model of the smallest budgets
    is too small for a whole attention head.
    """
    return Question(
        study="laptop-surface",
        total_params=SIZES,
        budgets=tuple(step * N**2 for N in SIZES for step in STEPS),
        by_size=True,
        top_ks=TOP_KS,
        seeds=(0, 1, 2, 3),
        own_seeds=True,
        controls=("active:K13", "active:K19"),
        data="stdlib",
        recipe="surface",
        seq_len=128,
        align=2,
        eval_windows=1536,
        moe=Geometry(n_layers=2, n_heads=1, mu=60, granularity=2.75, shared=0),
        dense=Geometry(n_layers=2),
        vary=(Varied(field="n_dense_layers", values=(0,)),),
        margin=MARGIN,
    )


def laptop_surface_tuning() -> Question:
    """Return four arms at the corners of `laptop-surface`, each at seven pairs of learning rate and batch."""
    corners = tuple(step * N**2 for N in (SIZES[0], SIZES[-1]) for step in (STEPS[0], STEPS[-1]))
    return replace(
        laptop_surface(),
        study="laptop-surface-tuning",
        recipe="small-scale",
        total_params=(SIZES[0], SIZES[-1]),
        budgets=corners,
        top_ks=(0, 2, 6, 13),
        controls=(),
        tune=("all",),
        own_seeds=False,
        seeds=(TUNING_SEED,),
        margin=None,
    )
