"""Adjustment of p values for the number of tests that are read together."""

from collections.abc import Sequence


def holm(ps: Sequence[float]) -> list[float]:
    """Return the p values adjusted so that all tests together err at most at the level (S. Holm, 1979).

    Scand. J. Stat. 6 (1979) 65. The order is that of `ps`.
    """
    adjusted, highest = [0.0] * len(ps), 0.0
    for rank, at in enumerate(sorted(range(len(ps)), key=lambda at: ps[at])):
        highest = max(highest, min(1.0, (len(ps) - rank) * ps[at]))
        adjusted[at] = highest
    return adjusted
