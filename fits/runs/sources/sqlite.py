"""Databases of loggers: SQLite files, opened for reading only."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

START = b"SQLite format 3\x00"
"""The first bytes of every SQLite file."""


def rows(path: Path, query: str) -> list[Sequence[Any]]:
    """Return the rows of a query. Raises ValueError for a damaged file."""
    import sqlite3

    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
            return database.execute(query).fetchall()
    except sqlite3.Error as error:
        raise ValueError(str(error)) from error


def has_tables(content: bytes, *names: bytes) -> bool:
    """Return whether a SQLite file holds the tables; their definitions stand in the file as text."""
    return content.startswith(START) and all(b"CREATE TABLE" in content and name in content for name in names)
