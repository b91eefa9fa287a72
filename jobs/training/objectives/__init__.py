"""Training objectives: each is one small file here and one line of `OBJECTIVES`."""

from jobs.corpora.mixture import Mixture
from jobs.training.objectives.answers import Answers
from jobs.training.objectives.masked import Masked
from jobs.training.objectives.next_token import NextToken
from jobs.training.objectives.objective import Objective
from planners.records.registry import look_up
from planners.spec import RunSpec

OBJECTIVES: dict[str, type[Objective]] = {"next_token": NextToken, "answers": Answers, "masked": Masked}
"""Objectives by name in `Training.objective`; `planners.spec.OBJECTIVES` has the same names (a test compares)."""


def objective_of(spec: RunSpec, corpus: Mixture | None = None) -> Objective:
    """Return the objective that a run is planned with. Raises UsageError for a name that is not in `OBJECTIVES`."""
    return look_up(OBJECTIVES, spec.training.objective, "objective")(spec, corpus)
