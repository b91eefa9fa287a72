"""Claims about mixtures of experts as data: `Claim`, and one table for each study.

claims_of("task-conflict")[0].says
"""

from collections.abc import Mapping

from planners.claims.claim import COLUMNS, Claim, Contrast, Term, check_claims, column_source
from planners.claims.encoder_moe import ENCODER_MOE
from planners.claims.interference import INTERFERENCE
from planners.claims.task_conflict import TASK_CONFLICT
from planners.claims.tinystories_moe import TINYSTORIES_MOE
from planners.records.registry import look_up

CLAIMS: Mapping[str, tuple[Claim, ...]] = {
    "task-conflict": TASK_CONFLICT,
    "interference": INTERFERENCE,
    "encoder-moe": ENCODER_MOE,
    "tinystories-moe": TINYSTORIES_MOE,
}
"""The claims of each study, by the name in `Question.claims`."""


def claims_of(name: str) -> tuple[Claim, ...]:
    """Return the claims of a study. Raises UsageError that lists the known names."""
    return look_up(CLAIMS, name, "table of claims")


__all__ = ["CLAIMS", "COLUMNS", "Claim", "Contrast", "Term", "check_claims", "claims_of", "column_source"]
