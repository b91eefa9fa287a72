"""Engines that a planned run can be exported to. An engine is one file of mostly data, and one line of `ENGINES`."""

from collections.abc import Mapping

from jobs.engines import hf, megatron, olmo_core, torchtitan
from jobs.engines.engine import Engine

ENGINES: Mapping[str, Engine] = {
    "hf": hf.ENGINE,
    "megatron": megatron.ENGINE,
    "torchtitan": torchtitan.ENGINE,
    "olmo-core": olmo_core.ENGINE,
}
"""Engines by the name that commands take."""
