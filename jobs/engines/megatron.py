"""megatron: the flags of pretrain_gpt.py in a shell script, and the index files of our token store."""

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from jobs.engines.engine import (
    ENTROPY_BALANCE,
    HAS_NO_FILES,
    IS_MIXED,
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
    layer="decoder.layers.{i}.",
    ends={"embedding": "embedding.word_embeddings", "norm": "decoder.final_layernorm", "head": "output_layer"},
    parts={
        "attention_norm": "input_layernorm", "ffn_norm": "pre_mlp_layernorm",
        "attention.o_proj": "self_attention.linear_proj", "attention.query_norm": "self_attention.q_layernorm",
        "attention.key_norm": "self_attention.k_layernorm", "ffn.down_proj": "mlp.linear_fc2",
    },
    query_key_value=("self_attention.linear_qkv",),
    grouped=True,
    up=("mlp.linear_fc1",),
    router="mlp.router.weight",
    router_bias="mlp.router.expert_bias",
    experts=tuple(f"mlp.experts.local_experts.{{e}}.linear_fc{number}.weight" for number in (1, 2)),
    shared=tuple(f"mlp.shared_experts.linear_fc{number}.weight" for number in (1, 2)),
    shared_gate="mlp.shared_experts.gate_weight",
)  # fmt: skip
UNBIASED = Names(**{**vars(NAMES), "router_bias": None})
Flag = tuple[str, Any]
"""A flag without its dashes and its value; True stands for a flag without a value, None for one that is left out."""


def shape_flags(run: EngineRun) -> Iterator[Flag]:
    """Yield the flags of the architecture."""
    s, T = run.spec.shape, run.spec.training.seq_len
    yield from (("num-layers", s.n_layers), ("hidden-size", s.d_model), ("ffn-hidden-size", s.d_ff))
    yield from (("num-attention-heads", s.n_heads), ("kv-channels", s.head_dim))
    yield from (("group-query-attention", s.n_kv_heads < s.n_heads), ("num-query-groups", s.n_kv_heads))
    yield from (("qk-layernorm", s.qk_norm == "head"), ("position-embedding-type", "rope"), ("rotary-base", 10_000))
    yield from (("normalization", "RMSNorm"), ("norm-epsilon", 1e-6), ("swiglu", True), ("disable-bias-linear", True))
    yield from (("attention-dropout", 0.0), ("hidden-dropout", 0.0))
    yield from (("seq-length", T), ("max-position-embeddings", T))
    yield from (("tokenizer-type", "NullTokenizer"), ("vocab-size", s.vocab_size), ("make-vocab-size-divisible-by", 1))
    yield "untie-embeddings-and-output-weights", not s.tied_embeddings


def expert_flags(run: EngineRun) -> Iterator[Flag]:
    """Yield the flags of experts and router."""
    s, r = run.spec.shape, run.spec.router
    if s.is_dense:
        return
    layers = ",".join(str(int(s.is_moe_layer(index))) for index in range(s.n_layers))
    yield from (("num-experts", s.n_experts), ("moe-router-topk", s.top_k), ("moe-ffn-hidden-size", s.d_expert))
    yield from (("moe-layer-freq", f"[{layers}]"), ("moe-shared-expert-intermediate-size", s.d_shared or None))
    yield "moe-shared-expert-gate", s.shared_gate
    yield from (("moe-router-score-function", r.score), ("moe-router-dtype", "fp32"))
    yield "moe-router-pre-softmax", r.score == "softmax" and not r.renormalise
    yield "moe-router-load-balancing-type", "aux_loss" if r.balance else "none"
    yield from (("moe-aux-loss-coeff", r.balance or None), ("moe-z-loss-coeff", r.z_loss or None))
    yield "moe-input-jitter-eps", r.jitter or None
    yield from (
        ("moe-router-enable-expert-bias", r.bias_rate > 0),
        ("moe-router-bias-update-rate", r.bias_rate or None),
    )
    yield "moe-expert-capacity-factor", r.capacity_factor
    yield "moe-token-drop-policy", "position" if r.capacity_factor else None
    yield from (("moe-grouped-gemm", True), ("moe-token-dispatcher-type", "alltoall"))


