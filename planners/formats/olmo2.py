"""olmo2: norms after each block instead of before it, and over the full queries and keys (arXiv 2501.00656)."""

from planners.formats import decoder
from planners.formats.family import Family
from planners.formats.foreign import Foreign
from planners.formats.given import Given


def read(given: Given) -> Foreign:
    """Return the model; where its norms stand changes no count."""
    bias = "all" if given.flag("attention_bias") else "none"
    return Foreign(model_type="olmo2", **decoder.sizes(given), qk_norm="full", attention_bias=bias)


FAMILY = Family(
    model_type="olmo2",
    defaults={
        **decoder.DEFAULTS,
        "vocab_size": 50304,
        "hidden_size": 4096,
        "intermediate_size": 11008,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "attention_bias": False,
    },
    read=read,
)
