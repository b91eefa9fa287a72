"""What a published run table is to us: its file, its columns, and who published it."""

from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType


@dataclass(frozen=True, kw_only=True)
class PublishedRuns:
    """One published table, and the names of its columns."""

    name: str
    """Name on the command line and in Python."""
    path: Path
    """The CSV file, in the folder of its paper."""
    columns: MappingProxyType[str, str]
    """Our column name -> the table's, for the columns with another name."""
    source: str
    """Who published the numbers, in which paper or repository, under which licence."""
