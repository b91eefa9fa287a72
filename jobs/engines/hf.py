"""hf: transformers, by an exact Trainer or by LLaMA-Factory; the folder of a run is a Hugging Face model folder."""

import json
from collections.abc import Mapping
from typing import Any

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
    Parity,
    router,
    script,
)
from jobs.engines.hf_weights import hf_weights
from jobs.engines.slurm_script import local_script, slurm_script
from jobs.engines.tokenizer import tokenizer_files
from planners.formats import to_hf
from planners.spec import RunSpec

VERSION = "transformers 5.23.0"
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
    """Return our weights under the names of the family that expresses the run."""
    model_type = to_hf(spec.shape, spec.router)["model_type"]
    neutral = model_type == "qwen2_moe" and not spec.shape.shared_gate
    return hf_weights(model_type, spec.shape, arrays, neutral_gate=neutral)


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
    parity=(
        Parity("parameters", "equal", "N + N_vocab; qwen2_moe adds a constant gate to each MoE layer, "
               "and a shared expert of width 1 where there is none", test="round trip"),
        Parity("logits, float32, our weights", "equal", "but for ties of the K-th expert, which the test counts",
               bound=2e-6, test="round trip"),
        Parity("balance, train.py", "equal", "router gradients, K 1, 4, 16 and 1, 4, 8 MoE layers", bound=1e-6,
               test="balances each layer"),
        Parity("balance, LLaMA-Factory and other trainers", "different", "the library pools the loads of all L layers: "
               "b L^2 / K matches the size of the pressure and not its direction (cosine 1/sqrt(L)); exact for L = 1. "
               "A family scored by a sigmoid has no balance loss there", test="pooled loss"),
        Parity("optimizer step, train.py", "near", "AdamW and decay groups equal; with a constant gate the gradient of "
               "the shared down projection enters the clipped norm by half", test="step of the exported optimizer"),
        Parity("schedule, train.py", "equal", "our formula", bound=1e-12, test="schedule"),
        Parity("schedule, LLaMA-Factory", "near", "one step behind in warm-up: the first step has learning rate 0"),
        Parity("data order, train.py", "equal", "the windows of our run in its order", test="data"),
        Parity("data order, LLaMA-Factory", "different", "documents packed anew in its order; its validation set is 1 "
               "% of them"),
        Parity("validation loss", "equal", "train.py leaves the balance loss out of eval_loss; that of LLaMA-Factory "
               "contains it, so scaling.fit refuses or corrects it", test="data"),
        Parity("precision", "near", "with bf16 the router runs in bf16 there, in float32 here"),
    ),
    needs=("torch", "transformers", "accelerate"),
)  # fmt: skip
