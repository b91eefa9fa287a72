"""Configurations of other libraries: Hugging Face's config.json, read for its counts and written for a shape.

A family is one file of data and one line of `FAMILIES`.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from planners.architecture.shape import Shape
from planners.formats import (
    bert,
    bloom,
    cohere,
    cohere2,
    deepseek_v2,
    deepseek_v3,
    deepseek_v32,
    ernie4_5,
    exaone4,
    falcon,
    gemma,
    gemma2,
    gemma3,
    glm,
    glm4,
    glm4_moe,
    gpt2,
    gpt_bigcode,
    gpt_neo,
    gpt_neox,
    gpt_oss,
    gptj,
    granite,
    granitemoe,
    granitemoeshared,
    llama,
    llama4,
    minimax,
    minimax_m2,
    ministral3,
    mistral,
    mixtral,
    nemotron,
    nemotron_h,
    olmo,
    olmo2,
    olmo3,
    olmoe,
    opt,
    phi,
    phi3,
    phimoe,
    qwen2,
    qwen2_moe,
    qwen3,
    qwen3_5,
    qwen3_5_moe,
    qwen3_moe,
    qwen3_next,
    roberta,
    seed_oss,
    smollm3,
    stablelm,
    starcoder2,
    t5,
)
from planners.formats.family import Family
from planners.formats.foreign import Foreign
from planners.formats.reader import read
from planners.formats.writer import is_balanced, with_neutral_gate, write
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
    "bloom": bloom.FAMILY,
    "cohere": cohere.FAMILY,
    "cohere2": cohere2.FAMILY,
    "deepseek_v32": deepseek_v32.FAMILY,
    "ernie4_5": ernie4_5.FAMILY,
    "exaone4": exaone4.FAMILY,
    "falcon": falcon.FAMILY,
    "gemma": gemma.FAMILY,
    "gemma2": gemma2.FAMILY,
    "gemma3_text": gemma3.FAMILY,
    "glm": glm.FAMILY,
    "glm4": glm4.FAMILY,
    "gpt_bigcode": gpt_bigcode.FAMILY,
    "gpt_neo": gpt_neo.FAMILY,
    "gpt_neox": gpt_neox.FAMILY,
    "gptj": gptj.FAMILY,
    "granite": granite.FAMILY,
    "granitemoe": granitemoe.FAMILY,
    "granitemoeshared": granitemoeshared.FAMILY,
    "llama4_text": llama4.FAMILY,
    "minimax": minimax.FAMILY,
    "minimax_m2": minimax_m2.FAMILY,
    "ministral3": ministral3.FAMILY,
    "nemotron": nemotron.FAMILY,
    "nemotron_h": nemotron_h.FAMILY,
    "olmo": olmo.FAMILY,
    "olmo3": olmo3.FAMILY,
    "opt": opt.FAMILY,
    "phi": phi.FAMILY,
    "phi3": phi3.FAMILY,
    "phimoe": phimoe.FAMILY,
    "qwen2": qwen2.FAMILY,
    "qwen3_5_text": qwen3_5.FAMILY,
    "qwen3_5_moe_text": qwen3_5_moe.FAMILY,
    "qwen3_next": qwen3_next.FAMILY,
    "roberta": roberta.FAMILY,
    "xlm-roberta": bert.FAMILY,
    "seed_oss": seed_oss.FAMILY,
    "smollm3": smollm3.FAMILY,
    "stablelm": stablelm.FAMILY,
    "starcoder2": starcoder2.FAMILY,
    "t5": t5.FAMILY,
}
"""Families by `model_type`; a shape is written in the first that expresses it."""

__all__ = ["FAMILIES", "Foreign", "from_hf", "to_hf"]


def from_hf(config: Mapping[str, Any]) -> Foreign:
    """Return the model that `config`, the content of a config.json, describes.

    Its `total` is the parameter count of the model that transformers 5.23 builds from it; tied weights count once.
    Absent keys have that library's defaults. Of a model with a `text_config` the language model is read. A family of
    another name is found by the class in `architectures`. Raises UsageError for an unknown family, for a key that no
    model can have, and for a size under a name that the family does not read.

    >>> model = from_hf({"model_type": "mixtral"})
    >>> model.total, round(model.r_a, 3)
    (46702792704, 0.272)
    """
    wrapper = _text_model(config)
    if wrapper:
        return _of_wrapper(config, wrapper)
    model_type = config.get("model_type")
    if isinstance(model_type, str) and model_type in FAMILIES:
        return read(model_type, FAMILIES[model_type], config)
    known = _by_class(config)
    if known:
        found = read(known, FAMILIES[known], config)
        stated = "without a model_type" if model_type is None else f"model_type {str(model_type)[:40]!r}"
        return replace(found, notes=(f"{stated}, counted as {known} after its architectures", *found.notes))
    reason = NO_TYPE if model_type is None else f"model_type {str(model_type)[:40]!r} cannot be counted"
    raise UsageError(f"{reason}; the known ones are {', '.join(sorted(FAMILIES))}")


NO_TYPE = "no model_type is in it"
TEXT_MODELS = ("text_config", "llm_config", "language_config")
"""Keys under which a model of several media keeps its language model."""


def _text_model(config: Mapping[str, Any]) -> str | None:
    """Return the key under which the language model of a larger model is described."""
    return next((key for key in TEXT_MODELS if isinstance(config.get(key), dict)), None)


def _of_wrapper(config: Mapping[str, Any], key: str) -> Foreign:
    """Return the language model of a larger model, with a note that says what is left out."""
    inner = config[key]
    if any(isinstance(inner.get(name), dict) for name in TEXT_MODELS):
        raise UsageError(f"{key} holds another model of several media; give the innermost text_config as a file")
    outer = {name: config[name] for name in ("tie_word_embeddings",) if name in config and name not in inner}
    try:
        found = from_hf({**outer, **inner})
    except UsageError as error:
        raise UsageError(f"{key} of this {str(config.get('model_type'))[:40]}: {error}") from error
    note = f"counted is {key}, the language model of this {str(config.get('model_type'))[:40]}, without its other parts"
    return replace(found, notes=(note, *found.notes))


def _by_class(config: Mapping[str, Any]) -> str | None:
    """Return the family of the first of `architectures`, the classes that a configuration names."""
    classes = config.get("architectures")
    name = classes[0] if isinstance(classes, list) and classes and isinstance(classes[0], str) else ""
    stem = re.split(r"For[A-Z]|Model$|LMHead", name)[0].lower()
    return next((family for family in FAMILIES if family.replace("_", "").removesuffix("text") == stem), None)


def to_hf(shape: Shape, router: Router | None = None) -> dict[str, Any]:
    """Return the content of a config.json whose model has the parts of `shape`, to the parameter.

    The model has the sizes, norms and positions of this toolkit's model and computes the same function. With `router`,
    a family that routes and balances as it says is preferred, even if it needs a few more parameters: a gate that is
    constant (`Family.neutral_gate`). Sentences under `differs` say where the function is another, those under
    `approximate` where training is. Without `router` the parameters alone decide. Raises UsageError that says what each
    family lacks where none expresses the shape.

    >>> shape = make_plan(replace(preset("smoke"), data=None)).runs[-1].shape
    >>> config = to_hf(shape)
    >>> from_hf(config).total == shape.total
    True
    """
    if isinstance(shape, Foreign) and shape.extras:
        raise UsageError(f"this {shape.model_type} has parts that no shape describes, so it cannot be written")
    lacking: dict[str, list[str]] = {}
    found: list[dict[str, Any]] = []
    settings = router or Router()
    for model_type, family in FAMILIES.items():
        if family.constants is None or family.has_experts == shape.is_dense:
            continue
        try:
            found.append({"model_type": model_type, **write(family, shape, settings)})
        except UsageError as reason:
            lacking.setdefault(str(reason), []).append(model_type)
        if router and family.neutral_gate and not shape.shared_gate:
            with suppress(UsageError):
                found.append({"model_type": model_type, **write(family, with_neutral_gate(shape), settings)})
    if not found:
        reasons = "; ".join(f"{reason} is not in {', '.join(families)}" for reason, families in lacking.items())
        raise UsageError(f"no Hugging Face configuration expresses this shape: {reasons}")
    if router is None:
        return found[0]
    return min(found, key=lambda config: ("differs" in config, not is_balanced(FAMILIES[config["model_type"]], router)))
