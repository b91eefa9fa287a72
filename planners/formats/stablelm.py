"""stablelm: a llama with LayerNorm, and biases on queries, keys and values by key (StableLM 2)."""

from planners.formats import decoder
from planners.formats.family import Family

FAMILY = Family(
    defaults={
        **decoder.sizes(vocab=50304, hidden=2560, ffn=6912, layers=32, heads=32),
        "num_key_value_heads": 32,
        "use_qkv_bias": False,
        "qk_layernorm": False,
        "use_parallel_residual": False,
    },
    keys={name: key for name, key in decoder.KEYS.items() if name != "head_dim"},  # the library ignores it
    switches={"attention_bias": ("use_qkv_bias", "qkv")},
    fixed={"norm": "layernorm"},
    heads="divide",
    refused=("qk_layernorm", "use_parallel_residual"),
)
