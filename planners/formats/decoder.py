"""The keys, defaults and constants that most decoder families share."""

from typing import Any

KEYS = {
    "vocab_size": "vocab_size",
    "d_model": "hidden_size",
    "d_ff": "intermediate_size",
    "n_layers": "num_hidden_layers",
    "n_heads": "num_attention_heads",
    "n_kv_heads": "num_key_value_heads",
    "head_dim": "head_dim",
    "tied_embeddings": "tie_word_embeddings",
}
"""Field of a dense shape -> key."""
ONE_HEAD_KEYS = {name: key for name, key in KEYS.items() if name not in ("n_kv_heads", "head_dim")}
"""The same for a family whose heads have their own keys and values and share d_model."""
EXPERT_KEYS = {"n_experts": "num_experts", "top_k": "num_experts_per_tok", "d_expert": "moe_intermediate_size"}
"""Field of a shape with experts -> key."""
ALL_EXPERT_KEYS = {
    **{name: key for name, key in KEYS.items() if name != "d_ff"},
    **EXPERT_KEYS,
    "d_expert": "intermediate_size",
}
"""The same for a family without a dense FFN."""
SPARSE_DEFAULTS = {"decoder_sparse_step": 1, "mlp_only_layers": None}
"""Keys of the rule `LISTED_DENSE`."""
NO_TOKENS = {"bos_token_id": None, "eos_token_id": None, "pad_token_id": None}
"""A written model has no special tokens: the tokenizer decides them, and the defaults may exceed the vocabulary."""
CONSTANTS: dict[str, Any] = {
    "hidden_act": "silu",
    "rms_norm_eps": 1e-6,
    "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
    **NO_TOKENS,
}
"""What this toolkit's model is, in a written configuration."""
ROUTER_KEYS = {"renormalise": "norm_topk_prob", "balance": "router_aux_loss_coef"}
"""Router setting -> key."""
LATENT_KEYS = {
    **{name: key for name, key in KEYS.items() if name != "n_kv_heads"},
    **EXPERT_KEYS,
    "head_dim": "qk_rope_head_dim",
    "n_experts": "n_routed_experts",
}
"""Field -> key of a family with latent attention, where each head has its own keys and values."""


def sizes(*, vocab: int, hidden: int, ffn: int, layers: int, heads: int) -> dict[str, Any]:
    """Return the defaults that a family has for the sizes of a model.

    Unless a family says otherwise there are as many key-value heads as heads, which share d_model, and the embeddings
    are not tied.
    """
    return {
        "vocab_size": vocab,
        "hidden_size": hidden,
        "intermediate_size": ffn,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": None,
        "head_dim": None,
        "tie_word_embeddings": False,
    }
