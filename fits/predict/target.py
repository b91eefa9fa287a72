"""The run that a prediction is for: named columns, and those that follow from them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fits.runs.table import Floats, RunTable
from planners.records.errors import UsageError

SIX = 6.0
"""FLOPs per active parameter and token, where the table does not say."""
SAME = 0.05
"""Relative difference up to which the runs confirm SIX, and up to which all runs have one value of a column."""
RANGES = ("C", "N", "D", "r_a")
"""Columns whose distance to the runs is stated."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Target:
    """How the columns of a target follow from each other in one table of runs."""

    table: RunTable
    """The runs."""

    @cached_property
    def factor(self) -> float:
        """FLOPs per active parameter and token: the median C / (N_a D), or 6 if that is close or unknown."""
        C, N_a, D = (self._values(name) for name in ("C", "N_a", "D"))
        if C is None or N_a is None or D is None:
            return SIX
        found = float(np.median(C / (N_a * D)))
        return SIX if abs(found / SIX - 1) <= SAME else found

    @cached_property
    def ranges(self) -> dict[str, tuple[float, float]]:
        """Lowest and highest C, N, D and r_a of the runs, those that are known."""
        found = {name: values for name in RANGES if (values := self._values(name)) is not None}
        if "C" not in found and (N_a := self._values("N_a")) is not None and "D" in found:
            found["C"] = self.factor * N_a * found["D"]
        if "r_a" in found and (moe := found["r_a"] < 1 - 1e-9).any():
            found["r_a"] = found["r_a"][moe]
        return {name: (float(found[name].min()), float(found[name].max())) for name in RANGES if name in found}

    @property
    def is_dense(self) -> bool:
        """Whether the table knows nothing of activation rates, or holds dense runs only."""
        rates = self._values("r_a")
        return rates is None or bool((rates > 1 - 1e-9).all())

    def _values(self, name: str) -> Floats | None:
        if name == "N_a" and not self.table.has("N_a"):
            N, rates = self._values("N"), self._values("r_a")
            return N if rates is None or N is None else N * rates
        return self.table.numbers(name) if self.table.has(name) and self.table.frame[name].notna().all() else None

    def one_value(self, name: str) -> float | None:
        """Return the value of a column that all runs share; None where they differ or do not have it."""
        values = self._values(name)
        if values is None or values.max() > values.min() * (1 + SAME):
            return None
        return float(np.median(values))

    def completed(self, given: Mapping[str, Floats | float]) -> dict[str, Floats]:
        """Return the columns with all that follow from them by N_a = r_a N, C = factor N_a D, and U = D."""
        known = {name: np.asarray(value, float) for name, value in given.items()}
        if self.is_dense and not {"r_a", "N_a"} & set(known):
            known["r_a"] = np.asarray(1.0)
        for _ in range(3):
            if "N_a" not in known and {"N", "r_a"} <= set(known):
                known["N_a"] = known["N"] * known["r_a"]
            if "r_a" not in known and {"N", "N_a"} <= set(known):
                known["r_a"] = known["N_a"] / known["N"]
            if "N" not in known and {"N_a", "r_a"} <= set(known):
                known["N"] = known["N_a"] / known["r_a"]
            if "C" not in known and {"N_a", "D"} <= set(known):
                known["C"] = self.factor * known["N_a"] * known["D"]
            if "D" not in known and {"N_a", "C"} <= set(known):
                known["D"] = known["C"] / (self.factor * known["N_a"])
            if "N_a" not in known and {"D", "C"} <= set(known):
                known["N_a"] = known["C"] / (self.factor * known["D"])
        if "U" not in known and "D" in known:
            known["U"] = known["D"]
        return known

    def beyond(self, at: Mapping[str, float]) -> dict[str, float]:
        """Return by which factor each of C, N, D and r_a lies outside the runs; 1 for inside."""
        found = {}
        for name, (low, high) in self.ranges.items():
            if name in at and not (name == "r_a" and at[name] >= 1):
                found[name] = max(at[name] / high, low / at[name], 1.0)
        return found


def checked_target(given: Mapping[str, float], columns: Sequence[str]) -> dict[str, float]:
    """Return the columns of a target; `columns` are those of the law.

    Raises UsageError for a value that is not positive, for an unknown name, and where nothing is given.
    """
    known = list(dict.fromkeys(("N", "D", "C", "r_a", "N_a", "U", *columns)))
    if not given:
        raise UsageError("a target needs a value, such as C=1e21, or N=7e9,D=1.4e11")
    for name, value in given.items():
        if name not in known:
            raise UsageError(f"the target names {name}, which is not one of {', '.join(known)}")
        if not (np.isfinite(value) and value > 0):
            raise UsageError(f"the target has {name} = {value:g}; give a positive number")
    if given.get("r_a", 0.0) > 1:
        raise UsageError(f"the target has r_a = {given['r_a']:g}; a rate N_a / N is at most 1")
    return dict(given)
