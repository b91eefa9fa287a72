"""Run tables that papers or their readers published: a folder for each paper, with its rows and their source.

published("chinchilla_kyotakano234").path
"""

from collections.abc import Mapping

from planners.published import chinchilla, clark, gadre, li2025, muennighoff, porian
from planners.published.published_runs import PublishedRuns
from planners.records.registry import look_up

__all__ = ["PUBLISHED", "PublishedRuns", "published"]

PUBLISHED: Mapping[str, PublishedRuns] = {
    "chinchilla_kyotakano234": chinchilla.RUNS,
    "clark2022_routed": clark.RUNS,
    "gadre2024_overtraining": gadre.RUNS,
    "muennighoff2023_reuse": muennighoff.RUNS,
    "porian2024_isoflop": porian.ISOFLOP,
    "porian2024_optimal_pairs": porian.OPTIMAL_PAIRS,
    "li2025": li2025.RUNS,
}


def published(name: str) -> PublishedRuns:
    """Return the published table `name`. Raises UsageError that lists the known names."""
    return look_up(PUBLISHED, name, "published run table")
