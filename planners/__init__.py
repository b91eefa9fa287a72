"""Planning: shapes, counts, FLOPs, matching, recipes and the study folder. Imports neither other packages nor torch."""

from typing import TYPE_CHECKING, Any

from planners.architecture.flops import flops_by_part, flops_per_token
from planners.architecture.shape import Shape
from planners.corpus import Corpus
from planners.given_arms import GivenArm
from planners.grid import Plan, make_plan
from planners.presets import preset
from planners.question import Question
from planners.records.errors import UsageError
from planners.spec import Data, Router, RunSpec, Training
from planners.study import Study
from planners.varied_fields import Varied

if TYPE_CHECKING:
    from planners.formats import from_hf, to_hf

__all__ = [
    "Corpus",
    "Data",
    "GivenArm",
    "Plan",
    "Question",
    "Router",
    "RunSpec",
    "Shape",
    "Study",
    "Training",
    "UsageError",
    "Varied",
    "flops_by_part",
    "flops_per_token",
    "from_hf",
    "make_plan",
    "preset",
    "to_hf",
]


def __getattr__(name: str) -> Any:
    if name not in ("from_hf", "to_hf"):
        raise AttributeError(f"module 'planners' has no attribute {name!r}")
    from planners import formats  # some sixty families, which most commands do not need

    return getattr(formats, name)
