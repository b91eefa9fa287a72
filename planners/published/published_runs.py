"""A published run table: its file, its columns, and who published it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class PublishedRuns:
    """One published table, and the names of its columns."""

    path: Path
    """The CSV file, in the folder of its paper."""
    columns: Mapping[str, str]
    """Our column name -> the table's, for the columns with another name."""
    source: str
    """Who published the numbers, in which paper or repository, under which licence."""
