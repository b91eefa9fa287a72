"""gpt_oss: experts and router with biases, and one attention sink a head (arXiv 2508.10925)."""

from dataclasses import replace

from planners.formats import decoder
from planners.formats.family import Family
from planners.formats.foreign import Foreign, Part
from planners.formats.given import Given


def read(given: Given) -> Foreign:
    """Return the model; sinks count as attention and the bias of the router as router."""
    model = Foreign(
        model_type="gpt_oss",
        **decoder.every_layer(given, given.size("num_local_experts")),
        attention_bias="all" if given.flag("attention_bias") else "none",
        expert_bias=True,
    )
    extra = {"attention": model.n_layers * model.n_heads, "router": model.n_layers * model.n_experts}
    replaced = tuple(
        Part(name=name, parameters=model.parts[name] + count, products=model.products[name])
        for name, count in extra.items()
    )
    return replace(model, replaced=replaced)


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
