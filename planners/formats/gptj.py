"""gptj: parallel blocks under one norm, biases in the FFN and in the head (GPT-J-6B)."""

from planners.formats.family import Family
from planners.formats.foreign_parts import head_bias, norms

FAMILY = Family(
    defaults={
        "vocab_size": 50400,
        "n_embd": 4096,
        "n_layer": 28,
        "n_head": 16,
        "n_inner": None,
        "tie_word_embeddings": False,
    },
    keys={
        "vocab_size": "vocab_size",
        "d_model": "n_embd",
        "n_layers": "n_layer",
        "n_heads": "n_head",
        "d_ff": "n_inner",
        "tied_embeddings": "tie_word_embeddings",
    },
    fixed={"ffn": "gelu", "norm": "layernorm", "ffn_bias": True},
    heads="exact",
    parts=(norms(a_layer=1), head_bias()),
    aliases={"n_embd": "hidden_size", "n_layer": "num_hidden_layers", "n_head": "num_attention_heads"},
)
