"""Configurations of other libraries: Hugging Face's config.json, read for its counts and written for a shape.

A family is one file of data and one line of `FAMILIES`.
"""

from collections.abc import Mapping
from typing import Any

from planners.architecture.shape import Shape
from planners.formats import (
    bert,
    deepseek_v2,
    deepseek_v3,
    glm4_moe,
    gpt2,
    gpt_oss,
    llama,
    mistral,
    mixtral,
    olmo2,
    olmoe,
    qwen2_moe,
    qwen3,
    qwen3_moe,
)
from planners.formats.family import Family
from planners.formats.foreign import Foreign
from planners.formats.reader import read
from planners.formats.writer import write
from planners.records.errors import UsageError
from planners.spec import Router

FAMILIES: Mapping[str, Family] = {
    "llama": llama.FAMILY,
    "mistral": mistral.FAMILY,
    "mixtral": mixtral.FAMILY,
    "qwen2_moe": qwen2_moe.FAMILY,
    "qwen3": qwen3.FAMILY,
    "qwen3_moe": qwen3_moe.FAMILY,
    "olmo2": olmo2.FAMILY,
    "olmoe": olmoe.FAMILY,
    "deepseek_v2": deepseek_v2.FAMILY,
    "deepseek_v3": deepseek_v3.FAMILY,
    "glm4_moe": glm4_moe.FAMILY,
    "gpt_oss": gpt_oss.FAMILY,
    "gpt2": gpt2.FAMILY,
    "bert": bert.FAMILY,
}
"""Families by `model_type`; a shape is written in the first that expresses it."""

__all__ = ["FAMILIES", "Foreign", "from_hf", "to_hf"]


def from_hf(config: Mapping[str, Any]) -> Foreign:
    """Return the model that `config`, the content of a config.json, describes.

    Its `total` is the parameter count of the model that transformers 5.23 builds from it; tied weights count once.
    Absent keys have that library's defaults. Raises UsageError for an unknown `model_type` and for a key that no model
    can have.

    >>> model = from_hf({"model_type": "mixtral"})
    >>> model.total, round(model.r_a, 3)
    (46702792704, 0.272)
    """
    model_type = config.get("model_type")
    family = FAMILIES.get(model_type) if isinstance(model_type, str) else None
    if family is None:
        known = ", ".join(sorted(FAMILIES))
        raise UsageError(f"model_type {str(model_type)[:40]!r} cannot be counted; the known ones are {known}")
    return read(str(model_type), family, config)


def to_hf(shape: Shape, router: Router | None = None) -> dict[str, Any]:
    """Return the content of a config.json whose model has the parts of `shape`, to the parameter.

    The model has the sizes, norms and positions of this toolkit's model and computes the same function. Where the
    family routes otherwise than `router` says, which changes no count, sentences under `differs` say so. Raises
    UsageError that says what each family lacks where none expresses the shape.

    >>> shape = make_plan(replace(preset("smoke"), data=None)).runs[-1].shape
    >>> config = to_hf(shape)
    >>> from_hf(config).total == shape.total
    True
    """
    if isinstance(shape, Foreign) and shape.replaced:
        raise UsageError(f"this {shape.model_type} has parts that no shape describes, so it cannot be written")
    lacking: dict[str, list[str]] = {}
    for model_type, family in FAMILIES.items():
        if family.constants is None or family.has_experts == shape.is_dense:
            continue
        try:
            return {"model_type": model_type, **write(family, shape, router or Router())}
        except UsageError as reason:
            lacking.setdefault(str(reason), []).append(model_type)
    reasons = "; ".join(f"{reason} is not in {', '.join(families)}" for reason, families in lacking.items())
    raise UsageError(f"no Hugging Face configuration expresses this shape: {reasons}")
