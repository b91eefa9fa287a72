"""Published studies done again from the numbers that they printed: each is one module and one line of REPRODUCTIONS.

Nothing is stored but the published rows: every number and every sentence is computed when the report is written.
"""

from collections.abc import Callable
from importlib import import_module

from planners.errors import UsageError
from reports.paper.reproduction import Reproduction


def _module(name: str) -> Callable[[], Reproduction]:
    """Return what builds a reproduction; its module is imported when it is called."""
    return lambda: import_module(f"reports.paper.{name}").reproduction()


REPRODUCTIONS: dict[str, Callable[[], Reproduction]] = {
    "li2025": _module("li2025"),
}
"""Name on the command line -> what builds it."""


def reproduction(name: str) -> Reproduction:
    """Return the study `name` computed from its published rows. Raises UsageError that lists the known names."""
    if name not in REPRODUCTIONS:
        raise UsageError(f"no published study is called {name!r}; known: {', '.join(REPRODUCTIONS)}")
    return REPRODUCTIONS[name]()
