"""A progress bar with the time that is left, for reading what takes longer than two seconds."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress(what: str, total: int | None) -> Iterator[Callable[[int], object]]:
    """Give a function that adds bytes to a bar on standard error; without a total it has no time left to show."""
    from tqdm import tqdm

    with tqdm(desc=what, total=total or None, unit="B", unit_scale=True, delay=2) as bar:
        yield bar.update
