"""Released mixture-of-experts models, counted from their own configurations: where practice sits.

for model in released_models():
    print(model.name, model.N, model.r_a)
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from planners.formats import from_hf
from planners.records.files import read_jsonl

FILE = Path(__file__).with_name("configs.jsonl")
ONE_DEVICE = 80e9
"""Bytes of memory of one accelerator."""
BYTES = 2
"""Bytes of a parameter in 16 bits."""


@dataclass(frozen=True, kw_only=True)
class ReleasedModel:
    """A released model and its counts."""

    name: str
    """Name."""
    source: str
    """Where its configuration, or its count, was read."""
    N: float
    """Parameters without the vocabulary."""
    r_a: float
    """Share of N that is active per token."""
    counted: bool = True
    """Whether it was counted from its configuration; otherwise its report states the numbers, read second-hand."""

    @property
    def fits_one_device(self) -> bool:
        """Whether its weights in 16 bits fit one accelerator of 80 GB: then memory is what limits its N."""
        return self.N * BYTES <= ONE_DEVICE


STATED = tuple(
    ReleasedModel(name=name, source="arXiv 2605.27358, read second-hand", N=N, r_a=active / N, counted=False)
    for name, active, N in (("MobileMoE S", 272e6, 1.3e9), ("MobileMoE M", 528e6, 2.8e9), ("MobileMoE L", 922e6, 5.3e9))
)
"""Models whose configuration was not seen; their counts may include the vocabulary."""


@cache
def released_models() -> tuple[ReleasedModel, ...]:
    """Return the models, smallest first."""
    rows, _ = read_jsonl(FILE)
    counted = []
    for row in rows:
        shape = from_hf(row["config"])
        source = f"config.json of {row['repository']}"
        counted.append(ReleasedModel(name=row["name"], source=source, N=float(shape.N), r_a=shape.r_a))
    return tuple(sorted([*counted, *STATED], key=lambda model: model.N))
