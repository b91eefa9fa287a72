"""torchtitan: a Python module whose functions return the model and the training configuration."""

from collections.abc import Mapping
from typing import Any

from jobs.engines.engine import (
    DROPS_TOKENS,
    JITTERS,
    PLAIN,
    ROTARY_ONLY,
    STARTS_ELSEWHERE,
    STOPS_EARLY,
    Engine,
    EngineRun,
    Limit,
    router,
    script,
    style,
)
from jobs.engines.renamed_weights import Names, renamed
from jobs.engines.slurm_script import local_script, slurm_script
from planners.spec import RunSpec

NAMES = Names(
    layer="layers.{i}.",
    ends={"embedding": "tok_embeddings", "norm": "norm", "head": "lm_head"},
    parts={
        "attention_norm": "attention_norm", "ffn_norm": "ffn_norm", "attention.o_proj": "attention.wo",
        "attention.query_norm": "attention.q_norm", "attention.key_norm": "attention.k_norm",
        "ffn.down_proj": "feed_forward.w2",
    },
    query_key_value=tuple(f"attention.qkv_linear.{part}" for part in ("wq", "wk", "wv")),
    up=("feed_forward.w1", "feed_forward.w3"),
    router="moe.router.gate.weight",
    router_bias="moe.expert_bias_E",
    experts=tuple(f"moe.routed_experts.inner_experts.{part}" for part in ("w1_EFD", "w3_EFD", "w2_EDF")),
    shared=tuple(f"moe.shared_experts.{part}.weight" for part in ("w1", "w3", "w2")),
)  # fmt: skip
BIAS_RATE = 1e-3
"""Rate of the router bias that replaces a balance loss, torchtitan's default."""


def files(run: EngineRun) -> dict[str, str]:
    """Return the module and the scripts that start it."""
    command, before = "-m torchtitan.train --module recipe --config train", "export PYTHONPATH=."
    return {
        "recipe.py": script("torchtitan_recipe.py"),
        "run.sh": local_script(run, command, before=before),
        "run.sbatch": slurm_script(run, command, before=before),
    }


def weights(spec: RunSpec, arrays: Mapping[str, Any]) -> dict[str, Any]:
    """Return our weights under torchtitan's names."""
    return renamed(NAMES if spec.router.bias_rate else UNBIASED, spec.shape, arrays)


UNBIASED = Names(**{**vars(NAMES), "router_bias": None})

ENGINE = Engine(
    name="torchtitan",
    version="torchtitan 0.3.0",
    limits=(
        STARTS_ELSEWHERE,
        STOPS_EARLY,
        DROPS_TOKENS,
        JITTERS,
        ROTARY_ONLY,
        *style({**PLAIN, "qk_norm": ("none", "head")}),
        Limit(
            applies=lambda spec: not spec.shape.is_dense and spec.router.balance > 0,
            reason="it has no balance loss",
            change=lambda spec: router(balance=0.0, bias_rate=spec.router.bias_rate or BIAS_RATE)(spec),
            changed=f"a router bias of rate {BIAS_RATE:g} (or the planned one) instead of the balance loss",
        ),
        Limit(
            applies=lambda spec: spec.router.z_loss > 0,
            reason="it has no router z-loss",
            change=router(z_loss=0.0),
            changed="no router z-loss",
        ),
    ),
    files=files,
    weights=weights,
    needs=("torchtitan",),
)  # fmt: skip
