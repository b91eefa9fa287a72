"""The reader of Hugging Face configurations: one for all families, with the conditions on their heads."""

from collections.abc import Iterator, Mapping
from typing import Any

from planners.architecture.shape import Shape
from planners.formats.config_keys import ConfigKeys
from planners.formats.family import Family
from planners.formats.foreign import Extra, Foreign
from planners.records.errors import UsageError

EXPERT_FIELDS = ("n_experts", "top_k", "d_expert", "d_shared")
"""Fields of a shape that are read only where a layer has experts."""


def read(model_type: str, family: Family, config: Mapping[str, Any]) -> Foreign:
    """Return the model that `config` describes. Raises UsageError for a value that no model can have."""
    keys = ConfigKeys(config, family.defaults, family.aliases)
    for key in family.refused:
        if keys.is_set(key):
            keys.refuse(key, "false or null: with it the library builds parts that cannot be counted here")
    _check_experts(family, config)
    fields = _sizes(family, keys)
    layers = family.layers.read(keys, fields["n_layers"])
    notes = layers.pop("notes", ())
    if layers:
        fields |= layers | _experts(family, keys)
        if "d_ff" not in family.keys:  # no dense FFN: d_ff is the width of what one token uses
            fields["d_ff"] = fields["top_k"] * fields["d_expert"]
    shape = Shape(**fields)
    found = [rule(keys, shape) for rule in family.parts]
    plain = all(extra.name != "head" for rule in found for extra in rule.get("extras", ()))
    found.append(other_head(config, shape, plain=plain))
    extras = tuple(extra for rule in found for extra in rule.pop("extras", ()))
    notes = (*notes, *(note for rule in found for note in rule.pop("notes", ())), *_notes(family, config, keys))
    others = {name: value for rule in found for name, value in rule.items()}
    return Foreign(model_type=model_type, **fields, **others, extras=extras, notes=notes)


def _check_experts(family: Family, config: Mapping[str, Any]) -> None:
    """Raise UsageError for experts in a family that has none: the library would ignore them."""
    for key in ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts"):
        count = config.get(key)
        if not family.has_experts and type(count) is int and count > 1:
            raise UsageError(f"{key} is {count}, but this family has no experts; correct model_type or remove {key}")


def _sizes(family: Family, keys: ConfigKeys) -> dict[str, Any]:
    """Return the fields of a shape whose layers are all dense."""
    fields: dict[str, Any] = {**family.fixed}
    fields |= {name: word if keys.flag(key) else "none" for name, (key, word) in family.switches.items()}
    for name, key in family.keys.items():
        if name not in EXPERT_FIELDS:
            fields[name] = _field(family, name, key, keys)
    if family.n_layers:
        fields["n_layers"] = family.n_layers(keys)
    d_model, n_heads = fields["d_model"], fields["n_heads"]
    if family.heads != "free" and d_model % n_heads:
        keys.refuse(family.keys["d_model"], f"a multiple of {family.keys['n_heads']} {n_heads}")
    usual = {"n_kv_heads": n_heads, "head_dim": d_model // n_heads, "d_ff": 4 * d_model}
    fields |= {name: value for name, value in usual.items() if fields.get(name) is None}
    if family.heads == "exact" and fields["head_dim"] * n_heads != d_model:
        keys.refuse("head_dim", f"{family.keys['d_model']} / {family.keys['n_heads']}")
    return {**fields, "n_dense_layers": fields["n_layers"]}


def _field(family: Family, name: str, key: str, keys: ConfigKeys) -> Any:
    if isinstance(family.defaults[key], bool):
        return keys.flag(key)
    # null leaves these to the library: as many key-value heads as heads, which share d_model; 4 d_model
    nullable = name in ("n_kv_heads", "head_dim") or family.defaults[key] is None
    return keys.optional(key) if nullable else keys.size(key)


def _experts(family: Family, keys: ConfigKeys) -> dict[str, Any]:
    """Return the fields of a shape with experts that no dense model has."""
    fields: dict[str, Any] = {**family.fixed_experts}
    for name in EXPERT_FIELDS:
        if name in family.keys:
            fields[name] = keys.size(family.keys[name], least=0 if name == "d_shared" else 1)
    if family.shared_experts:
        fields["d_shared"] = fields["d_expert"] * keys.size(family.shared_experts, least=0)
    if not fields.get("d_shared"):  # a shape has no gate without a shared expert
        fields.pop("shared_gate", None)
    return fields


def _notes(family: Family, config: Mapping[str, Any], keys: ConfigKeys) -> Iterator[str]:
    """Yield what the counts assume and what they leave out."""
    sizes = {key: value for key, value in keys.absent.items() if type(value) is int}
    if sizes:
        assumed = ", ".join(f"{key} {value}" for key, value in sizes.items())
        yield f"not in the file, so the library's default: {assumed}"
    window = config.get("sliding_window", family.sliding_window)
    if type(window) is int and window > 0 and config.get("use_sliding_window", family.uses_window) is True:
        yield f"attention in a sliding window of {window} is counted as if it saw all positions"
    for key, usual in family.not_built.items():
        if config.get(key) not in (None, usual):
            yield f"the library does not build {key}, so it is not counted"


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
    is_bare = name.endswith("Model") and "For" not in name
    if not plain or not (is_bare or name.endswith("ForSequenceClassification")):
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
