"""Named questions: numbers with their source, one small file a preset and one line here. Each is built when asked for.

preset("smoke")
"""

from collections.abc import Callable, Iterator, Mapping
from functools import cache

from planners.presets.gpu_day import gpu_day
from planners.presets.laptop import laptop, laptop_grid, laptop_tuning
from planners.presets.li2025 import li2025_2b, li2025_3b, li2025_7b
from planners.presets.smoke import smoke
from planners.presets.tinystories import tinystories_moe
from planners.question import Question
from planners.records.errors import UsageError

_BUILDERS: dict[str, Callable[[], Question]] = {
    "smoke": smoke,
    "laptop": laptop,
    "laptop-grid": laptop_grid,
    "laptop-tuning": laptop_tuning,
    "gpu-day": gpu_day,
    "tinystories-moe": tinystories_moe,
    "li2025-2b": li2025_2b,
    "li2025-3b": li2025_3b,
    "li2025-7b": li2025_7b,
}


class _Presets(Mapping[str, Question]):
    """The questions by name; a question is built the first time that it is looked up."""

    def __getitem__(self, name: str) -> Question:
        return _built(name)

    def __iter__(self) -> Iterator[str]:
        return iter(_BUILDERS)

    def __len__(self) -> int:
        return len(_BUILDERS)

    def __contains__(self, name: object) -> bool:
        return name in _BUILDERS


@cache
def _built(name: str) -> Question:
    return _BUILDERS[name]()


PRESETS: Mapping[str, Question] = _Presets()


def preset(name: str) -> Question:
    """Return the question called `name`. Raises UsageError that lists the known ones."""
    if name not in PRESETS:
        raise UsageError(f"preset {name!r} is not one of {', '.join(PRESETS)}")
    return PRESETS[name]
