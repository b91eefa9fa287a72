"""Named questions: numbers with their source. A preset is one small file and one line of `PRESETS`.

preset("smoke")
"""

from collections.abc import Callable, Mapping, Sequence

from planners.claims import check_claims, claims_of
from planners.presets.encoder_moe import encoder_moe
from planners.presets.gpu_day import gpu_day
from planners.presets.interference import interference
from planners.presets.laptop import laptop, laptop_grid, laptop_tuning
from planners.presets.laptop_cell import laptop_reuse, laptop_topk
from planners.presets.laptop_surface import laptop_surface, laptop_surface_tuning
from planners.presets.li2025 import li2025_2b, li2025_3b, li2025_7b
from planners.presets.sized import SIZES
from planners.presets.smoke import smoke
from planners.presets.task_conflict import task_conflict, task_conflict_tuning
from planners.presets.tinystories import tinystories_moe
from planners.question import Question
from planners.records.errors import UsageError
from planners.records.registry import look_up

PRESETS: Mapping[str, Callable[..., Question]] = {
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
    "task-conflict": task_conflict,
    "task-conflict-tuning": task_conflict_tuning,
    "interference": interference,
    "encoder-moe": encoder_moe,
    "li2025-2b": li2025_2b,
    "li2025-3b": li2025_3b,
    "li2025-7b": li2025_7b,
}
"""Functions by the name of the question that they return; a preset with many arms is built only when it is used."""


SIZED: Mapping[str, Sequence[str]] = {
    "task-conflict": SIZES,
    "interference": SIZES,
    "encoder-moe": SIZES,
    "tinystories-moe": ("gpu", "laptop", "smoke"),
}
"""The sizes of the presets that have several, the default first."""


def preset(name: str, size: str | None = None) -> Question:
    """Return the question called `name`, at one of its sizes. Raises UsageError that lists the known names or sizes.

    >>> preset("smoke").budgets
    (100000000000.0,)
    >>> len(preset("task-conflict", "smoke").arms)
    8
    """
    make = look_up(PRESETS, name, "preset")
    if size is not None and size not in SIZED.get(name, ()):
        sizes = ", ".join(SIZED[name]) if name in SIZED else "none: it has one size"
        raise UsageError(f"size {size!r} of the preset {name} is not one of {sizes}")
    found = make() if size is None else make(size)
    if found.claims is not None and size != "smoke":  # a smoke test trains some of the arms
        check_claims(claims_of(found.claims), (arm.label for arm in found.arms))
    return found
