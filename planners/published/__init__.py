"""Run tables that papers or their readers published: a folder for each paper, with its rows and their source.

published("chinchilla_kyotakano234").path
"""

from collections.abc import Mapping
from types import MappingProxyType

from planners.published import chinchilla, clark, gadre, li2025, muennighoff, porian
from planners.published.published_runs import PublishedRuns
from planners.records.errors import UsageError

__all__ = ["PUBLISHED", "PublishedRuns", "published"]

PAPERS = (chinchilla, clark, gadre, muennighoff, porian, li2025)
PUBLISHED: Mapping[str, PublishedRuns] = MappingProxyType({runs.name: runs for paper in PAPERS for runs in paper.RUNS})


def published(name: str) -> PublishedRuns:
    """Return the published table `name`. Raises UsageError that lists the known names."""
    if name not in PUBLISHED:
        raise UsageError(f"no published run table is called {name!r}; known: {', '.join(PUBLISHED)}")
    return PUBLISHED[name]
