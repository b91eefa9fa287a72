"""Series: the runs that one curve of r_a may be drawn through. They share the budget, N and how data is repeated.

A study may hold several: budgets, sizes, fresh and repeated data, and any other field that the plan varied.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fits.runs.learning_rates import best_learning_rates
from fits.runs.same_budget import BUDGET_TOLERANCE, groups_of
from fits.runs.select_arms import equal_D, with_compute
from fits.runs.table import Floats, RunTable
from planners.records.errors import UsageError
from planners.records.quantity import format_flops, format_quantity

CURVE = 3
"""MoE rates that a curve needs."""
ENOUGH_RATES = 5
"""Rates from which the runs test the shape of a cubic; with fewer it passes near every mean."""
TUNING = ("lr_check", "tuning")
"""Roles of runs at another learning rate or batch than the rule's."""
REUSE = ("fresh", "strict", "loose", "repeated")
"""How the runs of a series use their data."""


@dataclass(frozen=True, kw_only=True)
class SeriesKey:
    """What tells a series from the others of its table; a field in which they do not differ is null.

    Amounts are medians over the runs, to three digits.
    """

    label: str | None = None
    """What the plan calls the values of the fields that it varied."""
    C: float | None = None
    """Training compute in FLOPs."""
    D: float | None = None
    """Training tokens, where these and not C are what the runs share."""
    N: float | None = None
    """Parameters, vocabulary excluded."""
    reuse: str | None = None
    """fresh (each token once), strict (one U), loose (one number of epochs) or repeated (no telling which)."""
    U: float | None = None
    """Unique tokens, where the table holds several strict series."""
    epochs: float | None = None
    """Epochs, where the table holds several loose series."""

    def __post_init__(self) -> None:
        if self.reuse not in (None, *REUSE):
            raise UsageError(f"reuse {self.reuse!r} is not one of {', '.join(REUSE)}")

    @property
    def slug(self) -> str:
        """A short name for files, such as C1e18-N1e08-strict; empty for the only series of a table."""
        amounts = [f"{name}{_short(value)}" for name, value in (("C", self.C), ("D", self.D), ("N", self.N)) if value]
        extent = _short(self.U or self.epochs)
        reuse = f"{self.reuse}{extent}" if self.reuse not in (None, "fresh") else ""
        return "-".join(filter(None, (_file_safe(self.label or ""), *amounts, reuse)))

    @property
    def heading(self) -> str:
        """The name for a reader, such as `C = 1e18 FLOPs, N = 100M, strict reuse`; empty for the only series."""
        said = [self.label] if self.label else []
        said += [f"C = {format_flops(self.C)} FLOPs"] if self.C else []
        said += [f"D = {format_quantity(self.D)} tokens"] if self.D else []
        said += [f"N = {format_quantity(self.N)}"] if self.N else []
        if self.reuse:
            extent = f" (U = {format_quantity(self.U)})" if self.U else ""
            extent += f" ({self.epochs:.3g} epochs)" if self.epochs else ""
            kind = "data" if self.reuse in ("fresh", "repeated") else "reuse"
            said.append(f"{self.reuse} {kind}{extent}")
        return ", ".join(said)

    def __str__(self) -> str:
        return self.slug


ONE = SeriesKey()
"""The key of the only series of a table."""
Part = tuple[SeriesKey, RunTable]
"""(what the split adds to the key, its runs)."""


def series(table: RunTable) -> dict[SeriesKey, RunTable]:
    """Split `table` into its series; the only series of a table has the key `ONE`.

    The table is split by its column `series`, which the plan wrote, by C (or by D, where that is what the runs
    share), by N, and by whether data is fresh, repeated to one U (strict) or for one number of epochs (loose). The
    fresh dense arm belongs to every reuse of its budget, since each is compared with it. A series of fewer than three
    MoE rates is too short for a curve and is left out, unless all are. Without a column C it is computed as 6 N_a D.
    Of a cell that was run at several learning rates, only the best is kept. Runs that only check or tune a learning
    rate or a batch are in no series.
    """
    parts: list[Part] = [(ONE, with_compute(_without_tuning(table)))]
    for split in (_by_label, _by_amount, _by_total, _by_reuse):
        parts = [joined for part in parts for joined in _split(*part, split)]
    parts = [(key, best_learning_rates(part)) for key, part in parts]
    rates = {key: _rates(part) for key, part in parts}
    for least in (CURVE, 1):
        found = {key: part for key, part in parts if rates[key] >= least}
        if found:
            return found
    return dict(parts[:1])


