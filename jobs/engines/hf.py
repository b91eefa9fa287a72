"""hf: transformers, by an exact Trainer or by LLaMA-Factory; the folder of a run is a Hugging Face model folder."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from jobs.engines.engine import (
    DROPS_TOKENS,
    ENTROPY_BALANCE,
    JITTERS,
    ROTARY_ONLY,
    STARTS_ELSEWHERE,
    STOPS_EARLY,
    Engine,
    EngineRun,
    Limit,
    router,
    script,
)
from jobs.engines.renamed_weights import Names, renamed
from jobs.engines.slurm_script import local_script, slurm_script
from jobs.engines.tokenizer import tokenizer_files
from planners.formats import to_hf
from planners.spec import RunSpec

VERSION = "transformers 5.23.0"
GLM_SHARED = "mlp.shared_experts.{part}_proj.weight"
NAMES = {
    "mixtral": Names(
        router="block_sparse_moe.gate.weight",
        experts=tuple(f"block_sparse_moe.experts.{{e}}.{part}.weight" for part in ("w1", "w3", "w2")),
    ),
    "glm4_moe": Names(
        router_bias="mlp.gate.e_score_correction_bias",
        shared=tuple(GLM_SHARED.format(part=part) for part in ("gate", "up", "down")),
    ),
    "gpt2": Names(
        layer="transformer.h.{i}.",
        ends={
            "embedding": "transformer.wte", "positions": "transformer.wpe", "norm": "transformer.ln_f",
            "head": "lm_head",
        },
        parts={
            "attention_norm": "ln_1", "ffn_norm": "ln_2", "attention.o_proj": "attn.c_proj",
            "ffn.down_proj": "mlp.c_proj",
        },
        query_key_value=("attn.c_attn",), up=("mlp.c_fc",), transposed=True,
    ),
}  # fmt: skip
"""Families whose names are not those of llama."""
FACTORY_BALANCES = ("mixtral", "olmoe", "qwen2_moe", "qwen3_moe")
"""Families for which LLaMA-Factory 0.9.5 turns the balance loss on."""


def config(spec: RunSpec, passes: int = 1) -> dict[str, Any]:
    """Return the config.json of a run; the library multiplies its balance loss by the `passes` of an optimizer step."""
    made = {**to_hf(spec.shape, spec.router), "dtype": "float32"}
    if spec.shape.positions != "learned":  # else it is the number of positions that have weights
        made["max_position_embeddings"] = spec.training.seq_len
    if "router_aux_loss_coef" in made:
        made["router_aux_loss_coef"] /= passes
    return made


def weights(spec: RunSpec, arrays: Mapping[str, Any]) -> dict[str, Any]:
    """Return our weights under the names of the family that expresses the run, with what it has besides."""
    model_type, shape = to_hf(spec.shape, spec.router)["model_type"], spec.shape
    found = renamed(NAMES.get(model_type, Names()), shape, arrays)
    for index in filter(shape.is_moe_layer, range(shape.n_layers)):
        prefix = f"model.layers.{index}."
        if model_type == "glm4_moe" and not shape.d_shared:
            found |= _no_shared_expert(prefix + GLM_SHARED, shape.d_model, width=0)
        elif model_type == "qwen2_moe" and not shape.shared_gate:  # a gate of 0 is a factor of 1/2
            found[f"{prefix}mlp.shared_expert_gate.weight"] = np.zeros((1, shape.d_model), np.float32)
            if shape.d_shared:
                doubled = f"{prefix}mlp.shared_expert.down_proj.weight"
                found[doubled] = 2 * found[doubled]
            else:
                found |= _no_shared_expert(prefix + "mlp.shared_expert.{part}_proj.weight", shape.d_model, width=1)
    return found


def _no_shared_expert(name: str, d_model: int, width: int) -> Iterator[tuple[str, Any]]:
    """Yield the weights of a shared expert whose output is 0."""
    for part in ("gate", "up", "down"):
        size = (d_model, width) if part == "down" else (width, d_model)
        yield name.format(part=part), np.zeros(size, np.float32)


def files(run: EngineRun) -> dict[str, str]:
    """Return configuration, tokenizer, the exact Trainer and the files of LLaMA-Factory."""
    made = config(run.spec, run.accumulation * run.devices)
    found = {
        "config.json": json.dumps(made, indent=1) + "\n",
        "train.py": script("hf_train.py"),
        "run.sh": local_script(run, "train.py"),
        "run.sbatch": slurm_script(run, "train.py"),
        "llamafactory.yaml": _yaml(_factory(run, made)),
        "dataset_info.json": json.dumps({"corpus": {"file_name": "text.jsonl", "columns": {"prompt": "text"}}}) + "\n",
        "text.py": script("llamafactory_text.py"),
    }
    if run.manifest is not None and not run.manifest.tokenizer.startswith("generated:"):
        found |= tokenizer_files(run.manifest, run.spec.training.seq_len)
    return found


def _factory(run: EngineRun, made: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of LLaMA-Factory 0.9.5."""
    training = run.spec.training
    cosine = training.schedule == "cosine"
    schedule: dict[str, Any] = {"min_lr": training.lr_floor}
    if not cosine:
        schedule = {"num_decay_steps": run.cooldown_steps, "decay_type": "1-sqrt"}
    balanced = made["model_type"] in FACTORY_BALANCES and "router_aux_loss_coef" in made
    return {
        "model_name_or_path": ".", "stage": "pt", "do_train": True, "finetuning_type": "full", "dataset_dir": ".",
        "dataset": "corpus", "template": "empty", "cutoff_len": training.seq_len + 1, "val_size": 0.01,
        "output_dir": "out", "run_name": run.spec.run_id, "report_to": "none",
        "per_device_train_batch_size": run.micro_batch, "gradient_accumulation_steps": run.accumulation,
        "learning_rate": training.lr, "lr_scheduler_type": "cosine_with_min_lr" if cosine else "warmup_stable_decay",
        "lr_scheduler_kwargs": schedule, "warmup_steps": training.warmup_steps, "max_steps": training.steps,
        "weight_decay": training.weight_decay, "adam_beta1": training.betas[0], "adam_beta2": training.betas[1],
        "max_grad_norm": training.clip, "bf16": training.precision == "bf16", "seed": training.seed,
        "data_seed": training.seed, "eval_strategy": "steps", "eval_steps": run.eval_steps,
        "save_steps": max(1, training.steps // 5), "logging_steps": max(1, training.steps // 100),
        "include_num_input_tokens_seen": True,
        **({"moe_aux_loss_coef": made["router_aux_loss_coef"]} if balanced else {}),
    }  # fmt: skip


def _yaml(settings: Mapping[str, Any]) -> str:
    """Return YAML whose values are written as JSON, which YAML includes."""
    lines = [
        "# python text.py STORE, then: llamafactory-cli train llamafactory.yaml; see PARITY.md",
        *(f"{name}: {json.dumps(value)}" for name, value in settings.items()),
    ]
    return "\n".join(lines) + "\n"


ENGINE = Engine(
    name="hf",
    version=VERSION,
    limits=(
        STARTS_ELSEWHERE,
        STOPS_EARLY,
        ROTARY_ONLY,
        DROPS_TOKENS,
        JITTERS,
        ENTROPY_BALANCE,
        Limit(
            applies=lambda spec: spec.router.bias_rate > 0 and spec.router.score == "softmax",
            reason="no family adds a bias to the scores of a softmax in choosing experts",
            change=router(bias_rate=0.0),
            changed="no router bias",
        ),
        Limit(
            applies=lambda spec: "differs" in to_hf(spec.shape, spec.router),
            reason="no family has its shape and its router at once (config.json lists the difference under `differs`)",
            change=lambda spec: spec,
            changed="the function of config.json",
        ),
    ),
    files=files,
    weights=weights,
    needs=("torch", "transformers", "accelerate"),
    on_cpu=lambda spec: True,
)  # fmt: skip
