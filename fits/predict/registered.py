"""Predictions that are registered before the runs exist, and scored against what came.

register("forecast.json", found, table)          # writes the targets with intervals; never overwrites
print(score("forecast.json", new_table))         # error, inside or outside, share covered
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fits.predict.prediction import Prediction
from fits.predict.target import Target
from fits.predict.text import NAMES, amount
from fits.runs.table import RunTable
from planners.records.errors import UsageError
from planners.records.files import read_json, write_json
from planners.records.json import content_hash, from_json, to_json
from planners.records.notebook_repr import NotebookRepr
from planners.records.version import VERSION

if TYPE_CHECKING:
    from fits.study import StudyFits

SAME = 0.05
"""Relative difference up to which a run is at a named value of the target."""
FEWEST = 3
"""Values of a column that was chosen for the lowest loss, below which no run counts as the best."""
IDENTITY = ("N", "N_a", "D", "C", "r_a", "U", "loss")
"""Columns that the fingerprint of the rows covers, those that the table has."""


@dataclass(frozen=True, kw_only=True)
class Registration:
    """Predictions of named targets, written before their runs exist."""

    made: str
    """Date and time, UTC."""
    data: str
    """What the fitted runs were read from."""
    n: int
    """Number of fitted rows."""
    fingerprint: str
    """Hash of the fitted rows (N, D, C, r_a, loss …) in any order."""
    predictions: tuple[Prediction, ...]
    """The predictions."""
    version: str = VERSION
    """Version of the toolkit."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One predicted number and what came."""

    law: str
    """The law that predicted."""
    target: dict[str, float]
    """The target as it was named."""
    of: str
    """loss, or N of the run with the lowest loss where the target left N open."""
    predicted: float
    """The prediction."""
    lo: float | None
    """Lower end of its 95 % interval; null without one."""
    hi: float | None
    """Upper end."""
    row: int
    """Row of the table that it is scored against."""
    observed: float
    """What that row states."""
    unit: str = "nats"
    """Unit of a loss."""

    @property
    def error(self) -> float:
        """Predicted less observed: in its unit for a loss, otherwise ln of their ratio."""
        return self.predicted - self.observed if self.of == "loss" else math.log(self.predicted / self.observed)

    @property
    def inside(self) -> bool | None:
        """Whether the interval holds it; null without an interval."""
        return None if self.lo is None or self.hi is None else self.lo <= self.observed <= self.hi


@dataclass(frozen=True, kw_only=True, repr=False)
class Scorecard(NotebookRepr):
    """Registered predictions scored against a table. `str()` of it is what the command prints."""

    made: str
    """When the predictions were registered."""
    data: str
    """What the runs were read from."""
    outcomes: tuple[Outcome, ...]
    """Each prediction with each run at its target."""
    open: tuple[str, ...]
    """Targets without a run yet."""
    notes: tuple[str, ...] = ()
    """Warnings, one sentence each."""

    @property
    def covered(self) -> float | None:
        """Share of the outcomes inside their intervals; null where none has an interval."""
        known = [one.inside for one in self.outcomes if one.inside is not None]
        return sum(known) / len(known) if known else None

    def __str__(self) -> str:
        lines = [f"[[Score]] predictions of {self.made} against {self.data}", *map(_line, self.outcomes)]
        if self.covered is not None:
            inside = sum(one.inside is True for one in self.outcomes)
            lines.append(f"    {inside} of {len(self.outcomes)} inside their 95 % intervals ({self.covered:.0%})")
        lines += [f"    no run yet at {target}" for target in self.open]
        return "\n".join([*lines, *(f"[[Note]] {note}" for note in self.notes)])


def _line(one: Outcome) -> str:
    predicted, observed = amount(one.of, one.predicted), amount(one.of, one.observed)
    if one.lo is not None and one.hi is not None:
        predicted += f" ({amount(one.of, one.lo)} to {amount(one.of, one.hi)})"
    verdict = {True: "inside", False: "OUTSIDE", None: "no interval"}[one.inside]
    error = f"{one.error:+.3g} {one.unit if one.of == 'loss' else 'in ln'}"
    said = f"{NAMES.get(one.of, one.of)} predicted {predicted}, came {observed} (row {one.row})"
    return f"    {one.law} at {_named(one.target)}: {said}: {verdict}, error {error}"


