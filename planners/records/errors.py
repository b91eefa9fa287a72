"""The exception that is one sentence for the user, and the warning that is printed once."""

import sys
from functools import cache
from importlib.util import find_spec


class UsageError(Exception):
    """A mistake of the user: one sentence that says what is wrong, with which value, and what to do next.

    Every command prints it as one line without a traceback and exits with status 2.
    """


def need_packages(what: str, *names: str) -> None:
    """Raise UsageError, which says how to install them, if packages that `what` needs are not installed.

    >>> need_packages("planning", "json")
    """
    missing = [name for name in names if find_spec(name) is None]
    if missing:
        raise UsageError(
            f"{what} needs {' and '.join(missing)}, which the base install leaves out;"
            " install with: pip install 'scaling[train]'"
        )


@cache
def warn(sentence: str) -> None:
    """Print a warning on standard error; the same sentence is printed only once."""
    print(f"warning: {sentence}", file=sys.stderr)
