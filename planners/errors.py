"""The one exception that is a sentence for the user."""


class UsageError(Exception):
    """A mistake of the caller: says what is wrong, with which value, and what to do next.

    Every command prints it as one line without a traceback and exits with status 2.
    """
