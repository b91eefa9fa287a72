"""Hugging Face configurations, against the models that transformers builds from them."""

from collections import Counter
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForMaskedLM

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
}  # fmt: skip


def built(config: dict[str, Any], device: str = "meta", **settings: Any) -> nn.Module:
    """Return the model that transformers builds."""
    auto = AutoModelForMaskedLM if config["model_type"] == "bert" else AutoModelForCausalLM
    with torch.device(device):
        return auto.from_config(AutoConfig.for_model(**config), **settings)


WORDS = {
    "head": ("lm_head", "cls."),
    "norms": ("norm", ".ln_", "LayerNorm"),
    "positions": ("wpe", "position_embeddings", "token_type"),
    "embedding": ("embed_tokens", "wte", "word_embeddings"),
    "shared_expert": ("shared_expert",),
    "routed_experts": (".experts.",),
    "router": (".gate.", ".router."),
    "attention": ("attn", "attention"),
    "dense_ffn": ("mlp", "intermediate", "output"),
}
"""Part -> text in the names of its weights; the first part that fits counts."""


def parts_by_name(model: nn.Module) -> Counter[str]:
    """Count a model's parameters by part, from their names alone."""
    found: Counter[str] = Counter()
    for name, weight in model.named_parameters():
        found[next(part for part, words in WORDS.items() if any(word in name for word in words))] += weight.numel()
    return found


