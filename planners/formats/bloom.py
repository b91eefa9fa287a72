"""bloom: ALiBi, a norm after the embedding, biases, an FFN of four times the width (arXiv 2211.05100)."""

from planners.formats.family import Family
from planners.formats.foreign_parts import norms

FAMILY = Family(
    defaults={
        "vocab_size": 250880,
        "hidden_size": 64,
        "n_layer": 2,
        "n_head": 8,
        "tie_word_embeddings": True,
    },
    keys={
        "vocab_size": "vocab_size",
        "d_model": "hidden_size",
        "n_layers": "n_layer",
        "n_heads": "n_head",
        "tied_embeddings": "tie_word_embeddings",
    },
    fixed={"ffn": "gelu", "norm": "layernorm", "positions": "alibi", "attention_bias": "all", "ffn_bias": True},
    heads="exact",
    parts=(norms(a_layer=2, outside=2),),
    aliases={"n_layer": "num_hidden_layers", "n_head": "num_attention_heads", "hidden_size": "n_embed"},
)
