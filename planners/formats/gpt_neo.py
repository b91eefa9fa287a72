"""gpt_neo: gpt2 without biases on queries, keys and values; half of its layers see a window (GPT-Neo)."""

from planners.formats.family import Family
from planners.formats.foreign_parts import without_qkv_bias
from planners.formats.gpt2 import LEARNED

FAMILY = Family(
    defaults={
        "vocab_size": 50257,
        "hidden_size": 2048,
        "num_layers": 24,
        "num_heads": 16,
        "intermediate_size": None,
        "max_position_embeddings": 2048,
        "tie_word_embeddings": True,
    },
    keys={
        "vocab_size": "vocab_size",
        "d_model": "hidden_size",
        "n_layers": "num_layers",
        "n_heads": "num_heads",
        "d_ff": "intermediate_size",
        "max_positions": "max_position_embeddings",
        "tied_embeddings": "tie_word_embeddings",
    },
    fixed=LEARNED,
    heads="exact",
    parts=(without_qkv_bias,),
    aliases={"num_layers": "num_hidden_layers", "num_heads": "num_attention_heads"},
)
