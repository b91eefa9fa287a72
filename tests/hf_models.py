"""The models that transformers builds from configurations, to check our counts against."""

from collections import Counter
from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForMaskedLM, AutoModelForSeq2SeqLM

from planners.formats import from_hf


def built(config: dict[str, Any], device: str = "meta", **settings: Any) -> nn.Module:
    """Return the model that transformers builds."""
    auto = OTHER_MODELS.get(config["model_type"], AutoModelForCausalLM)
    needed = NEEDED.get(config["model_type"], {}) | CHECKED.get(config["model_type"], lambda config: {})(config)
    with torch.device(device):
        return auto.from_config(AutoConfig.for_model(**{**needed, **config}), **settings)


OTHER_MODELS = {
    "bert": AutoModelForMaskedLM,
    "roberta": AutoModelForMaskedLM,
    "xlm-roberta": AutoModelForMaskedLM,
    "t5": AutoModelForSeq2SeqLM,
}
NEEDED = {"nemotron": {"num_key_value_heads": 48}}
"""Keys without which the library fails to build its own defaults."""
CHECKED = {"gpt_neo": lambda config: {"attention_types": [[["global"], config.get("num_layers", 24)]]}}
"""Keys that the library checks against others, and that change no count."""
WORDS = (
    ("head", ("lm_head", "cls.", "project_out")),
    ("norms", ("norm", ".ln_", "LayerNorm")),
    ("positions", ("wpe", "position_embeddings", "token_type", "embed_positions", "relative_attention_bias")),
    ("embedding", ("embed_tokens", "wte", "word_embeddings", "embed_in", "shared.weight", "embeddings", "project_in")),
    ("shared_expert", ("shared_expert", "shared_mlp")),
    ("routed_experts", (".experts.",)),
    ("router", (".gate.", ".router.")),
    ("dense_ffn", ("mixer.up_proj", "mixer.down_proj")),
    ("attention", ("attn", "attention", "Attention", "mixer")),
    ("dense_ffn", ("mlp", "intermediate", "output", "DenseReluDense", "fc", "feed_forward")),
)
"""Part and text in the names of its weights; the first part that fits counts."""


def parts_by_name(model: nn.Module) -> Counter[str]:
    """Count a model's parameters by part, from their names alone."""
    found: Counter[str] = Counter()
    for name, weight in model.named_parameters():
        found[next(part for part, words in WORDS if any(word in name for word in words))] += weight.numel()
    return found


def check(config: dict[str, Any]) -> None:
    """Assert that our counts of a configuration are those of the model built from it."""
    ours, theirs = from_hf(config), built(config)
    assert ours.total == sum(weight.numel() for weight in theirs.parameters())
    if config["model_type"] != "xlm-roberta":  # its tied matrix goes by the name of the head
        assert {part: count for part, count in ours.parts.items() if count} == dict(+parts_by_name(theirs))
    stacks = [weight for name, weight in theirs.named_parameters() if ".experts." in name]
    inactive = sum(weight.numel() // len(weight) * (len(weight) - ours.top_k) for weight in stacks)
    assert ours.total - ours.active == inactive == ours.N - ours.N_a
    assert len(stacks) % max(1, ours.n_moe_layers) == 0
