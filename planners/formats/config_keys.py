"""The keys of a Hugging Face config.json, checked as they are read."""

import json
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, NoReturn

from planners.architecture.shape import LARGEST
from planners.records.errors import UsageError

REQUIRED = object()
"""Default of a key that the library has no default for."""
SYNONYMS = (
    ("num_hidden_layers", "num_layers", "n_layers", "n_layer", "num_blocks", "depth"),
    ("hidden_size", "d_model", "n_embd", "n_embed", "dim", "embed_dim", "model_dim", "hidden_dim"),
    ("num_attention_heads", "num_heads", "n_heads", "n_head", "attention_heads", "num_query_heads"),
    ("num_key_value_heads", "num_kv_heads", "n_kv_heads", "n_kv_head", "n_head_kv", "kv_heads", "num_query_groups"),
    ("head_dim", "head_size", "d_kv", "d_head", "kv_channels", "attention_head_dim"),
    ("intermediate_size", "d_ff", "n_inner", "ffn_dim", "ffn_hidden_size", "feed_forward_size", "mlp_hidden_size"),
    ("vocab_size", "n_vocab", "vocabulary_size", "padded_vocab_size"),
    ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts", "n_experts", "num_routed_experts"),
    ("num_experts_per_tok", "num_experts_per_token", "n_experts_per_tok", "moe_topk", "moe_k", "moe_top_k", "top_k"),
    ("moe_intermediate_size", "expert_intermediate_size", "d_expert", "moe_ffn_hidden_size", "expert_hidden_size"),
    ("n_shared_experts", "num_shared_experts", "moe_num_shared_experts"),
    ("shared_expert_intermediate_size", "moe_shared_expert_intermediate_size", "shared_intermediate_size"),
    ("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len"),
)
"""Names that libraries give to one size. Each family reads one of them and ignores the others."""


class ConfigKeys:
    """A configuration in which absent keys have the library's defaults.

    Every reader raises UsageError, with the key and its value, for a value that no model can have.
    """

    def __init__(self, config: Mapping[str, Any], defaults: Mapping[str, Any], aliases: Mapping[str, str]) -> None:
        self._config, self._defaults, self._aliases = config, defaults, aliases
        self.absent: dict[str, Any] = {}
        """Keys that were read but absent, with the defaults used instead."""

    def size(self, key: str, *, least: int = 1) -> int:
        """Return a whole number of at least `least`."""
        value = self._value(key)
        if type(value) is not int or not least <= value <= LARGEST:
            self.refuse(key, f"a whole number from {least} to {LARGEST}")
        return int(value)

    def optional(self, key: str) -> int | None:
        """Return a whole number of at least 1, or None where the key is null."""
        return None if self._value(key) is None else self.size(key)

    def flag(self, key: str) -> bool:
        """Return true or false."""
        value = self._value(key)
        if not isinstance(value, bool):
            self.refuse(key, "true or false")
        return bool(value)

    def layers(self, key: str) -> frozenset[int] | None:
        """Return a list of layer numbers, or None where the key is null."""
        value = self._value(key)
        if value is not None and not (isinstance(value, list) and all(type(item) is int for item in value)):
            self.refuse(key, "a list of layer numbers")
        return None if value is None else frozenset(value)

    def words(self, key: str, choices: tuple[str, ...]) -> list[str] | None:
        """Return a list of words that are among `choices`, or None where the key is null."""
        value = self._value(key)
        if value is not None and not (isinstance(value, list) and all(item in choices for item in value)):
            self.refuse(key, f"a list of {', '.join(choices)}")
        return None if value is None else list(value)

    def text(self, key: str) -> str:
        """Return a text."""
        value = self._value(key)
        if not isinstance(value, str):
            self.refuse(key, "a text")
        return str(value)

    def is_set(self, key: str) -> bool:
        """Return whether a key is neither absent, null, false nor 0."""
        return self._value(key) not in (None, False, 0)

    def refuse(self, key: str, expected: str) -> NoReturn:
        """Raise the error that says what a key must be."""
        raise UsageError(f"{key} is {_short(self._value(key))}, expected {expected}")

    def _value(self, key: str) -> Any:
        alias = self._aliases.get(key, key)
        if key != alias and {key, alias} <= self._config.keys() and self._config[key] != self._config[alias]:
            raise UsageError(f"{key} and {alias} are two names of one size but differ; remove one")
        for name in (key, alias):
            if name in self._config:
                return self._config[name]
        value = self._defaults[key]
        self._check_names(key)
        if value is REQUIRED:
            raise UsageError(f"{key} is missing, and the library has no default for it")
        self.absent[key] = value
        return value

    def _check_names(self, key: str) -> None:
        """Raise UsageError where an absent key stands in the configuration under a name that the library ignores."""
        unread = self._config.keys() - self._defaults.keys() - set(self._aliases.values())
        other = next((names for names in SYNONYMS if key in names), ())
        found = [name for name in other if name in unread and self._config[name] is not None]
        near = [name for name in unread if type(self._config[name]) is int]
        found = found or get_close_matches(key, sorted(near), 1, 0.92)
        if found:
            raise UsageError(f"{found[0]} is not a key of this family, which reads {key}; rename it")


def _short(value: Any) -> str:
    """Return a value as JSON, at most 40 characters long."""
    try:
        text = json.dumps(value)
    except (TypeError, ValueError, RecursionError):
        text = f"of type {type(value).__name__}"
    return text if len(text) <= 40 else f"{text[:37]}..."
