"""Hugging Face configurations, against the models that transformers builds from them."""

import re
from collections import Counter
from typing import Any

import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
)

from planners import UsageError, flops_per_token
from planners.formats import FAMILIES, from_hf

pytestmark = pytest.mark.filterwarnings("ignore:Initializing zero-element")  # a shared expert may have no width

# Configurations as their authors publish them (the keys that size the model), and the exact total, which rounds to
# what they state.
PUBLISHED: dict[str, tuple[dict[str, Any], int]] = {
    "Llama-3-8B": (
        {"model_type": "llama", "vocab_size": 128256, "hidden_size": 4096, "intermediate_size": 14336,
         "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "attention_bias": False,
         "tie_word_embeddings": False},
        8_030_261_248,
    ),
    "Mistral-7B-v0.1": (
        {"model_type": "mistral", "vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 14336,
         "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "sliding_window": 4096},
        7_241_732_096,
    ),
    "Mixtral-8x7B": (
        {"model_type": "mixtral", "vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 14336,
         "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "num_local_experts": 8,
         "num_experts_per_tok": 2},
        46_702_792_704,
    ),
    "Qwen1.5-MoE-A2.7B": (
        {"model_type": "qwen2_moe", "vocab_size": 151936, "hidden_size": 2048, "intermediate_size": 5632,
         "num_hidden_layers": 24, "num_attention_heads": 16, "num_key_value_heads": 16, "decoder_sparse_step": 1,
         "moe_intermediate_size": 1408, "shared_expert_intermediate_size": 5632, "num_experts_per_tok": 4,
         "num_experts": 60},
        14_315_784_192,
    ),
    "Qwen3-8B": (
        {"model_type": "qwen3", "vocab_size": 151936, "hidden_size": 4096, "intermediate_size": 12288,
         "num_hidden_layers": 36, "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128},
        8_190_735_360,
    ),
    "Qwen3-30B-A3B": (
        {"model_type": "qwen3_moe", "vocab_size": 151936, "hidden_size": 2048, "intermediate_size": 6144,
         "num_hidden_layers": 48, "num_attention_heads": 32, "num_key_value_heads": 4, "head_dim": 128,
         "moe_intermediate_size": 768, "num_experts_per_tok": 8, "num_experts": 128, "decoder_sparse_step": 1,
         "mlp_only_layers": []},
        30_532_122_624,
    ),
    "OLMo-2-7B": (
        {"model_type": "olmo2", "vocab_size": 100352, "hidden_size": 4096, "intermediate_size": 11008,
         "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 32},
        7_298_617_344,
    ),
    "OLMoE-1B-7B": (
        {"model_type": "olmoe", "vocab_size": 50304, "hidden_size": 2048, "intermediate_size": 1024,
         "num_hidden_layers": 16, "num_attention_heads": 16, "num_key_value_heads": 16, "num_experts_per_tok": 8,
         "num_experts": 64},
        6_919_161_856,
    ),
    "DeepSeek-V2-Lite": (
        {"model_type": "deepseek_v2", "vocab_size": 102400, "hidden_size": 2048, "intermediate_size": 10944,
         "num_hidden_layers": 27, "num_attention_heads": 16, "num_key_value_heads": 16, "q_lora_rank": None,
         "kv_lora_rank": 512, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128,
         "first_k_dense_replace": 1, "moe_layer_freq": 1, "n_routed_experts": 64, "n_shared_experts": 2,
         "num_experts_per_tok": 6, "moe_intermediate_size": 1408},
        15_706_484_224,
    ),
    "DeepSeek-V3": (  # without its multi-token prediction module and the 58 * 256 entries of the balancing bias
        {"model_type": "deepseek_v3", "vocab_size": 129280, "hidden_size": 7168, "intermediate_size": 18432,
         "num_hidden_layers": 61, "num_attention_heads": 128, "num_key_value_heads": 128, "q_lora_rank": 1536,
         "kv_lora_rank": 512, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128,
         "first_k_dense_replace": 3, "moe_layer_freq": 1, "n_routed_experts": 256, "n_shared_experts": 1,
         "num_experts_per_tok": 8, "moe_intermediate_size": 2048, "num_nextn_predict_layers": 1},
        671_026_419_200 - 58 * 256,
    ),
    "GLM-4.5-Air": (
        {"model_type": "glm4_moe", "vocab_size": 151552, "hidden_size": 4096, "intermediate_size": 10944,
         "num_hidden_layers": 46, "num_attention_heads": 96, "num_key_value_heads": 8, "head_dim": 128,
         "attention_bias": True, "first_k_dense_replace": 1, "n_routed_experts": 128, "n_shared_experts": 1,
         "num_experts_per_tok": 8, "moe_intermediate_size": 1408, "use_qk_norm": False},
        106_852_245_504,
    ),
    "gpt-oss-20b": (
        {"model_type": "gpt_oss", "vocab_size": 201088, "hidden_size": 2880, "intermediate_size": 2880,
         "num_hidden_layers": 24, "num_attention_heads": 64, "num_key_value_heads": 8, "head_dim": 64,
         "num_local_experts": 32, "num_experts_per_tok": 4, "attention_bias": True, "sliding_window": 128},
        20_914_757_184,
    ),
    "gpt2": (
        {"model_type": "gpt2", "vocab_size": 50257, "n_embd": 768, "n_layer": 12, "n_head": 12, "n_positions": 1024},
        124_439_808,
    ),
    "bert-base-uncased": (
        {"model_type": "bert", "vocab_size": 30522, "hidden_size": 768, "num_hidden_layers": 12,
         "num_attention_heads": 12, "intermediate_size": 3072, "max_position_embeddings": 512, "type_vocab_size": 2},
        109_514_298,
    ),
    "Qwen2-7B": (
        {"model_type": "qwen2", "vocab_size": 152064, "hidden_size": 3584, "intermediate_size": 18944,
         "num_hidden_layers": 28, "num_attention_heads": 28, "num_key_value_heads": 4},
        7_615_616_512,
    ),
    "Pythia-1B": (
        {"model_type": "gpt_neox", "vocab_size": 50304, "hidden_size": 2048, "intermediate_size": 8192,
         "num_hidden_layers": 16, "num_attention_heads": 8},
        1_011_781_632,
    ),
    "Gemma-7B": ({"model_type": "gemma"}, 8_537_680_896),
    "Gemma-2-2B": ({"model_type": "gemma2"}, 2_614_341_888),
    "Gemma-3-4B": (
        {"model_type": "gemma3_text", "vocab_size": 262208, "hidden_size": 2560, "intermediate_size": 10240,
         "num_hidden_layers": 34, "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256},
        3_880_263_168,
    ),
    "Granite-3-MoE-3B": (
        {"model_type": "granitemoe", "vocab_size": 49155, "hidden_size": 1536, "intermediate_size": 512,
         "num_hidden_layers": 32, "num_attention_heads": 24, "num_key_value_heads": 8, "num_local_experts": 40,
         "num_experts_per_tok": 8, "tie_word_embeddings": True},
        3_298_793_472,
    ),
    "Phi-3.5-MoE": ({"model_type": "phimoe", "attention_bias": True, "lm_head_bias": True}, 41_873_153_344),
    "MiniMax-M2": ({"model_type": "minimax_m2", "intermediate_size": 1536}, 228_689_748_992),
    "Llama-4-Scout": ({"model_type": "llama4_text"}, 107_769_861_120),
    "OLMo-3-7B": ({"model_type": "olmo3", "vocab_size": 100278}, 7_298_011_136),
    "SmolLM3-3B": ({"model_type": "smollm3"}, 3_075_098_624),
    "OPT-125M": ({"model_type": "opt"}, 125_239_296),
    "BLOOM-560M": ({"model_type": "bloom", "hidden_size": 1024, "n_head": 16, "n_layer": 24}, 559_214_592),
    "Falcon-7B": ({"model_type": "falcon"}, 6_921_720_704),
    "StarCoder2-3B": ({"model_type": "starcoder2"}, 3_030_371_328),
    "RoBERTa-base": (
        {"model_type": "roberta", "vocab_size": 50265, "max_position_embeddings": 514, "type_vocab_size": 1},
        124_697_433,
    ),
    "T5-small": ({"model_type": "t5"}, 60_506_624),
    "DeepSeek-V3.2": ({"model_type": "deepseek_v32"}, 671_877_929_216),
    "Qwen3.5-35B-A3B": ({"model_type": "qwen3_5_moe_text"}, 34_660_610_688),
    "Nemotron-3-Nano": (
        {"model_type": "nemotron_h", "vocab_size": 131072, "hidden_size": 2688, "num_attention_heads": 32,
         "num_key_value_heads": 2, "head_dim": 128, "mamba_num_heads": 64, "mamba_head_dim": 64, "n_groups": 8,
         "ssm_state_size": 128, "n_routed_experts": 128, "num_experts_per_tok": 6, "moe_intermediate_size": 1856,
         "moe_shared_expert_intermediate_size": 3712, "intermediate_size": 1856,
         "hybrid_override_pattern": "MEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEMEM*EMEMEMEME"},
        31_577_937_344,
    ),
}  # fmt: skip

ACTIVE = {
    "Granite-3-MoE-3B": 882_874_368, "Phi-3.5-MoE": 6_640_999_744, "MiniMax-M2": 11_030_537_216,
    "Llama-4-Scout": 17_172_894_720, "DeepSeek-V3.2": 38_403_807_488, "Qwen3.5-35B-A3B": 3_454_988_928,
    "Nemotron-3-Nano": 3_580_073_408,
}  # fmt: skip


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


def published(name: str) -> dict[str, Any]:
    return dict(PUBLISHED[name][0])


@pytest.mark.parametrize(("config", "total"), PUBLISHED.values(), ids=PUBLISHED)
def test_published_models_have_their_published_size(config: dict, total: int) -> None:
    assert from_hf(config).total == total
    check(config)


@pytest.mark.parametrize(("name", "active"), ACTIVE.items(), ids=ACTIVE)
def test_published_models_have_their_published_active_size(name: str, active: int) -> None:
    assert from_hf(published(name)).active == active


@pytest.mark.parametrize("model_type", FAMILIES)
def test_absent_keys_have_the_defaults_of_the_library(model_type: str) -> None:
    needed = {"num_experts_per_tok": 6} if model_type == "deepseek_v2" else NEEDED.get(model_type, {})
    config = {"model_type": model_type, **needed}
    check({**config, **AutoConfig.for_model(**config).to_dict()})
    check(config)
    assert any(FAMILIES[model_type].keys["d_model"] in note for note in from_hf(config).notes)


WIDTH, FEW, FLAG, EVEN = st.integers(1, 40), st.integers(1, 3), st.booleans(), st.integers(1, 8).map(lambda n: 2 * n)
LISTS = {
    "mlp_only_layers": st.integers(-1, 7), "moe_layers": st.integers(0, 5),
    "layer_types": st.sampled_from(["linear_attention", "full_attention"]),
    "mlp_layer_types": st.sampled_from(["dense", "sparse"]),
    "layers_block_type": st.sampled_from(["linear_attention", "full_attention", "moe", "mlp"]),
}  # fmt: skip
"""Keys that hold a list, with their items."""
ONE_A_LAYER = ("layer_types", "mlp_layer_types", "layers_block_type")
OTHERS: dict[str, st.SearchStrategy] = {
    "q_lora_rank": WIDTH, "num_ln_in_parallel_attn": st.integers(1, 2), "moe_latent_size": st.none(),
    "feed_forward_proj": st.sampled_from(["relu", "gated-gelu"]),
    "hybrid_override_pattern": st.text("ME*-", min_size=1, max_size=6),
    "qk_rope_head_dim": st.just(4), "index_head_dim": st.just(6), "num_decoder_layers": FEW,
}  # fmt: skip
"""Keys that are neither a field of a shape nor any small number."""
DIVISORS = {"mamba_num_heads": "n_groups", "linear_num_value_heads": "linear_num_key_heads"}
"""Key -> key that divides it."""


@st.composite
def configs(draw: st.DrawFn, model_type: str) -> dict[str, Any]:
    """Draw a small configuration of a family from its data; keys that are not sizes of the model may be absent."""
    family = FAMILIES[model_type]
    groups, per_group, layers, experts = draw(FEW), draw(FEW), draw(st.integers(1, 6)), draw(st.integers(1, 6))
    heads = groups * per_group
    fields: dict[str, Any] = {
        "d_model": heads * draw(EVEN), "n_layers": layers, "n_heads": heads, "n_kv_heads": groups, "d_ff": draw(WIDTH),
        "vocab_size": draw(st.integers(3, 60)), "head_dim": draw(EVEN), "n_experts": experts,
        "top_k": draw(st.integers(1, experts)), "d_expert": draw(WIDTH), "d_shared": draw(st.integers(0, 20)),
        "max_positions": draw(WIDTH),
    }  # fmt: skip
    config: dict[str, Any] = {"model_type": model_type, "pad_token_id": 0}
    optional: dict[str, st.SearchStrategy] = {}
    by_key = {key: name for name, key in reversed(family.keys.items())}
    for key, default in family.defaults.items():
        name = by_key.get(key)
        if name in fields and not (name == "head_dim" and family.heads == "exact"):
            config[key] = fields[name]
        elif key in family.refused or key in by_key:
            optional |= {key: FLAG} if isinstance(default, bool) and key not in family.refused else {}
        elif isinstance(default, bool):
            optional[key] = FLAG
        elif key in LISTS:
            most = layers if key in ONE_A_LAYER else 4
            least = most if key in ONE_A_LAYER else 0
            optional[key] = st.lists(LISTS[key], min_size=least, max_size=most)
        else:
            config[key] = draw(OTHERS.get(key, FEW))
    config |= draw(st.fixed_dictionaries({}, optional=optional))
    for key, divisor in DIVISORS.items():
        if key in config:
            config[key] *= config[divisor]
    return config


@pytest.mark.parametrize("model_type", FAMILIES)
def test_any_configuration_is_counted_as_it_is_built(model_type: str) -> None:
    @settings(max_examples=10, deadline=None)
    @given(configs(model_type))
    def run(config: dict[str, Any]) -> None:
        check(config)

    run()


SMALL: dict[str, dict[str, Any]] = {
    "llama": {"attention_bias": True, "mlp_bias": True},
    "qwen2_moe": {"num_experts": 5, "num_experts_per_tok": 2, "moe_intermediate_size": 12, "decoder_sparse_step": 2,
                  "shared_expert_intermediate_size": 20},
    "qwen3_moe": {"num_experts": 5, "num_experts_per_tok": 1, "moe_intermediate_size": 12, "head_dim": 6},
    "olmoe": {"num_experts": 5, "num_experts_per_tok": 3},
    "deepseek_v2": {"n_routed_experts": 5, "num_experts_per_tok": 2, "moe_intermediate_size": 12, "q_lora_rank": None,
                    "kv_lora_rank": 10, "qk_nope_head_dim": 8, "qk_rope_head_dim": 4, "v_head_dim": 5,
                    "num_key_value_heads": 4, "first_k_dense_replace": 1},
    "deepseek_v3": {"n_routed_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 12, "q_lora_rank": 9,
                    "kv_lora_rank": 10, "qk_nope_head_dim": 7, "qk_rope_head_dim": 4, "v_head_dim": 5, "n_group": 2,
                    "num_key_value_heads": 4, "topk_group": 1, "first_k_dense_replace": 1},
    "gpt_oss": {"num_local_experts": 5, "num_experts_per_tok": 3, "head_dim": 6},
    "gpt2": {"vocab_size": 50, "n_embd": 24, "n_layer": 3, "n_head": 4, "bos_token_id": 1, "eos_token_id": 1},
    "bert": {},
    "qwen2": {}, "gemma2": {"head_dim": 8}, "starcoder2": {},
    "gpt_neox": {"rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}},
    "granitemoe": {"num_local_experts": 5, "num_experts_per_tok": 2},
    "minimax_m2": {"num_local_experts": 5, "num_experts_per_tok": 2, "head_dim": 6},
}  # fmt: skip


@pytest.mark.parametrize("model_type", SMALL)
def test_exact_flops_are_what_a_flop_counter_counts(model_type: str) -> None:
    """Forward and training FLOPs of transformers' models, with attention and experts as plain matrix products."""
    sizes = {"vocab_size": 50, "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 3,
             "num_attention_heads": 4, "num_key_value_heads": 2, "tie_word_embeddings": True}  # fmt: skip
    config = {"model_type": model_type, **SMALL[model_type], "pad_token_id": 0}
    if model_type != "gpt2":
        config = {**sizes, **config}
    routed = {"experts_implementation": "eager"} if "num_experts_per_tok" in config else {}
    model = built(config, "cpu", attn_implementation="eager", **routed)
    batch, T = 2, 16
    tokens = torch.randint(1, 50, (batch, T))
    with FlopCounterMode(display=False) as counter:
        logits = model(input_ids=tokens).logits
        forward = counter.get_total_flops()
        logits.sum().backward()
    ours = from_hf(config)
    assert forward == batch * T * flops_per_token(ours, T, forward=True)
    assert counter.get_total_flops() - forward == 2 * batch * T * flops_per_token(ours, T, forward=True)
    assert flops_per_token(ours, T) == 3 * flops_per_token(ours, T, forward=True)


MISTAKES = {
    "unknown family": ({"model_type": "mamba"}, "mamba"),
    "no family": ({"hidden_size": 8}, "no model_type"),
    "layers under another name": ({"model_type": "qwen3_moe", "num_layers": 94}, "num_layers .* reads num_hidden"),
    "heads under another name": ({"model_type": "llama", "num_kv_heads": 4}, "num_kv_heads .* num_key_value_heads"),
    "layers as text under another name": ({"model_type": "llama", "n_layer": "12"}, "n_layer .* reads num_hidden"),
    "top-k under another name": ({"model_type": "mixtral", "moe_topk": 2}, "moe_topk .* reads num_experts_per_tok"),
    "a slip of the pen": ({"model_type": "llama", "hiden_size": 64}, "hiden_size .* reads hidden_size"),
    "experts of a dense family": ({"model_type": "llama", "num_experts": 8}, "num_experts is 8"),
    "a window of layers": ({"model_type": "qwen3_5_text", "layer_types": ["full_attention"]}, "a list of 32"),
    "a pattern of other letters": ({"model_type": "nemotron_h", "hybrid_override_pattern": "MX"}, "pattern is"),
    "a list of other kinds": ({"model_type": "deepseek_v32", "mlp_layer_types": ["moe"]}, "mlp_layer_types"),
    "a part that cannot be counted": ({"model_type": "stablelm", "qk_layernorm": True}, "qk_layernorm is true"),
    "a wrapper of a wrapper": ({"model_type": "x", "text_config": {"text_config": {}}}, "innermost"),
    "a wrapper of a stranger": ({"model_type": "x", "text_config": {"model_type": "mamba"}}, "text_config of this x"),
    "family is not a word": ({"model_type": ["llama"]}, "llama"),
    "zero": ({"model_type": "llama", "hidden_size": 0}, "hidden_size is 0"),
    "negative": ({"model_type": "llama", "num_hidden_layers": -2}, "num_hidden_layers is -2"),
    "fraction": ({"model_type": "llama", "hidden_size": 4096.0}, "4096.0"),
    "infinite": ({"model_type": "llama", "hidden_size": float("inf")}, "Infinity"),
    "not a number": ({"model_type": "llama", "hidden_size": float("nan")}, "NaN"),
    "huge": ({"model_type": "llama", "hidden_size": 10**400}, "hidden_size is 1000"),
    "product huge": ({"model_type": "gpt2", "n_embd": 10**9, "n_head": 1}, "d_ff"),
    "text": ({"model_type": "llama", "vocab_size": "32000"}, '"32000"'),
    "truth for a size": ({"model_type": "llama", "vocab_size": True}, "vocab_size is true"),
    "null for a size": ({"model_type": "llama", "hidden_size": None}, "hidden_size is null"),
    "size for a truth": ({"model_type": "llama", "mlp_bias": 1}, "mlp_bias is 1"),
    "heads that do not divide": ({"model_type": "llama", "hidden_size": 100, "num_attention_heads": 7}, "multiple"),
    "groups that do not divide": (
        {"model_type": "mistral", "num_key_value_heads": 5},
        "not a multiple of n_kv_heads 5",
    ),
    "top-k above": ({"model_type": "mixtral", "num_experts_per_tok": 9}, "top_k 9"),
    "no top-k": ({"model_type": "deepseek_v2"}, "num_experts_per_tok is missing"),
    "two names": ({"model_type": "mixtral", "num_local_experts": 8, "num_experts": 4}, "two names"),
    "layers as text": ({"model_type": "qwen3_moe", "mlp_only_layers": ["0"]}, "mlp_only_layers"),
    "wide heads of olmoe": ({"model_type": "olmoe", "head_dim": 256}, "head_dim is 256"),
    "cross-attention": ({"model_type": "gpt2", "add_cross_attention": True}, "add_cross_attention"),
    "long": ({"model_type": "llama", "hidden_size": [0] * 1000}, "..."),
}


@pytest.mark.parametrize(("config", "names"), MISTAKES.values(), ids=MISTAKES)
def test_an_impossible_value_is_refused_in_one_sentence_that_names_it(config: dict, names: str) -> None:
    with pytest.raises(UsageError) as caught:
        from_hf(config)
    assert names in str(caught.value) or re.search(names, str(caught.value))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 800


def test_an_unknown_family_lists_the_known_ones() -> None:
    with pytest.raises(UsageError) as caught:
        from_hf({"model_type": "mamba"})
    assert all(name in str(caught.value) for name in FAMILIES)


def test_a_cyclic_value_is_refused() -> None:
    cycle: list = []
    cycle.append(cycle)
    with pytest.raises(UsageError, match="hidden_size"):
        from_hf({"model_type": "llama", "hidden_size": cycle})


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize("model_type", FAMILIES)
def test_any_value_is_counted_or_refused(model_type: str) -> None:
    keys = [*FAMILIES[model_type].defaults, "sliding_window", "use_sliding_window"]

    @settings(max_examples=20, deadline=None)
    @given(st.dictionaries(st.sampled_from(keys), ANYTHING, max_size=3))
    def run(config: dict[str, Any]) -> None:
        try:
            ours = from_hf({"model_type": model_type, **config})
        except UsageError as error:
            assert "\n" not in str(error)
            return
        assert 0 < ours.N_a <= ours.N < ours.total
        assert min(ours.parts.values()) >= 0

    run()


def test_layers_that_a_shape_cannot_arrange_are_counted_with_a_note() -> None:
    interleaved = {**PUBLISHED["Qwen3-30B-A3B"][0], "decoder_sparse_step": 2}
    odd = {**interleaved, "mlp_only_layers": [5]}
    assert from_hf(interleaved).moe_every == 2
    assert (from_hf(odd).n_moe_layers, from_hf(interleaved).n_moe_layers) == (23, 24)
    assert any("leading" in note for note in from_hf(odd).notes)
    assert from_hf({**interleaved, "mlp_only_layers": [0, 1, 3]}).n_dense_layers == 4
    check(odd)


def test_a_note_says_that_windows_are_counted_in_full() -> None:
    assert any("window of 4096" in note for note in from_hf(PUBLISHED["Mistral-7B-v0.1"][0]).notes)
    assert not from_hf({**PUBLISHED["Qwen3-8B"][0], "sliding_window": 4096}).notes
    assert from_hf({**PUBLISHED["Qwen3-8B"][0], "sliding_window": 4096, "use_sliding_window": True}).notes


def test_a_note_names_what_the_library_does_not_build() -> None:
    assert any("num_nextn_predict_layers" in note for note in from_hf(PUBLISHED["DeepSeek-V3"][0]).notes)
    frequent = {**PUBLISHED["DeepSeek-V2-Lite"][0], "moe_layer_freq": 2}
    assert any("moe_layer_freq" in note for note in from_hf(frequent).notes)
    assert not from_hf(PUBLISHED["DeepSeek-V2-Lite"][0]).notes
    check(frequent)


LLAMA = {"vocab_size": 50, "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 3,
         "num_attention_heads": 4}  # fmt: skip


def test_the_language_model_of_a_wrapper_is_counted_with_a_note() -> None:
    inner = {"model_type": "llama", **LLAMA}
    found = from_hf({"model_type": "llava", "text_config": inner, "vision_config": {"hidden_size": 8}})
    assert found.total == from_hf(inner).total
    assert "text_config" in found.notes[0]
    assert "llava" in found.notes[0]
    tied = from_hf({"model_type": "llava", "text_config": inner, "tie_word_embeddings": True})
    assert tied.total == from_hf({**inner, "tie_word_embeddings": True}).total


@pytest.mark.parametrize("model_type", ["kimi_k2", None])
def test_a_family_is_found_by_its_class(model_type: str | None) -> None:
    config = {**published("DeepSeek-V3"), "architectures": ["DeepseekV3ForCausalLM"]}
    named = (
        {**config, "model_type": model_type} if model_type else {k: v for k, v in config.items() if k[:5] != "model"}
    )
    assert from_hf(named).total == PUBLISHED["DeepSeek-V3"][1]
    assert "deepseek_v3 after its architectures" in from_hf(named).notes[0]


@pytest.mark.parametrize("model_type", ["llama", "qwen2", "mistral", "gemma", "qwen3", "gpt_neox"])
@pytest.mark.parametrize("labels", [1, 2, 5])
def test_the_head_of_a_classifier_is_counted(model_type: str, labels: int) -> None:
    words = {str(label): f"LABEL_{label}" for label in range(labels)}
    config = {"model_type": model_type, **LLAMA, "num_key_value_heads": 4, "pad_token_id": 0, "id2label": words}
    with torch.device("meta"):
        model = AutoModelForSequenceClassification.from_config(AutoConfig.for_model(**config))
    found = from_hf({**config, "architectures": [type(model).__name__]})
    assert found.total == sum(weight.numel() for weight in model.parameters())
    assert any(f"{labels} scores" in note for note in found.notes)


def test_another_head_is_noted() -> None:
    other = from_hf({"model_type": "llama", **LLAMA, "architectures": ["LlamaForQuestionAnswering"]})
    assert any("not the head of LlamaForQuestionAnswering" in note for note in other.notes)
    reward = from_hf({"model_type": "llama", **LLAMA, "architectures": ["LlamaForRewardModel"]})
    assert reward.parts["head"] > 0
    bare = from_hf({"model_type": "llama", **LLAMA, "architectures": ["LlamaModel"]})
    assert bare.parts["head"] == 0 == bare.products["head"]
