"""arXiv 2506.12119 refitted: everything that its page says, computed from the published rows when it is asked for.

Losses are bits per character, one seed a run. Intervals are 95 % and rest on the scatter of the runs about a curve in
ln r_a: that of the cubic answers, because the parabola misses the runs of two of the three sizes.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from fits import Constancy, FitResult, Optimum, RunTable, fit_law, from_records
from fits.curve.least_squares import fit_basis
from fits.drift.constancy import constancy
from fits.intervals import t_quantile
from fits.laws import curves
from fits.laws.curve_basis import Curve
from fits.repeats.margin import SHARE
from fits.repeats.reuse import Reuse, reuse
from fits.result import Crossing, Sensitivity
from fits.runs.table import Floats
from planners.published.li2025.ablations import Ablation, Benchmark, li2025_ablations, li2025_benchmarks
from planners.published.li2025.rows import FOLDER, Li2025Run, li2025_runs, li2025_shape

COARSE = 8
"""Experts a layer of its coarse rows; the others have 78 and more."""
SCALES = ("2B", "3B", "7B")
Ends = tuple[float | None, float | None]
Estimate = tuple[float, float]
"""A number and half of its 95 % interval."""


@dataclass(frozen=True, kw_only=True)
class Series:
    """The MoE runs of one size, one C and one way with data, on their curves."""

    name: str
    """How the page calls it."""
    scale: str
    """2B, 3B or 7B."""
    table: int
    """The table that it is from."""
    runs: tuple[Li2025Run, ...]
    """Its runs."""
    dense: tuple[Li2025Run, Li2025Run]
    """The dense models of that size, at C and at about 2C."""
    fit: FitResult
    """The cubic, with its crossings with the dense models and the other curves beside it."""
    judge: FitResult
    """The cubic whose scatter is the noise of a run of this size: of the first series of the size in Li2025.series."""
    left_out: dict[str, Ends]
    """Curve -> lowest and highest minimum that leaving out one run gives; null where one of them is not inside."""

    @property
    def optimum(self) -> Optimum:
        """The minimum of the cubic."""
        assert self.fit.optimum is not None
        return self.fit.optimum

    @property
    def best(self) -> Li2025Run:
        """The run with the lowest loss."""
        return min(self.runs, key=lambda run: run.bpc)

    def curve(self, law: str) -> Sensitivity:
        """Return what one curve says of these runs."""
        return next(row for row in self.fit.sensitivity if row.law == law)

    def crossing(self, dense: int, side: str) -> Crossing:
        """Return where the curve crosses the dense model (0: at C, 1: at 2C) on one side of the minimum."""
        arm = self.dense[dense].arm
        return next(each for each in self.fit.crossings if (each.dense, each.side) == (arm, side))

    def lead(self, dense: int) -> Estimate | None:
        """Return how far the minimum lies below a dense model (0: at C, 1: at 2C), bits per character.

        There is one noise for every run of a size, dense and MoE: that of `judge`, and not that of a series whose
        scatter has hardly a degree of freedom. Null without a minimum.
        """
        low = self.optimum
        if low.loss is None or low.loss_hi is None or low.loss_lo is None or not self.fit.residual_sd:
            return None
        share = (low.loss_hi - low.loss_lo) / 2 / noise(self.fit)  # of what one run is known to
        return self.dense[dense].bpc - low.loss, noise(self.judge) * math.hypot(share, 1)

    @property
    def fresh(self) -> bool:
        """Whether no run repeats data."""
        return all(run.U >= run.D for run in self.runs)


def noise(fit: FitResult) -> float:
    """Return half of the 95 % interval of one run by the scatter about a curve, bits per character."""
    return t_quantile(fit.dof) * (fit.residual_sd or 0)


@dataclass(frozen=True, kw_only=True)
class Li2025:
    """The published rows, and what follows from them."""

    runs: tuple[Li2025Run, ...]
    """Tables 9 to 17."""
    ablations: tuple[Ablation, ...]
    """Tables 5 to 7."""
    benchmarks: tuple[Benchmark, ...]
    """Table 2."""
    source: str = "published numbers, arXiv 2506.12119, refitted by this toolkit"
    """What the footer of every figure says."""

    def of(self, table: int, scale: str | None = None) -> tuple[Li2025Run, ...]:
        """Return the runs of one table, in its order."""
        return tuple(run for run in self.runs if run.table == table and scale in (None, run.scale))

    def dense(self, scale: str) -> tuple[Li2025Run, Li2025Run]:
        """Return the dense models of one size, at C and at about 2C."""
        at_C, at_2C = self.of(13, scale)
        return at_C, at_2C

    def worth(self, scale: str) -> float:
        """Return -dL / d ln C of the dense models of one size, bits per character."""
        one, two = self.dense(scale)
        return (one.bpc - two.bpc) / math.log((two.C or math.nan) / (one.C or math.nan))

    def margin(self, scale: str) -> float:
        """Return what 5 % of C is worth to the dense models of one size: the loss that counts as no difference."""
        return self.worth(scale) * math.log1p(SHARE)

    @cached_property
    def series(self) -> dict[str, Series]:
        """The series by name: all runs first, then those with fine-grained experts where there are others.

        The first of a size says the noise of its runs: that on fresh data, and at 3B, where there is none, that on the
        tokens of the dense model.
        """
        tables = {"2B": (10, "2B"), "3B, 65B tokens": (15, "3B"), "3B, 114B tokens": (16, "3B"), "7B": (12, "7B"),
                  "7B, 68B tokens": (14, "7B"), "7B, two epochs": (17, "7B")}  # fmt: skip
        found: dict[str, Series] = {}
        judges: dict[str, FitResult] = {}
        for name, (table, scale) in tables.items():
            runs = self.of(table)
            found[name] = self._series(name, scale, table, runs, judges)
            if any(map(coarse, runs)):
                fine = tuple(run for run in runs if not coarse(run))
                found[f"{name}, fine"] = self._series(f"{name}, fine", scale, table, fine, judges)
        return found

    def _series(
        self, name: str, scale: str, table: int, runs: tuple[Li2025Run, ...], judges: dict[str, FitResult]
    ) -> Series:
        fit = fit_law(run_table([*runs, *self.dense(scale)]), "cubic", margin=self.margin(scale))
        return Series(
            name=name, scale=scale, table=table, runs=runs, dense=self.dense(scale), fit=fit,
            judge=judges.setdefault(scale, fit), left_out=_left_out(runs),
        )  # fmt: skip

    @cached_property
    def main(self) -> dict[str, Series]:
        """One series for each size: on fresh data, at 3B, where there is none, on the tokens of the dense model."""
        return {"2B": self.series["2B"], "3B": self.series["3B, 65B tokens"], "7B": self.series["7B"]}

    @property
    def scarce(self) -> list[str]:
        """The series whose own scatter has two degrees of freedom or fewer, by name."""
        return [name for name, series in self.series.items() if series.fit.dof <= 2]

    def apart(self, scale: str) -> float:
        """Return half of the 95 % interval of the difference of two runs of one size, bits per character."""
        return math.sqrt(2) * noise(self.main[scale].judge)

    @cached_property
    def fixed_D(self) -> FitResult:
        """The cubic through the 7B runs on 130B tokens (table 11), whose C differ."""
        return fit_law(run_table(self.of(11)), "cubic", margin=self.margin("7B"))

    @cached_property
    def one_optimum(self) -> dict[str, Constancy]:
        """The test that the three sizes share one minimum: on all runs, and on those with fine-grained experts."""
        fine = {"2B": "2B, fine", "3B": "3B, 65B tokens, fine", "7B": "7B"}
        return {
            "all runs": constancy({scale: run_table(each.runs) for scale, each in self.main.items()}),
            "fine experts": constancy({scale: run_table(self.series[name].runs) for scale, name in fine.items()}),
        }

    @cached_property
    def slopes_7b(self) -> dict[float, float]:
        """-dL / d ln D of the 7B models by rate, from the two runs that tables 11 and 12 have of each."""
        pairs = [(few, many) for few in self.of(11) for many in self.of(12) if few.shape == many.shape]
        return {
            few.r_a: (few.bpc - many.bpc) / math.log(many.D / few.D) for few, many in pairs if many.D > 1.02 * few.D
        }

    @cached_property
    def twins(self) -> tuple[Li2025Run, Li2025Run] | None:
        """The two losses printed of what is one training by every number: the only sight of the noise."""
        pairs = [
            (one, two) for one in self.of(11) for two in self.of(12)
            if (one.shape, one.D, one.lr, one.batch_tokens) == (two.shape, two.D, two.lr, two.batch_tokens)
        ]  # fmt: skip
        return pairs[0] if pairs else None

    @cached_property
    def reuse(self) -> dict[str, Reuse]:
        """Repeated against fresh data at 7B: strict (68B tokens), loose (two epochs)."""
        slope = float(np.mean(list(self.slopes_7b.values())))
        fresh = self.of(12)
        return {
            scheme: reuse(run_table([*fresh, *self.of(table)]), margin=self.margin("7B"), slope=slope)[0]
            for scheme, table in (("strict", 14), ("loose", 17))
        }


def read_li2025(folder: Path = FOLDER) -> Li2025:
    """Return the rows in `folder`, which has the three tables of the paper by their file names."""
    return Li2025(runs=li2025_runs(folder), ablations=li2025_ablations(folder), benchmarks=li2025_benchmarks(folder))


def coarse(run: Li2025Run) -> bool:
    """Whether an MoE run has few large experts."""
    return run.r_a < 1 and li2025_shape(run).n_experts <= COARSE


def run_table(runs: Iterable[Li2025Run]) -> RunTable:
    """Return the runs as the table that fits read; the loss is in bits per character."""
    rows = [
        {"arm": run.arm, "r_a": run.r_a, "loss": run.bpc, "N": run.N, "D": run.D, "U": run.U, "C": run.C}
        for run in runs
    ]
    known = [name for name in rows[0] if all(row[name] is not None for row in rows)]
    return from_records([{name: row[name] for name in known} for row in rows], source="arXiv 2506.12119")


def _left_out(runs: Sequence[Li2025Run]) -> dict[str, Ends]:
    """Return the range of each curve's minimum over leaving out one run."""
    x, loss = np.log([run.r_a for run in runs]), np.array([run.bpc for run in runs])
    keeps = [np.arange(len(runs)) != left for left in range(len(runs))]
    return {law.name: _range([_lowest(law, x[keep], loss[keep]) for keep in keeps]) for law in curves().values()}


def _lowest(law: Curve, x: Floats, loss: Floats) -> float | None:
    """Return where a curve is lowest between the ends of the rates; null where it is lowest at one or not fitted."""
    line = fit_basis(law.basis(x), x, loss, np.empty((len(x), 0))) if len(x) >= law.rates else None
    return math.exp(line.lowest) if line is not None and line.low < line.lowest < line.high else None


def _range(values: list[float | None]) -> Ends:
    known = [value for value in values if value is not None]
    return (min(known), max(known)) if len(known) == len(values) else (None, None)
