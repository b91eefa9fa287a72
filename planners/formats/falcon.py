"""falcon: parallel blocks under one or two norms, few key-value heads (arXiv 2311.16867)."""

from planners.formats.family import Family
from planners.formats.foreign_parts import falcon_layers

FAMILY = Family(
    defaults={
        "vocab_size": 65024,
        "hidden_size": 4544,
        "num_hidden_layers": 32,
        "num_attention_heads": 71,
        "num_kv_heads": None,
        "ffn_hidden_size": None,
        "new_decoder_architecture": False,
        "multi_query": True,
        "parallel_attn": True,
        "num_ln_in_parallel_attn": None,
        "bias": False,
        "tie_word_embeddings": True,
    },
    keys={
        "vocab_size": "vocab_size",
        "d_model": "hidden_size",
        "n_layers": "num_hidden_layers",
        "n_heads": "num_attention_heads",
        "n_kv_heads": "num_kv_heads",
        "d_ff": "ffn_hidden_size",
        "tied_embeddings": "tie_word_embeddings",
        "ffn_bias": "bias",
    },
    switches={"attention_bias": ("bias", "all")},
    fixed={"ffn": "gelu", "norm": "layernorm"},
    heads="exact",
    parts=(falcon_layers,),
    aliases={"hidden_size": "n_embed"},
)