def _named(target: dict[str, float]) -> str:
    return ", ".join(f"{name} = {amount(name, value)}" for name, value in target.items())


def fingerprint(table: RunTable) -> str:
    """Return the hash of the rows of a table, whatever their order."""
    columns = [table.frame[name].astype(float).tolist() for name in IDENTITY if table.has(name)]
    return content_hash(sorted([repr(value) for value in row] for row in zip(*columns, strict=True)))


def register(path: str | Path, found: "StudyFits", table: RunTable) -> Registration:
    """Write the predictions of `found` at its targets, with the fingerprint of `table` and the date.

    Raises UsageError where there are none, or without intervals, and where the file exists: what was registered stays.
    """
    path, asked = Path(path), tuple(one for one in found.predictions if one.asked)
    if not asked:
        raise UsageError(f"{path}: there is no prediction to register; name a target with --at, such as --at C=1e21")
    if any(one.lo is None for each in asked for one in each.values if one.value is not None):
        raise UsageError(f"{path}: predictions without intervals cannot be scored; use --bootstrap 1000")
    if path.exists():
        raise UsageError(f"{path} holds a registration, which is never overwritten; give another name")
    made = datetime.now(UTC).isoformat(timespec="seconds")
    one = Registration(made=made, data=table.source, n=len(table), fingerprint=fingerprint(table), predictions=asked)
    write_json(path, to_json(one))
    return one


def score(path: str | Path, table: RunTable) -> Scorecard:
    """Return how the predictions in `path` fare against the runs of `table`.

    A run belongs to a target if it has the values that the target names, within 5 %. Where the target left N open, the
    run with the lowest loss among three sizes or more at its C counts, and its N is scored too. Raises UsageError for a
    corrupt file.
    """
    registered = from_json(Registration, read_json(Path(path)), str(path))
    outcomes, still_open = [], []
    for one in registered.predictions:
        scored = list(_outcomes(one, table))
        outcomes += scored
        still_open += [] if scored else [f"{_named(one.given)} ({one.law})"]
    same = registered.fingerprint == fingerprint(table)
    notes = ("these are the rows that the predictions were fitted to",) if same else ()
    return Scorecard(
        made=registered.made,
        data=table.source,
        outcomes=tuple(outcomes),
        open=tuple(dict.fromkeys(still_open)),
        notes=notes,
    )


def _outcomes(one: Prediction, table: RunTable) -> Iterator[Outcome]:
    rows, losses = _at_target(one, table), table.numbers("loss")
    if one.optimal:
        if any(len(np.unique(table.numbers(name)[rows])) < FEWEST for name in one.optimal):
            return
        rows = rows[[int(np.argmin(losses[rows]))]]
    for at in rows.tolist():
        observed = {"loss": float(losses[at])}
        if one.optimal:
            observed |= {name: float(table.numbers(name)[at]) for name in ("N", "D", "r_a") if table.has(name)}
        for each in one.values:
            if each.value is not None and each.of in observed:
                yield Outcome(
                    law=one.law,
                    target=one.given,
                    of=each.of,
                    predicted=each.value,
                    lo=each.lo,
                    hi=each.hi,
                    row=int(table.frame.index[at]),
                    observed=observed[each.of],
                    unit=one.unit,
                )


def _at_target(one: Prediction, table: RunTable) -> NDArray[np.intp]:
    """Return the rows of the table that have the named values of a target."""
    factor = Target(table=table).factor
    keep = np.ones(len(table), bool)
    for name, value in one.given.items():
        if name == "C" and not table.has("C"):
            rates = table.rates() if table.has("r_a") else 1.0
            values = factor * table.numbers("N") * rates * table.numbers("D")
        else:
            values = table.law_column(name)
        keep &= np.abs(values / value - 1) <= SAME
    return np.flatnonzero(keep)
