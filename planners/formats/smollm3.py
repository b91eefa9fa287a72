"""smollm3: a llama with tied embeddings, some of whose layers have no positions."""

from planners.formats import decoder
from planners.formats.family import Family

FAMILY = Family(
    defaults={
        **decoder.sizes(vocab=128256, hidden=2048, ffn=11008, layers=36, heads=16),
        "num_key_value_heads": 4,
        "tie_word_embeddings": True,
        "attention_bias": False,
        "mlp_bias": False,
    },
    keys={**decoder.KEYS, "ffn_bias": "mlp_bias"},
    switches={"attention_bias": ("attention_bias", "all")},
    heads="divide",
    uses_window=False,
)
