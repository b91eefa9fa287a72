"""Hugging Face configurations as their authors publish them, with the exact totals of their models."""

from typing import Any

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
