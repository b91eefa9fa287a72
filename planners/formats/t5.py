"""t5: an encoder and a decoder with relative positions and a two-matrix FFN (arXiv 1910.10683)."""

from planners.formats.family import Family
from planners.formats.foreign_parts import encoder_and_decoder

FAMILY = Family(
    defaults={
        "vocab_size": 32128,
        "d_model": 512,
        "d_kv": 64,
        "d_ff": 2048,
        "num_layers": 6,
        "num_decoder_layers": None,
        "num_heads": 8,
        "relative_attention_num_buckets": 32,
        "feed_forward_proj": "relu",
    },
    keys={
        "vocab_size": "vocab_size",
        "d_model": "d_model",
        "n_layers": "num_layers",
        "n_heads": "num_heads",
        "head_dim": "d_kv",
        "d_ff": "d_ff",
    },
    fixed={"ffn": "gelu", "positions": "none", "causal": False, "tied_embeddings": True},
    parts=(encoder_and_decoder,),
    aliases={"d_model": "hidden_size", "num_layers": "num_hidden_layers", "num_heads": "num_attention_heads"},
)
