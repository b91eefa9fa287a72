"""smoke: a test of the whole pipeline on the standard library's sources, in 20 to 40 s on two cores."""

from planners.matching.frame import Geometry
from planners.question import Question


def smoke() -> Question:
    """Return dense and three MoE arms at one budget and one seed, too few to locate an optimum.

    The shapes are the smallest pair at which a study of this corpus could distinguish MoE from dense.
    """
    return Question(
        study="smoke",
        total_params=296e3,
        budgets=(1e11,),
        top_ks=(0, 1, 4, 16),
        data="stdlib",
        seq_len=128,
        eval_windows=256,
        moe=Geometry(d_model=32, n_layers=3, n_heads=1, d_expert=16),
        dense=Geometry(d_model=88, n_layers=3, n_heads=2),
        # 5 % of C is worth about 0.01 nats: in a pilot, doubling C from 5e11 lowered the loss of K4 by 0.15 nats
        margin=0.01,
    )
