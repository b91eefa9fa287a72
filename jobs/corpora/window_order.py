"""The order in which a run reads windows: exact shares of domains and exact repeats, readable from any position.

Token counts are counts of inputs: a window of T tokens has T inputs and T targets. Its last target is the first input
of the next window.
"""

from collections.abc import Sequence
from fractions import Fraction
from math import ceil, lcm

import numpy as np

LARGEST_PERIOD = 10**6
"""Largest common denominator of shares that is accepted; their pattern is that long."""


def period(shares: Sequence[Fraction]) -> int:
    """Return the common denominator of the shares, after which their pattern repeats."""
    return lcm(*(share.denominator for share in shares))


def pattern(shares: Sequence[Fraction], length: int) -> np.ndarray:
    """Return the domain of each of the first `length` windows, at most one period, shape (min(length, period),).

    Every prefix of n windows holds floor(share n) or ceil(share n) windows of every domain. (So does the method of
    largest remainders, but there a shorter prefix need not be part of a longer one.) Window j of a domain is due
    between floor(j / share) and ceil((j + 1) / share). Taking the earliest deadline first meets all deadlines (Steiner
    and Yeomans 1993, the just-in-time sequencing problem).
    """
    length, everyone = min(length, period(shares)), range(len(shares))
    ratios = [(share.numerator, share.denominator) for share in shares]
    counts, releases, deadlines = [0] * len(shares), [0] * len(shares), [ceil(1 / share) for share in shares]
    domains = np.zeros(length, dtype=np.int32)
    for position in range(length):
        chosen = min((domain for domain in everyone if releases[domain] <= position), key=deadlines.__getitem__)
        p, q = ratios[chosen]
        domains[position], counts[chosen] = chosen, counts[chosen] + 1
        releases[chosen] = counts[chosen] * q // p
        deadlines[chosen] = -(-(counts[chosen] + 1) * q // p)
    return domains


class Shares:
    """The number of windows of each domain among the first n of a mixture, and the domain of each window."""

    def __init__(self, shares: Sequence[Fraction], length: int):
        self.pattern = pattern(shares, length)
        self._of_domain = [np.flatnonzero(self.pattern == domain) for domain in range(len(shares))]

    def before(self, n: int) -> list[int]:
        """Return the windows of each domain among the first `n`."""
        periods, rest = divmod(n, len(self.pattern))
        return [periods * len(places) + int(np.searchsorted(places, rest)) for places in self._of_domain]

    def of(self, positions: np.ndarray) -> np.ndarray:
        """Return the domain of the windows at `positions`, same shape."""
        return np.take(self.pattern, positions % len(self.pattern))


class WindowOrder:
    """The order in which a run reads the windows of one domain.

    The first epoch reads `first` as it is; each later one reshuffles it. Arms of one seed therefore read the same
    windows in the same order: for the whole run if they have the same U, else for the first epoch of the smaller U.
    """

    def __init__(self, first: np.ndarray, seed: list[int]):
        self._first, self._seed = first, seed
        self._epoch, self._order = 0, first

    def __call__(self, start: int, count: int) -> np.ndarray:
        """Return the window numbers at positions start … start + count - 1 of the run, shape (count,)."""
        parts = [self._first[:0]]
        while count > 0:
            epoch, offset = divmod(start, len(self._first))
            part = self._of_epoch(epoch)[offset : offset + count]
            parts.append(part)
            start, count = start + len(part), count - len(part)
        return np.concatenate(parts)

    def _of_epoch(self, epoch: int) -> np.ndarray:
        if epoch != self._epoch:
            shuffle = np.random.default_rng([self._seed[0], epoch, *self._seed[1:]]).permutation(len(self._first))
            self._epoch, self._order = epoch, (self._first[shuffle] if epoch else self._first)
        return self._order
