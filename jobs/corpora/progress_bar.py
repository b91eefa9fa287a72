"""A progress bar with the remaining time, for reading that takes longer than two seconds."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress(what: str, total: int | None) -> Iterator[Callable[[int], object]]:
    """Yield a function that adds bytes to a bar on standard error; without a total it shows no remaining time."""
    from tqdm import tqdm

    with tqdm(desc=what, total=total or None, unit="B", unit_scale=True, delay=2) as bar:
        yield bar.update
