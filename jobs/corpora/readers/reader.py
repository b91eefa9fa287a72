"""What a kind of corpus must provide: a `Reader` yields documents, a `Generator` makes tokens without documents."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from jobs.corpora.generated import Language
from jobs.corpora.left_out import LeftOut
from jobs.corpora.tokens import TokenStore


@dataclass(frozen=True, kw_only=True)
class Reader:
    """Reads the documents of one kind of source, named by an argument such as a path, and by options."""

    example: str
    """How a user names such a corpus, such as text:PATH."""
    documents: Callable[..., Iterator[bytes | LeftOut]]
    """(argument, **options): yields the documents, and LeftOut for each that it leaves out.

    Raises UsageError if they cannot be read."""
    files: Callable[[str], list[Path]]
    """(argument): returns the local files that are read, possibly none; a changed file is read again."""
    size: Callable[..., int | None]
    """(argument, **options): returns the bytes to read, for the progress bar; None if unknown."""
    options: tuple[str, ...] = ()
    """Names of the options that it accepts."""


@dataclass(frozen=True, kw_only=True)
class Generator:
    """Generates the tokens of one kind of source. It reads no files."""

    example: str
    """How a user names such a corpus."""
    store: Callable[..., TokenStore]
    """(argument, **options): returns the store. Raises UsageError for an unknown argument or option value."""
    language: Callable[[str], Language]
    """(key): returns the language that a manifest names."""
    options: tuple[str, ...] = ()
    """Names of the options that it accepts."""
