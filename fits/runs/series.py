"""Series: the runs that one curve of r_a may be drawn through. They share the budget, N and how data is repeated.

A study may hold several: budgets, totals, fresh and repeated data, and whatever else was varied beside the rate.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from fits.runs.table import BUDGET_TOLERANCE, Floats, RunTable, groups_of

CURVE = 3
"""Rates that a curve needs."""
TUNING = ("lr_check", "tuning")
"""Roles of runs at another learning rate or batch than the rule's."""
Part = tuple[str, RunTable]
"""(name, its runs); the name is empty where nothing was split."""


def series(table: RunTable) -> dict[str, RunTable]:
    """Split `table` into its series by name, such as `C1e18-strict`; one series alone is called "".

    By the column `series` where the plan gave one, by C (or by D, where that is what the arms share), by N, and by
    whether data is fresh, repeated to one U (strict) or for one number of epochs (loose). The fresh dense arm belongs
    to every reuse of its budget, since each is compared with it. A series of fewer than three MoE rates is no curve and
    is left out, unless there is no other. Runs that only check or tune a learning rate or a batch are in none.
    """
    parts: list[Part] = [("", _without_tuning(table))]
    for split in (_by_label, _by_amount, _by_total, _by_reuse):
        parts = [
            ("-".join(filter(None, (name, added))), found)
            for name, part in parts
            for added, found in _named(split(part))
        ]
    rates = {name: _rates(part) for name, part in parts}
    for least in (CURVE, 1):
        found = {name: part for name, part in parts if rates[name] >= least}
        if found:
            return found
    return dict(parts[:1])


def _rates(table: RunTable) -> int:
    """Return how many MoE rates there are; where the table has none, three stand for its MoE runs."""
    routed = table.routed()
    if "r_a" not in table.frame:
        return CURVE * bool(routed.any())
    return len(np.unique(table.rates()[routed].round(6)))


def _without_tuning(table: RunTable) -> RunTable:
    if not table.has("role"):
        return table
    tuning = table.frame["role"].isin(TUNING).to_numpy()
    return table if tuning.all() else table.only(~tuning)


def _named(parts: Iterator[Part]) -> list[Part]:
    """Return the parts, without names where there is one."""
    found = list(parts)
    return found if len(found) > 1 else [("", part) for _, part in found]


def _by_label(table: RunTable) -> Iterator[Part]:
    if not table.has("series"):
        yield "", table
        return
    labels = table.frame["series"].fillna("").astype(str).to_numpy()
    for label in dict.fromkeys(labels):
        yield _file_name(label), table.only(labels == label)


def _by_amount(table: RunTable) -> Iterator[Part]:
    """Split by C, or by D where the arms fall into fewer groups of it."""
    if not table.has("C"):
        yield "", table
        return
    budgets = table.by_budget()
    if table.has("D"):
        D = table.numbers("D")
        groups = groups_of(D)
        if max(groups) + 1 < len(budgets):
            yield from ((f"D{_short(D[groups == g])}", table.only(groups == g)) for g in range(max(groups) + 1))
            return
    yield from ((f"C{_short(np.array([C]))}", part) for C, part in budgets.items())


def _by_total(table: RunTable) -> Iterator[Part]:
    """Split by N where several MoE arms share each N; a dense arm of another N is a control of all of them."""
    routed = table.routed()
    if not table.has("N") or not routed.any():
        yield "", table
        return
    N = table.numbers("N")
    groups = np.full(len(N), -1)
    groups[routed] = groups_of(N[routed])
    for g in range(groups.max() + 1):
        middle = np.median(N[groups == g])
        near = ~routed & (np.abs(N / middle - 1) <= BUDGET_TOLERANCE)
        alone = groups.max() == 0
        yield f"N{_short(N[groups == g])}", table.only((groups == g) | near | (~routed & alone))


def _by_reuse(table: RunTable) -> Iterator[Part]:
    if not (table.has("D") and table.has("U")):
        yield "", table
        return
    D, U = table.numbers("D"), table.numbers("U")
    repeated = D > U * (1 + 1e-9)
    dense = ~table.routed() & ~repeated
    if (~repeated).any():
        yield "", table.only(~repeated)
    for name, chosen in schemes(D, U, repeated):
        yield name, table.only(chosen | dense)


def schemes(D: Floats, U: Floats, repeated: NDArray[np.bool_]) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Return the runs on repeated data, shape (n,), scheme by scheme: of each U that several D share (strict), then of
    each number of epochs among those left (loose). Where all share one D and one U nothing tells the two apart.
    """
    if repeated.any() and max(np.ptp(np.log(D[repeated])), np.ptp(np.log(U[repeated]))) <= BUDGET_TOLERANCE:
        yield "repeated", repeated
        return
    groups = np.where(repeated, groups_of(U), -1)
    shared = [groups == g for g in np.unique(groups[repeated])]
    strict = [chosen for chosen in shared if np.ptp(np.log(D[chosen])) > BUDGET_TOLERANCE]
    left = repeated & ~np.any([np.zeros(len(D), bool), *strict], axis=0)
    groups = np.where(left, groups_of(D / U), -1)
    loose = [groups == g for g in np.unique(groups[left])]
    for name, found, values in (("strict", strict, U), ("loose", loose, D / U)):
        for chosen in found:
            yield name if len(found) == 1 else f"{name}{_short(values[chosen])}", chosen


def _short(values: Floats) -> str:
    return f"{np.median(values):.3g}".replace("+", "")


def _file_name(label: str) -> str:
    """Return a label as a part of a file name."""
    return "".join(sign if sign.isalnum() or sign in "._=" else "_" for sign in label)
