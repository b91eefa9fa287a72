"""The kinds of layers of a model that has one block a layer."""

from planners.formats.config_keys import ConfigKeys
from planners.records.errors import UsageError

BLOCKS = {"M": "linear_attention", "E": "moe", "*": "full_attention", "-": "mlp"}
"""Letter of `hybrid_override_pattern` -> name in `layers_block_type`."""


def block_kinds(keys: ConfigKeys) -> list[str]:
    """Return the kind of each layer of a Nemotron-H."""
    kinds = keys.words("layers_block_type", tuple(BLOCKS.values()))
    if kinds is None:
        pattern = keys.text("hybrid_override_pattern")
        if not pattern or set(pattern) - BLOCKS.keys():
            keys.refuse("hybrid_override_pattern", f"letters of {''.join(BLOCKS)}")
        kinds = [BLOCKS[letter] for letter in pattern]
    if not kinds:
        raise UsageError("layers_block_type is empty, expected the kinds of the layers")
    return kinds
