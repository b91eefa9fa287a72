"""The rung of `laptop`: the compute per run at which the whole study takes about eight minutes on this machine.

C is one of a few fixed values, so that two machines on one rung train the same runs, with the same ids.
"""

import math
from dataclasses import replace

from jobs.machine import places
from jobs.speed import measured_speed
from planners import RunSpec, Study, make_plan
from planners.presets.laptop import LADDER, REFERENCE_ARM, REFERENCE_SPEED, RUNG_S, TUNED_AT, laptop
from planners.question import Question
from planners.records.quantity import format_quantity

GOAL_S = 480.0
"""Seconds of training that a study should take, all workers of this machine together."""


def on_a_rung(asked: Question, study: Study) -> tuple[Question, str]:
    """Return the question at the rung that its folder holds, or else at the one that suits this machine; and why."""
    if study.question_path.is_file():
        budgets = study.asked().question.budgets
        if len(budgets) == 1 and budgets[0] in LADDER:
            return replace(asked, budgets=budgets), ""
    workers = places(asked.threads)
    speed = measured_speed(_reference(), workers)
    seconds = {C: expected_s(C, speed, workers) for C in LADDER}
    C = nearest(seconds)
    why = (
        f"{workers} worker{'s' * (workers > 1)} of {format_quantity(speed)} tokens/s ({REFERENCE_ARM}):"
        f" C = {C:g} FLOPs a run, about {seconds[C] / 60:.0f} min of training in all (--budget takes another)"
    )
    return replace(asked, budgets=(C,)), why


def expected_s(C: float, speed: float, workers: int) -> float:
    """Return the seconds that the study takes at C where the reference arm trains at `speed` tokens/s a worker."""
    return RUNG_S[C] * REFERENCE_SPEED / speed / workers


def nearest(seconds: dict[float, float]) -> float:
    """Return the rung whose time is nearest to the goal, as a ratio."""
    return min(seconds, key=lambda C: abs(math.log(seconds[C] / GOAL_S)))


def _reference() -> RunSpec:
    plan = make_plan(replace(laptop(TUNED_AT), data=None))
    return next(run for run in plan.runs if run.arm == REFERENCE_ARM)
