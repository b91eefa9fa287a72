"""The exception that is one sentence for the user, and the warning that is printed once."""

import sys
from functools import cache


class UsageError(Exception):
    """A mistake of the user: one sentence that says what is wrong, with which value, and what to do next.

    Every command prints it as one line without a traceback and exits with status 2.
    """


@cache
def warn(sentence: str) -> None:
    """Print a warning on standard error; the same sentence is printed only once."""
    print(f"warning: {sentence}", file=sys.stderr)