def check(config: dict[str, Any]) -> None:
    """Assert that our counts of a configuration are those of the model built from it."""
    ours, theirs = from_hf(config), built(config)
    assert ours.total == sum(weight.numel() for weight in theirs.parameters())
    assert {part: count for part, count in ours.parts.items() if count} == dict(+parts_by_name(theirs))
    stacks = [weight for name, weight in theirs.named_parameters() if ".experts." in name]
    inactive = sum(weight.numel() // len(weight) * (len(weight) - ours.top_k) for weight in stacks)
    assert ours.total - ours.active == inactive == ours.N - ours.N_a
    assert len(stacks) % max(1, ours.n_moe_layers) == 0


@pytest.mark.parametrize(("config", "total"), PUBLISHED.values(), ids=PUBLISHED)
def test_published_models_have_their_published_size(config: dict, total: int) -> None:
    assert from_hf(config).total == total
    check(config)


def test_every_family_has_a_published_model() -> None:
    assert {config["model_type"] for config, _ in PUBLISHED.values()} == set(FAMILIES)


@pytest.mark.parametrize("model_type", FAMILIES)
def test_absent_keys_have_the_defaults_of_the_library(model_type: str) -> None:
    needed = {"num_experts_per_tok": 6} if model_type == "deepseek_v2" else {}
    config = {"model_type": model_type, **needed}
    check({**config, **AutoConfig.for_model(**config).to_dict()})
    check(config)
    assert any("hidden_size" in note or "n_embd" in note for note in from_hf(config).notes)


WIDTH, FEW, FLAG, EVEN = st.integers(1, 40), st.integers(1, 3), st.booleans(), st.integers(1, 8).map(lambda n: 2 * n)
LAYERS = st.lists(st.integers(-1, 7), max_size=4)
LATENT = {
    "kv_lora_rank": WIDTH, "q_lora_rank": WIDTH | st.none(), "qk_nope_head_dim": WIDTH, "qk_rope_head_dim": EVEN,
    "v_head_dim": WIDTH, "attention_bias": FLAG, "first_k_dense_replace": st.integers(0, 6),
    "n_shared_experts": st.integers(0, 2), "moe_intermediate_size": WIDTH,
}  # fmt: skip
SPARSE = {
    "moe_intermediate_size": WIDTH, "decoder_sparse_step": FEW, "mlp_only_layers": LAYERS | st.none(), "head_dim": EVEN,
}  # fmt: skip
OPTIONAL: dict[str, dict[str, st.SearchStrategy]] = {
    "llama": {"attention_bias": FLAG, "mlp_bias": FLAG, "head_dim": EVEN | st.none()},
    "mistral": {"head_dim": EVEN | st.none()},
    "mixtral": {"head_dim": EVEN | st.none()},
    "qwen2_moe": {**SPARSE, "shared_expert_intermediate_size": st.integers(0, 20), "qkv_bias": FLAG},
    "qwen3": {"head_dim": EVEN, "attention_bias": FLAG},
    "qwen3_moe": {**SPARSE, "attention_bias": FLAG},
    "olmo2": {"attention_bias": FLAG},
    "olmoe": {"attention_bias": FLAG},
    "deepseek_v2": {**LATENT, "mlp_bias": FLAG},
    "deepseek_v3": LATENT,
    "glm4_moe": {
        "attention_bias": FLAG, "use_qk_norm": FLAG, "head_dim": EVEN, "first_k_dense_replace": st.integers(0, 6),
        "n_shared_experts": st.integers(0, 2), "moe_intermediate_size": WIDTH,
    },
    "gpt_oss": {"attention_bias": FLAG, "head_dim": EVEN},
}  # fmt: skip
EXPERTS = {
    "mixtral": "num_local_experts", "gpt_oss": "num_local_experts", "deepseek_v2": "n_routed_experts",
    "deepseek_v3": "n_routed_experts", "glm4_moe": "n_routed_experts", "qwen2_moe": "num_experts",
    "qwen3_moe": "num_experts", "olmoe": "num_experts",
}  # fmt: skip


@st.composite
def configs(draw: st.DrawFn, model_type: str) -> dict[str, Any]:
    """Draw a small configuration of a family; keys with a default may be absent."""
    groups, per_group = draw(FEW), draw(FEW)
    heads = groups * per_group
    width = heads * draw(EVEN)
    if model_type in ("gpt2", "bert"):
        names = {
            "gpt2": ("n_embd", "n_layer", "n_head"),
            "bert": ("hidden_size", "num_hidden_layers", "num_attention_heads"),
        }
        sizes = dict(zip(names[model_type], (width, draw(FEW), heads), strict=True))
        positions = {"gpt2": "n_positions", "bert": "max_position_embeddings"}[model_type]
        inner = {"gpt2": "n_inner", "bert": "intermediate_size"}[model_type]
        optional = {positions: WIDTH, inner: WIDTH}
        optional |= {"type_vocab_size": FEW, "is_decoder": FLAG} if model_type == "bert" else {inner: WIDTH | st.none()}
    else:
        sizes = {"hidden_size": width, "num_hidden_layers": draw(st.integers(1, 6)), "num_attention_heads": heads,
                 "num_key_value_heads": groups}  # fmt: skip
        optional = {"intermediate_size": WIDTH, **OPTIONAL[model_type]}
    if model_type in EXPERTS:
        sizes[EXPERTS[model_type]] = draw(st.integers(1, 6))
        sizes["num_experts_per_tok"] = draw(st.integers(1, sizes[EXPERTS[model_type]]))
    optional |= {"vocab_size": st.integers(3, 60), "tie_word_embeddings": FLAG}
    chosen = draw(st.fixed_dictionaries({}, optional=optional))
    return {"model_type": model_type, **sizes, **chosen}


@pytest.mark.parametrize("model_type", FAMILIES)
def test_any_configuration_is_counted_as_it_is_built(model_type: str) -> None:
    @settings(max_examples=20, deadline=None)
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
    "no family": ({"hidden_size": 8}, "model_type"),
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
    assert names in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


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

    @settings(max_examples=40, deadline=None)
    @given(st.dictionaries(st.sampled_from(keys), ANYTHING, max_size=3))
    def run(config: dict[str, Any]) -> None:
        try:
            ours = from_hf({"model_type": model_type, **config})
        except UsageError as error:
            assert "\n" not in str(error)
            return
        assert 0 < ours.N_a <= ours.N < ours.total

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
