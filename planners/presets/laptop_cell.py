"""laptop-topk, laptop-reuse: is K = 1 best at a fixed rate, and how many epochs are free?

Both take the middle size and the largest budget of `laptop-surface`.
"""

from dataclasses import replace

from planners.presets.laptop_surface import SIZES, STEPS, laptop_surface
from planners.question import Question
from planners.varied_fields import Varied

N = SIZES[1]
C = STEPS[-1] * N**2
"""Training compute, FLOPs."""
SEEDS = (40, 41, 42, 43)
"""Not those of `laptop-surface`, so the studies are independent."""


def _cell() -> Question:
    """Return one N and one C of `laptop-surface`, without controls."""
    cell = replace(laptop_surface(), total_params=N, budgets=(C,), by_size=False, own_seeds=False, controls=())
    return replace(cell, seeds=SEEDS)


def laptop_topk() -> Question:
    """Return K = 1, 2, 4 and 8 at a rate of 0.16, with and without a shared expert and renormalised gates.

    The rate is fixed, so experts get narrower as K grows. A shared expert has half of the active FFN width. The first
    of three layers is dense: its width absorbs what whole experts leave of N.
    """
    cell = _cell()
    varied = (Varied(field="shared", values=(0.0, 0.5)), Varied(field="router.renormalise", values=(False, True)))
    free = replace(cell.moe, n_layers=3, d_model=24, mu=None, granularity=None, shared=None)
    return replace(
        cell,
        study="laptop-topk",
        activations=(0.16,),
        top_ks=(1, 2, 4, 8),
        moe=free,
        vary=varied,
    )


def laptop_reuse() -> Question:
    """Return dense, a rate near the optimum (K = 6) and a sparser one (K = 2) at 1, 2, 4, 8 and 16 epochs, equal C.

    Strict reuse (all arms on the unique tokens of the dense one) is the sixth amount. Every seed has its own subset.
    """
    return replace(
        _cell(),
        study="laptop-reuse",
        top_ks=(0, 2, 6),
        unique_tokens=("fresh", "D/2", "D/4", "D/8", "D/16", "strict"),
    )
