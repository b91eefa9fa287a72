"""opt: learned positions, two more than stated, LayerNorm, biases (arXiv 2205.01068)."""

from planners.formats.family import Family
from planners.formats.foreign_parts import opt_ends

FAMILY = Family(
    defaults={
        "vocab_size": 50272,
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "ffn_dim": 3072,
        "max_position_embeddings": 2048,
        "word_embed_proj_dim": 768,
        "do_layer_norm_before": True,
        "_remove_final_layer_norm": False,
        "enable_bias": True,
        "tie_word_embeddings": True,
    },
    keys={
        "vocab_size": "vocab_size",
        "d_model": "hidden_size",
        "n_layers": "num_hidden_layers",
        "n_heads": "num_attention_heads",
        "d_ff": "ffn_dim",
        "max_positions": "max_position_embeddings",
        "tied_embeddings": "tie_word_embeddings",
        "ffn_bias": "enable_bias",
    },
    switches={"attention_bias": ("enable_bias", "all")},
    fixed={"ffn": "gelu", "norm": "layernorm", "positions": "learned"},
    heads="exact",
    parts=(opt_ends,),
    refused=("_remove_final_layer_norm",),
)
