"""Planning: shapes, counts, FLOPs, matching, recipes and the study folder. Imports neither other packages nor torch."""

from typing import TYPE_CHECKING

from planners.records.lazy_names import lazy_names

if TYPE_CHECKING:
    from planners.architecture.flops import flops_by_part as flops_by_part, flops_per_token as flops_per_token
    from planners.architecture.shape import Shape as Shape
    from planners.corpus import Corpus as Corpus
    from planners.formats import from_hf as from_hf, to_hf as to_hf
    from planners.given_arms import GivenArm as GivenArm
    from planners.grid import Plan as Plan, make_plan as make_plan
    from planners.presets import preset as preset
    from planners.question import Question as Question
    from planners.records.errors import UsageError as UsageError
    from planners.spec import Data as Data, Router as Router, RunSpec as RunSpec, Training as Training
    from planners.study import Study as Study
    from planners.varied_fields import Varied as Varied

__getattr__, __dir__, __all__ = lazy_names(
    "planners",
    {
        "planners.architecture.flops": "flops_by_part flops_per_token",
        "planners.architecture.shape": "Shape",
        "planners.corpus": "Corpus",
        "planners.formats": "from_hf to_hf",
        "planners.given_arms": "GivenArm",
        "planners.grid": "Plan make_plan",
        "planners.presets": "preset",
        "planners.question": "Question",
        "planners.records.errors": "UsageError",
        "planners.spec": "Data Router RunSpec Training",
        "planners.study": "Study",
        "planners.varied_fields": "Varied",
    },
)
