"""Named questions: numbers with their source."""

from planners.errors import UsageError
from planners.geometry import Geometry
from planners.question import Question

SMOKE = Question(
    study="smoke",
    # The smallest pair of shapes at which a study of the same corpus saw MoE and dense apart; 20-40 s on two cores.
    # It proves the plumbing: three rates and one seed cannot place an optimum.
    total_params=296e3,
    budgets=(1e11,),
    top_ks=(0, 1, 4, 16),
    data="stdlib",
    seq_len=128,
    eval_windows=256,
    moe=Geometry(d_model=32, n_layers=3, n_heads=1, d_expert=16),
    dense=Geometry(d_model=88, n_layers=3, n_heads=2),
    # 5 % of C is worth about 0.01 nats here: in the pilot of this study doubling C from 5e11 took 0.15 nats off K 4.
    margin=0.01,
)

PRESETS = {question.study: question for question in (SMOKE,)}


def preset(name: str) -> Question:
    """Return the question called `name`. Raises UsageError that lists the known ones."""
    if name not in PRESETS:
        raise UsageError(f"preset {name!r} is not one of {', '.join(PRESETS)}")
    return PRESETS[name]
