"""Configurations of other libraries: Hugging Face's config.json, read for its counts and written for a shape.

A family is one file with one line in `FAMILIES`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
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
from planners.formats.family import Family
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
    given = Given(config, family.defaults, family.aliases)
    model = family.read(given)
    return replace(model, notes=(*model.notes, *_notes(config, family, given)))


def _notes(config: Mapping[str, Any], family: Family, given: Given) -> Iterator[str]:
    """Yield what a reader of the counts should know: sizes that the file does not have, and windows."""
    if given.assumed:
        assumed = ", ".join(f"{key} {value}" for key, value in given.assumed.items())
        yield f"not in the file, so the library's default: {assumed}"
    window = config.get("sliding_window", family.sliding_window)
    if window and config.get("use_sliding_window", family.uses_window):
        yield f"attention in a sliding window of {window} is counted as if it saw all positions"


def to_hf(shape: Shape, router: Router | None = None) -> dict[str, Any]:
    """Return the content of a config.json whose model has the parts of `shape`, to the parameter.

    What of `router` the family does otherwise, which changes no count, stands as sentences under `differs`. Raises
    UsageError that says for each family what of the shape it lacks, where none expresses it.
    """
    if isinstance(shape, Foreign) and shape.replaced:
        raise UsageError(f"this {shape.model_type} has parts that no shape expresses, so it is not written anew")
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
