"""The head of a model, where `architectures` names another than the language model's."""

from collections.abc import Mapping
from typing import Any

from planners.architecture.shape import Shape
from planners.formats.foreign import Extra

LANGUAGE_MODELS = ("ForCausalLM", "LMHeadModel", "ForMaskedLM", "ForConditionalGeneration", "ForPreTraining")
"""Ends of the names of classes whose head is counted as the language model's."""


def other_head(config: Mapping[str, Any], shape: Shape, *, plain: bool) -> dict[str, Any]:
    """Return the head of a classifier or of a model without a head, and a note that says so; else nothing.

    `plain` says whether the language model's head is a single matrix.
    """
    architectures = config.get("architectures")
    name = architectures[0] if isinstance(architectures, list) and architectures else None
    if not isinstance(name, str) or name.endswith(LANGUAGE_MODELS):
        return {}
    if not plain or not name.endswith(("ForSequenceClassification", "Model")):
        return {"notes": (f"the head of a language model is counted, not the head of {name[:60]}",)}
    labels = _labels(config) if name.endswith("ForSequenceClassification") else 0
    scores = labels * shape.d_model
    head = Extra(
        name="head", parameters=scores - shape.parts["head"], products=scores - shape.vocab_size * shape.d_model
    )
    what = f"its head gives {labels} scores" if labels else "it has no head"
    return {"extras": (head,), "notes": (f"counted as {name[:60]}: {what}",)}


def _labels(config: Mapping[str, Any]) -> int:
    """Return the number of classes, 2 by the library's default."""
    words, count = config.get("id2label"), config.get("num_labels")
    if isinstance(words, dict):
        return len(words)
    return count if type(count) is int and 0 < count < 10**6 else 2
