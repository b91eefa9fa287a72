"""mistral: a llama without biases; its sliding window changes no count (arXiv 2310.06825)."""

from planners.formats import decoder
from planners.formats.family import Family
from planners.formats.foreign import Foreign
from planners.formats.given import Given


def read(given: Given) -> Foreign:
    """Return the model."""
    return Foreign(model_type="mistral", **decoder.sizes(given))


FAMILY = Family(
    model_type="mistral",
    defaults={
        **decoder.DEFAULTS,
        "vocab_size": 32000,
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
    },
    read=read,
    sliding_window=4096,
)
