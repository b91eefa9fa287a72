"""Published configurations, against their printed sizes and the models that transformers builds from them."""

from typing import Any

import pytest
import torch
from hf_configs import ACTIVE, PUBLISHED
from hf_models import NEEDED, built, check
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoConfig, AutoModelForSequenceClassification

from planners import flops_per_token
from planners.formats import FAMILIES, from_hf

pytestmark = pytest.mark.filterwarnings("ignore:Initializing zero-element")  # a shared expert may have no width


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