def training_flags(run: EngineRun) -> Iterator[Flag]:
    """Yield the flags of the recipe; the batch is in sequences."""
    t, spec = run.spec.training, run.spec
    wsd = t.schedule == "wsd"
    yield from (("micro-batch-size", run.micro_batch), ("global-batch-size", run.windows), ("train-iters", t.steps))
    yield from (("lr", t.lr), ("min-lr", t.lr_floor), ("lr-decay-style", "WSD" if wsd else "cosine"))
    yield from (("lr-decay-iters", t.steps), ("lr-warmup-iters", t.warmup_steps))
    yield "lr-wsd-decay-style", "minus_sqrt" if wsd else None
    yield "lr-wsd-decay-iters", run.cooldown_steps if wsd else None
    yield from (("weight-decay", t.weight_decay), ("adam-beta1", t.betas[0]), ("adam-beta2", t.betas[1]))
    yield from (("adam-eps", 1e-8), ("clip-grad", t.clip), ("seed", t.seed), ("bf16", t.precision == "bf16"))
    yield from (("init-method-std", f"{spec.shape.d_model**-0.5:.6g}"), ("embedding-init-method-std", 1.0))
    yield from (("train-data-path", '"$HERE/data/train"'), ("valid-data-path", '"$HERE/data/validation"'))
    yield from (("eval-interval", run.eval_steps), ("eval-iters", max(1, t.eval_windows // run.windows)))
    yield "exit-interval", run.stop_after
    yield from (("save", '"$HERE/checkpoints"'), ("load", '"$HERE/checkpoints"'))
    yield from (("save-interval", max(1, t.steps // 5)), ("log-interval", max(1, t.steps // 100)))
    yield "tensorboard-dir", f'"$HERE/tensorboard/{spec.run_id}"'


def flags(run: EngineRun) -> list[str]:
    """Return the words of the command line; those in double quotes are for the shell to expand."""
    words: list[str] = []
    for name, value in (*shape_flags(run), *expert_flags(run), *training_flags(run)):
        if value is None or value is False:
            continue
        words.append(f"--{name}")
        if value is not True:
            text = str(value)
            words.append(text if text.startswith('"') else shlex.quote(text))
    return words


def files(run: EngineRun) -> dict[str, str]:
    """Return the scripts; the index files are written by `data.py` from the store."""
    lines = " ".join(flags(run)).replace(" --", " \\\n    --")
    names = f"--wandb-project {shlex.quote(run.spec.study)} --wandb-exp-name {run.spec.run_id}"
    command = f'"$MEGATRON/pretrain_gpt.py" \\\n    {lines} \\\n    ${{WANDB_API_KEY:+{names}}}'
    before = f'HERE=$PWD\n: "${{MEGATRON:?set it to the folder of Megatron-LM}}"\npython data.py {run.store}'
    return {
        "run.sh": local_script(run, command, before=before),
        "run.sbatch": slurm_script(run, command, before=before),
        "data.py": script("megatron_data.py"),
    }


def weights(spec: RunSpec, arrays: Mapping[str, Any]) -> dict[str, Any]:
    """Return our weights under the names of a GPTModel with local experts."""
    return renamed(NAMES if spec.router.bias_rate else UNBIASED, spec.shape, arrays)


ENGINE = Engine(
    name="megatron",
    version="megatron-core 0.19.2",
    limits=(
        STARTS_ELSEWHERE,
        STOPS_EARLY,
        ENTROPY_BALANCE,
        ROTARY_ONLY,
        HAS_NO_FILES,
        IS_MIXED,
        *style({**PLAIN, "shared_gate": (False, True), "qk_norm": ("none", "head")}),
        Limit(
            applies=lambda spec: (
                spec.router.score == "sigmoid" and spec.shape.top_k > 1 and not spec.router.renormalise
            ),
            reason="it always renormalises the gates of a sigmoid with K > 1",
            change=router(renormalise=True),
            changed="renormalised gates",
        ),
        Limit(
            applies=lambda spec: spec.router.score == "softmax" and spec.router.bias_rate > 0,
            reason="it adds a bias to the scores of a sigmoid only",
            change=router(bias_rate=0.0),
            changed="no router bias",
        ),
    ),
    files=files,
    weights=weights,
    needs=("megatron.core",),
)  # fmt: skip
