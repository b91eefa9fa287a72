"""Packages that import a name when it is first used, so that importing the package itself is quick."""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy_names(
    package: str, homes: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Return `__getattr__`, `__dir__` and `__all__` of `package`; `homes` maps a module to the names that it brings."""
    home = {name: module for module, names in homes.items() for name in names.split()}

    def find(name: str) -> Any:
        """Return the object called `name`, and keep it in the package. Raises AttributeError for another name."""
        if name not in home:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        found = getattr(import_module(home[name]), name)
        setattr(sys.modules[package], name, found)
        return found

    return find, lambda: sorted({*vars(sys.modules[package]), *home}), sorted(home)
