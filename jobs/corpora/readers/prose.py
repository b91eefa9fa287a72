"""Prose of the running Python: docstrings of its standard library and topics of pydoc, about 2 MB of English."""

from collections.abc import Iterator
from inspect import cleandoc
from pathlib import Path

from jobs.corpora.readers import stdlib
from jobs.corpora.readers.reader import Reader
from planners.records.errors import UsageError


def documents(argument: str) -> Iterator[bytes]:
    """Yield each docstring with more than `stdlib.LEAST` characters, then each topic of pydoc."""
    for path in files(argument):
        for docstring in stdlib.docstrings(path.read_bytes()):
            yield cleandoc(str(docstring.value)).encode("utf-8", "ignore")
    try:
        from pydoc_data.topics import topics
    except ImportError:  # some distributions of Python leave it out
        return
    for name in sorted(topics):
        yield str(topics[name]).encode()


def size(argument: str) -> int | None:
    """Return None: the size of the prose is known only when it has been read."""
    return None


def files(argument: str) -> list[Path]:
    """Return the source files that are searched. Raises UsageError for an argument: this corpus accepts none."""
    if argument:
        raise UsageError(f"the corpus prose accepts no argument, but got {argument!r}; write prose alone")
    return stdlib.files("")


READER = Reader(example="prose", documents=documents, files=files, size=size)
