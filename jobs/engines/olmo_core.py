"""olmo-core: a launch script that builds OLMo-core's configuration from recipe.json, and prints it as JSON."""

from collections.abc import Mapping
from typing import Any

from jobs.engines.engine import (
    DROPS_TOKENS,
    ENTROPY_BALANCE,
    PLAIN,
    ROTARY_ONLY,
    STARTS_ELSEWHERE,
    STOPS_EARLY,
    Engine,
    EngineRun,
    Limit,
    script,
    style,
)
from jobs.engines.renamed_weights import Names, renamed
from jobs.engines.slurm_script import local_script, slurm_script
from planners.spec import RunSpec

NAMES = Names(
    layer="blocks.{i}.",
    ends={"embedding": "embeddings", "norm": "lm_head.norm", "head": "lm_head.w_out"},
    parts={
        "attention_norm": "attention_norm", "ffn_norm": "feed_forward_norm", "attention.o_proj": "attention.w_out",
        "attention.query_norm": "attention.q_norm", "attention.key_norm": "attention.k_norm",
        "ffn.down_proj": "feed_forward.w2",
    },
    query_key_value=tuple(f"attention.{part}" for part in ("w_q", "w_k", "w_v")),
    up=("feed_forward.w1", "feed_forward.w3"),
    router="feed_forward_moe.router.weight",
    flat_router=True,
    router_bias="feed_forward_moe.router.score_bias",
    experts=tuple(f"feed_forward_moe.experts.mlp.{part}" for part in ("w1", "w3", "w2")),
    rows=True,
    shared=tuple(f"feed_forward_moe.shared_mlp.{part}.weight" for part in ("w1", "w3", "w2")),
)  # fmt: skip
UNBIASED = Names(**{**vars(NAMES), "router_bias": None})


def files(run: EngineRun) -> dict[str, str]:
    """Return the launch script and the scripts that start it."""
    return {
        "train.py": script("olmo_core_train.py"),
        "run.sh": local_script(run, "train.py"),
        "run.sbatch": slurm_script(run, "train.py"),
    }


def weights(spec: RunSpec, arrays: Mapping[str, Any]) -> dict[str, Any]:
    """Return our weights under OLMo-core's names.

    With a shared expert its output is (shared + K routed) / (K + 1); down projections are scaled for our sum.
    """
    shape, K = spec.shape, spec.shape.top_k
    if shape.d_shared:
        factors = {"ffn.shared.down_proj.weight": K + 1, "ffn.down_proj": (K + 1) / K}
        arrays = {
            name: next((value * factor for part, factor in factors.items() if name.endswith(part)), value)
            for name, value in arrays.items()
        }
    return renamed(NAMES if spec.router.bias_rate else UNBIASED, shape, arrays)


ENGINE = Engine(
    name="olmo-core",
    version="ai2-olmo-core 3.0.0",
    limits=(
        STARTS_ELSEWHERE,
        STOPS_EARLY,
        DROPS_TOKENS,
        ENTROPY_BALANCE,
        ROTARY_ONLY,
        *style({**PLAIN, "qk_norm": ("none", "head", "full")}),
        Limit(
            applies=lambda spec: spec.shape.d_shared > 0,
            reason="its plain MoE gives (shared + K routed) / (K + 1) where ours is the sum",
            change=lambda spec: spec,
            changed="that mean: the same functions, other initial scale and other effective rates, which vary with K",
        ),
        Limit(
            applies=lambda spec: spec.training.schedule == "wsd",
            reason="its wsd cools down linearly, ours by 1 - sqrt (up to 22 % of the peak apart)",
            change=lambda spec: spec,
            changed="a linear cooldown",
        ),
    ),
    files=files,
    weights=weights,
    needs=("olmo_core",),
    on_cpu=lambda spec: spec.shape.is_dense,  # its experts need Triton
)  # fmt: skip
