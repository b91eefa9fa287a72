"""qwen2_moe: biases on queries, keys and values, and a shared expert behind a sigmoid gate (arXiv 2407.10671)."""

from dataclasses import replace
from typing import Any

from planners.architecture.shape import Shape
from planners.formats import decoder
from planners.formats.family import Export, Family
from planners.formats.foreign import Foreign, Part
from planners.formats.given import Given
from planners.spec import Router


def read(given: Given) -> Foreign:
    """Return the model; the gate is there even where the shared expert has no width."""
    experts = decoder.some_layers(given, given.size("num_experts", least=0))
    d_shared = given.size("shared_expert_intermediate_size", least=0) if experts else 0
    fields = {
        **decoder.sizes(given),
        **experts,
        "d_shared": d_shared,
        "shared_gate": d_shared > 0,
        "attention_bias": "qkv" if given.flag("qkv_bias") else "none",
    }
    model = Foreign(model_type="qwen2_moe", **fields)
    gates = 0 if d_shared else model.n_moe_layers * model.d_model
    part = Part(name="shared_expert", parameters=gates, products=gates)
    return replace(model, replaced=(part,)) if gates else model


def write(shape: Shape, router: Router) -> dict[str, Any]:
    """Return the keys of a shape with a gated shared expert; its dense layers are listed."""
    return {
        **decoder.names(shape),
        **decoder.sparse_names(shape, router),
        "shared_expert_intermediate_size": shape.d_shared,
        "qkv_bias": shape.attention_bias == "qkv",
    }


FAMILY = Family(
    model_type="qwen2_moe",
    defaults={
        **decoder.DEFAULTS,
        "vocab_size": 151936,
        "hidden_size": 2048,
        "intermediate_size": 5632,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "num_key_value_heads": 16,
        "decoder_sparse_step": 1,
        "moe_intermediate_size": 1408,
        "shared_expert_intermediate_size": 5632,
        "num_experts_per_tok": 4,
        "num_experts": 60,
        "mlp_only_layers": None,
        "qkv_bias": True,
    },
    read=read,
    uses_window=False,
    export=Export(
        experts=True,
        expresses={
            **decoder.PLAIN,
            "shared_gate": (True,),
            "qk_norm": ("none",),
            "attention_bias": ("none", "qkv"),
            "ffn_bias": (False,),
            "expert_bias": (False,),
        },
        write=write,
    ),
)
