"""The one exception that is a sentence for the user, and what is said without one."""

import sys
from functools import cache


class UsageError(Exception):
    """A mistake of the caller: says what is wrong, with which value, and what to do next.

    Every command prints it as one line without a traceback and exits with status 2.
    """


@cache
def warn(sentence: str) -> None:
    """Say on standard error what a person should know; once, however often it is come across."""
    print(f"warning: {sentence}", file=sys.stderr)
