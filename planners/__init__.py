"""Planning: shapes, counts, FLOPs, matching, recipes and the study folder. Imports neither other packages nor torch."""

from planners.architecture.flops import flops_by_part, flops_per_token
from planners.architecture.shape import Shape
from planners.formats import from_hf, to_hf
from planners.grid import Plan, make_plan
from planners.presets import preset
from planners.question import Corpus, GivenArm, Question
from planners.records.errors import UsageError
from planners.spec import Data, Router, RunSpec, Training
from planners.study import Study
from planners.varied_fields import Varied

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
