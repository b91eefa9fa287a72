"""gpt_oss: experts and router with biases, and one attention sink a head (arXiv 2508.10925)."""

from planners.formats import decoder
from planners.formats.family import Family
from planners.formats.foreign import Foreign, Part
from planners.formats.given import Given
from planners.shape import Shape


def read(given: Given) -> Foreign:
    """Return the model; sinks count as attention and the bias of the router as router."""
    fields = {
        **decoder.every_layer(given, given.size("num_local_experts")),
        "attention_bias": "all" if given.flag("attention_bias") else "none",
        "expert_bias": True,
    }
    shape = Shape(**fields)
    extra = {"attention": shape.n_layers * shape.n_heads, "router": shape.n_layers * shape.n_experts}
    replaced = tuple(
        Part(name=name, parameters=shape.parts[name] + count, products=shape.products[name])
        for name, count in extra.items()
    )
    return Foreign(model_type="gpt_oss", **fields, replaced=replaced)


FAMILY = Family(
    model_type="gpt_oss",
    defaults={
        **decoder.DEFAULTS,
        "vocab_size": 201088,
        "hidden_size": 2880,
        "intermediate_size": 2880,
        "num_hidden_layers": 36,
        "num_attention_heads": 64,
        "num_key_value_heads": 8,
        "head_dim": 64,
        "num_local_experts": 128,
        "num_experts_per_tok": 4,
        "attention_bias": True,
    },
    aliases={"num_local_experts": "num_experts"},
    read=read,
    sliding_window=128,
)
