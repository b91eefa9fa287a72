"""Configurations of other libraries: Hugging Face's config.json, read for its counts and written for a shape.

A family is one file with one line in `FAMILIES`.
"""

from collections.abc import Mapping
from typing import Any

from planners.errors import UsageError
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
from planners.formats.foreign import Foreign
from planners.formats.given import Given
from planners.shape import Shape
from planners.spec import Router

FAMILIES = {
    family.model_type: family
    for family in (
        llama.FAMILY,
        mistral.FAMILY,
        mixtral.FAMILY,
        qwen2_moe.FAMILY,
        qwen3.FAMILY,
        qwen3_moe.FAMILY,
        olmo2.FAMILY,
        olmoe.FAMILY,
        deepseek_v2.FAMILY,
        deepseek_v3.FAMILY,
        glm4_moe.FAMILY,
        gpt_oss.FAMILY,
        gpt2.FAMILY,
        bert.FAMILY,
    )
}
"""Families by `model_type`; a shape is written in the first that expresses it."""

__all__ = ["FAMILIES", "Foreign", "from_hf", "to_hf"]


def from_hf(config: Mapping[str, Any]) -> Foreign:
    """Return the model that `config`, the content of a config.json, describes.

    Its `total` is the parameter count of the model that transformers 5.23 builds from it, tied weights counted once;
    absent keys have that library's defaults. Raises UsageError for an unknown `model_type` and for a key that no model
    can have.
    """
    model_type = config.get("model_type")
    family = FAMILIES.get(model_type) if isinstance(model_type, str) else None
    if family is None:
        known = ", ".join(sorted(FAMILIES))
        raise UsageError(f"model_type {str(model_type)[:40]!r} is not one of those that can be counted: {known}")
    return family.read(Given(config, family.defaults, family.aliases))


def to_hf(shape: Shape, router: Router | None = None) -> dict[str, Any]:
    """Return the content of a config.json whose model has the parts of `shape`, to the parameter.

    What of `router` the family does otherwise, which changes no count, stands as sentences under `differs`. Raises
    UsageError that says for each family what of the shape it lacks, where none expresses it.
    """
    router, reasons = router or Router(), []
    for family in FAMILIES.values():
        if family.write is None:
            continue
        reason = family.lacks(shape)
        if reason is None:
            try:
                keys = family.write(shape, router)
            except UsageError as error:
                reason = str(error)
            else:
                differs = family.differs(shape, router)
                return {"model_type": family.model_type, **keys, **({"differs": differs} if differs else {})}
        reasons.append(f"{family.model_type} has no {reason}")
    raise UsageError(f"no Hugging Face configuration expresses this shape: {'; '.join(reasons)}")
