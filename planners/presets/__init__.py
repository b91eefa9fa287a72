"""Named questions: numbers with their source. A preset is one small file and one line of `PRESETS`.

preset("smoke")
"""

from collections.abc import Callable, Mapping

from planners.presets.gpu_day import gpu_day
from planners.presets.laptop import laptop, laptop_grid, laptop_tuning
from planners.presets.laptop_cell import laptop_reuse, laptop_topk
from planners.presets.laptop_surface import laptop_surface, laptop_surface_tuning
from planners.presets.li2025 import li2025_2b, li2025_3b, li2025_7b
from planners.presets.smoke import smoke
from planners.presets.tinystories import tinystories_moe
from planners.question import Question
from planners.records.registry import look_up

PRESETS: Mapping[str, Callable[[], Question]] = {
    "smoke": smoke,
    "laptop": laptop,
    "laptop-grid": laptop_grid,
    "laptop-tuning": laptop_tuning,
    "laptop-surface": laptop_surface,
    "laptop-surface-tuning": laptop_surface_tuning,
    "laptop-topk": laptop_topk,
    "laptop-reuse": laptop_reuse,
    "gpu-day": gpu_day,
    "tinystories-moe": tinystories_moe,
    "li2025-2b": li2025_2b,
    "li2025-3b": li2025_3b,
    "li2025-7b": li2025_7b,
}
"""Functions by the name of the question that they return; a preset with many arms is built only when it is used."""


def preset(name: str) -> Question:
    """Return the question called `name`. Raises UsageError that lists the known names.

    >>> preset("smoke").budgets
    (100000000000.0,)
    """
    return look_up(PRESETS, name, "preset")()
