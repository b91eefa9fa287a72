"""The version of the toolkit, which every record and every file of fits states."""

from functools import cache
from importlib.metadata import PackageNotFoundError, version


@cache
def toolkit_version() -> str:
    """Return the installed version, or `unknown` where the toolkit runs without being installed."""
    try:
        return version("scaling")
    except PackageNotFoundError:
        return "unknown"
