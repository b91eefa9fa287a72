"""Run tables that papers or their readers published, as CSV beside this file; SOURCES.md says where each is from.

published("chinchilla_kyotakano234").path
"""

from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from planners.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class PublishedRuns:
    """One published table and how its columns are called here."""

    name: str
    """How it is asked for."""
    file: str
    """File name of the CSV beside this module."""
    columns: MappingProxyType[str, str]
    """Our column name -> the table's, for the columns that are named differently."""
    source: str
    """Who published the numbers, in which paper or repository, under which licence."""

    @property
    def path(self) -> Path:
        """The CSV file."""
        return Path(__file__).parent / self.file


PUBLISHED = MappingProxyType(
    {
        runs.name: runs
        for runs in (
            PublishedRuns(
                name="chinchilla_kyotakano234",
                file="chinchilla_kyotakano234.csv",
                columns=MappingProxyType({"N": "n_params", "D": "n_tokens", "C": "flops"}),
                source="read off Fig. 4 of arXiv 2203.15556 by kyo-takano/chinchilla 75e5858f, Apache-2.0",
            ),
            PublishedRuns(
                name="li2025",
                file="li2025_runs.csv",
                columns=MappingProxyType({"loss": "bpc"}),
                source="tables 9 to 17 of arXiv 2506.12119 v2 (CC-BY-4.0)",
            ),
        )
    }
)


def published(name: str) -> PublishedRuns:
    """Return the published table `name`. Raises UsageError that lists the known names."""
    if name not in PUBLISHED:
        raise UsageError(f"no published run table is called {name!r}; known: {', '.join(PUBLISHED)}")
    return PUBLISHED[name]
