"""Configurations of other libraries: Hugging Face's config.json, read for its counts and written for a shape.

A family is one file with one line in `FAMILIES`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
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
from planners.formats.given import Given
from planners.records.errors import UsageError
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
    """Yield what a reader of the counts should know: what is assumed, and what is not counted."""
    if given.assumed:
        assumed = ", ".join(f"{key} {value}" for key, value in given.assumed.items())
        yield f"not in the file, so the library's default: {assumed}"
    window = config.get("sliding_window", family.sliding_window)
    if type(window) is int and window > 0 and config.get("use_sliding_window", family.uses_window) is True:
        yield f"attention in a sliding window of {window} is counted as if it saw all positions"
    for key, usual in family.not_built.items():
        if config.get(key) not in (None, usual):
            yield f"{key} is not built by the library, so it is not counted"


def to_hf(shape: Shape, router: Router | None = None) -> dict[str, Any]:
    """Return the content of a config.json whose model has the parts of `shape`, to the parameter.

    It is built with the sizes, norms and positions of this toolkit's model, so that it is the same function. What of
    `router` the family does otherwise, which changes no count, stands as sentences under `differs`. Raises UsageError
    that says what of the shape each family lacks, where none expresses it.
    """
    if isinstance(shape, Foreign) and shape.replaced:
        raise UsageError(f"this {shape.model_type} has parts that no shape expresses, so it is not written anew")
    lacking: dict[str, list[str]] = {}
    for family in FAMILIES.values():
        if family.export is None or family.export.experts == shape.is_dense:
            continue
        try:
            return {"model_type": family.model_type, **family.export.config(shape, router or Router())}
        except UsageError as reason:
            lacking.setdefault(str(reason), []).append(family.model_type)
    reasons = "; ".join(f"no {reason} in {', '.join(families)}" for reason, families in lacking.items())
    raise UsageError(f"no Hugging Face configuration expresses this shape: {reasons}")