def _split(key: SeriesKey, part: RunTable, split: Callable[[RunTable], Iterator[Part]]) -> list[Part]:
    """Return what `split` makes of a part; the key stays as it is where that is one part."""
    found = list(split(part))
    if len(found) == 1:
        return [(key, found[0][1])]
    return [(_with(key, added), table) for added, table in found]


def _with(key: SeriesKey, added: SeriesKey) -> SeriesKey:
    return replace(key, **{name: value for name, value in vars(added).items() if value is not None})


def _rates(table: RunTable) -> int:
    """Return how many MoE rates there are; where the table has none, three stand for its MoE runs."""
    routed = table.routed()
    if table.over == "N":
        return len(np.unique(table.numbers("N")))
    if "r_a" not in table.frame:
        return CURVE * bool(routed.any())
    return len(np.unique(table.rates()[routed].round(6)))


def _without_tuning(table: RunTable) -> RunTable:
    if not table.has("role"):
        return table
    tuning = table.frame["role"].isin(TUNING).to_numpy()
    return table if tuning.all() else table.only(~tuning)


def _by_label(table: RunTable) -> Iterator[Part]:
    if not table.has("series"):
        yield ONE, table
        return
    labels = table.frame["series"].fillna("").astype(str).to_numpy()
    for label in dict.fromkeys(labels.tolist()):
        yield SeriesKey(label=label or None), table.only(labels == label)


def _by_amount(table: RunTable) -> Iterator[Part]:
    """Split by C, or by D where the runs fall into fewer groups of it or C is unknown."""
    if table.has("D") and (equal_D(table) or not table.has("C")):
        D = table.numbers("D")
        groups = groups_of(D)
        for group in np.unique(groups):
            yield SeriesKey(D=_middle(D[groups == group])), table.only(groups == group)
        return
    if not table.has("C"):
        yield ONE, table
        return
    for C, part in table.by_budget().items():
        yield SeriesKey(C=_middle(np.array([C]))), part


def _by_total(table: RunTable) -> Iterator[Part]:
    """Split by N where several MoE arms share each N; a dense arm of another N is a control of all of them."""
    routed = table.routed()
    if table.over == "N" or not table.has("N") or not routed.any():
        yield ONE, table
        return
    N = table.numbers("N")
    groups = np.full(len(N), -1)
    groups[routed] = groups_of(N[routed])
    alone = groups.max() == 0
    for group in range(groups.max() + 1):
        middle = np.median(N[groups == group])
        near = ~routed & (np.abs(N / middle - 1) <= BUDGET_TOLERANCE)
        yield SeriesKey(N=_middle(N[groups == group])), table.only((groups == group) | near | (~routed & alone))


def _by_reuse(table: RunTable) -> Iterator[Part]:
    if not (table.has("D") and table.has("U")):
        yield ONE, table
        return
    D, U = table.numbers("D"), table.numbers("U")
    repeated = D > U * (1 + 1e-9)
    dense = ~table.routed() & ~repeated
    if (~repeated).any():
        yield SeriesKey(reuse="fresh"), table.only(~repeated)
    for key, chosen in schemes(D, U, repeated):
        yield key, table.only(chosen | dense)


def schemes(D: Floats, U: Floats, repeated: NDArray[np.bool_]) -> Iterator[tuple[SeriesKey, NDArray[np.bool_]]]:
    """Return the runs on repeated data, shape (n,), scheme by scheme.

    First the runs of each U that several D share (strict), then those of each number of epochs among the rest (loose).
    Where all have one D and one U, nothing tells the two apart.
    """
    if repeated.any() and max(np.ptp(np.log(D[repeated])), np.ptp(np.log(U[repeated]))) <= BUDGET_TOLERANCE:
        yield SeriesKey(reuse="repeated"), repeated
        return
    groups = np.where(repeated, groups_of(U), -1)
    shared = [groups == group for group in np.unique(groups[repeated])]
    strict = [chosen for chosen in shared if np.ptp(np.log(D[chosen])) > BUDGET_TOLERANCE]
    left = repeated & ~np.any([np.zeros(len(D), bool), *strict], axis=0)
    groups = np.where(left, groups_of(D / U), -1)
    loose = [groups == group for group in np.unique(groups[left])]
    for chosen in strict:
        yield SeriesKey(reuse="strict", U=_middle(U[chosen]) if len(strict) > 1 else None), chosen
    for chosen in loose:
        yield SeriesKey(reuse="loose", epochs=_middle((D / U)[chosen]) if len(loose) > 1 else None), chosen


def _middle(values: Floats) -> float:
    """Return the median to three digits: a few more runs of a series do not change its key."""
    return float(f"{np.median(values):.3g}")


def _short(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}".replace("+", "")


def _file_safe(label: str) -> str:
    return "".join(sign if sign.isalnum() or sign in "._=" else "_" for sign in label)
