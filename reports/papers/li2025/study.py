"""arXiv 2506.12119 refitted: the published runs as series over the activation rate, and the curves fitted to them.

Losses are bits per character, with one seed per run. Intervals are 95 % and rest on the scatter of the runs about a
curve in ln r_a. The cubic is used, because the runs of two of the three sizes reject the parabola.
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
from planners.architecture.flops import flops_per_token
from planners.published.li2025.ablations import Ablation, Benchmark, li2025_ablations, li2025_benchmarks
from planners.published.li2025.rows import FOLDER, SEQ_LEN, Li2025Run, li2025_runs, li2025_shape

CLAIMS = "Sentence by sentence"
MINIMA = "Where the loss is lowest, by curve"
DENSE = "Where MoE beats dense"
REDRAWN = "Its figures, redrawn"
GRANULARITY = "Granularity is confounded with the rate"
LEARNING_RATES = "Learning rates do not follow one rule"
REUSE = "What repeated data cost"
ABLATIONS = "Architecture and benchmarks"
RUNS = "Its runs, with our counts and curves"
HEADINGS = (CLAIMS, MINIMA, DENSE, REDRAWN, GRANULARITY, LEARNING_RATES, REUSE, ABLATIONS, RUNS)
"""Headings of the page in reading order; each figure and table names the one under which it is shown."""
COARSE = 8
"""Experts per layer of a coarse-grained run; all others have 78 or more."""
FEW_DOF = 2
"""Degrees of freedom up to which the scatter of a series is hardly known."""
Ends = tuple[float | None, float | None]
Estimate = tuple[float, float]
"""A number and half of its 95 % interval."""


@dataclass(frozen=True, kw_only=True)
class RateSeries:
    """The MoE runs of one size, one C and one way of using data, over the activation rate, with their curves."""

    name: str
    """Its name on the page."""
    scale: str
    """2B, 3B or 7B."""
    table: int
    """Number of its table in the paper."""
    fine: bool
    """Whether coarse-grained runs of that table are left out."""
    runs: tuple[Li2025Run, ...]
    """Its runs."""
    dense: tuple[Li2025Run, Li2025Run]
    """The dense models of that size, at C and at about 2C."""
    fit: FitResult
    """The cubic, its crossings with the dense models, and the other curves."""
    noise_fit: FitResult
    """The cubic whose scatter is the noise of a run of this size: the first series of the size in `Li2025.series`."""
    left_out: dict[str, Ends]
    """Curve -> range of its minimum over leaving out one run; null where one of them is at an end of the rates."""

    @property
    def optimum(self) -> Optimum:
        """The minimum of the cubic."""
        assert self.fit.optimum is not None
        return self.fit.optimum

    @property
    def best(self) -> Li2025Run:
        """The run with the lowest loss."""
        return min(self.runs, key=lambda run: run.bpc)

    @property
    def fresh(self) -> bool:
        """Whether no run repeats data."""
        return all(run.U >= run.D for run in self.runs)

    @property
    def repeated_tokens(self) -> str:
        """The unique tokens that its runs repeat, such as `65B`."""
        return f"{self.runs[0].U / 1e9:g}B"

    def curve(self, law: str) -> Sensitivity:
        """Return the result of one curve on these runs."""
        return next(row for row in self.fit.sensitivity if row.law == law)

    def crossing(self, dense: int, side: str) -> Crossing:
        """Return where the curve crosses the loss of a dense model (0: at C, 1: at 2C) on one side of the minimum."""
        arm = self.dense[dense].arm
        return next(each for each in self.fit.crossings if (each.dense, each.side) == (arm, side))

    def less_dense(self, dense: int) -> Estimate | None:
        """Return the loss at the minimum less that of a dense model (0: at C, 1: at 2C), bits per character.

        All runs of a size, dense and MoE, have the noise of `noise_fit`: the scatter of this series alone may have
        hardly any degrees of freedom. Null where the curve has no minimum.
        """
        low = self.optimum
        if low.loss is None or low.loss_hi is None or low.loss_lo is None or not self.fit.residual_sd:
            return None
        share = (low.loss_hi - low.loss_lo) / 2 / run_noise(self.fit)  # error of the minimum over that of one run
        return low.loss - self.dense[dense].bpc, run_noise(self.noise_fit) * math.hypot(share, 1)

    def beats(self, dense: int) -> bool:
        """Return whether the minimum is below a dense model (0: at C, 1: at 2C), by the whole 95 % interval."""
        value, half = self.less_dense(dense) or (0.0, math.inf)
        return value + half < 0


def run_noise(fit: FitResult) -> float:
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
    """The footer of every figure."""

    def of(self, table: int, scale: str | None = None) -> tuple[Li2025Run, ...]:
        """Return the runs of one table, in its order."""
        return tuple(run for run in self.runs if run.table == table and scale in (None, run.scale))

    def dense(self, scale: str) -> tuple[Li2025Run, Li2025Run]:
        """Return the dense models of one size, at C and at about 2C."""
        at_C, at_2C = self.of(13, scale)
        return at_C, at_2C

    def gain_per_ln_C(self, scale: str) -> float:
        """Return -dL / d ln C of the dense models of one size, bits per character."""
        one, two = self.dense(scale)
        return (one.bpc - two.bpc) / math.log((two.C or math.nan) / (one.C or math.nan))

    def margin(self, scale: str) -> float:
        """Return what 5 % of C is worth to the dense models of one size: the loss that counts as no difference."""
        return self.gain_per_ln_C(scale) * math.log1p(SHARE)

    @cached_property
    def series(self) -> dict[str, RateSeries]:
        """The series by name: all runs of a table, and its fine-grained runs where it has coarse-grained ones too.

        The first series of a size gives the noise of its runs. It is on fresh data; at 3B, where there are none, it is
        on the tokens of the dense model.
        """
        tables = {
            "2B": (10, "2B"),
            "3B, 65B tokens": (15, "3B"),
            "3B, 114B tokens": (16, "3B"),
            "7B": (12, "7B"),
            "7B, 68B tokens": (14, "7B"),
            "7B, two epochs": (17, "7B"),
        }
        found: dict[str, RateSeries] = {}
        noise_fits: dict[str, FitResult] = {}
        for name, (table, scale) in tables.items():
            runs = self.of(table)
            found[name] = self._series(name, scale, runs, noise_fits)
            if any(map(is_coarse, runs)):
                fine = tuple(run for run in runs if not is_coarse(run))
                found[f"{name}, fine"] = self._series(f"{name}, fine", scale, fine, noise_fits, fine=True)
        return found

    def _series(
        self, name: str, scale: str, runs: tuple[Li2025Run, ...], noise_fits: dict[str, FitResult], fine: bool = False
    ) -> RateSeries:
        fit = fit_law(run_table([*runs, *self.dense(scale)]), "cubic", margin=self.margin(scale))
        return RateSeries(
            name=name,
            scale=scale,
            table=runs[0].table,
            fine=fine,
            runs=runs,
            dense=self.dense(scale),
            fit=fit,
            noise_fit=noise_fits.setdefault(scale, fit),
            left_out=_left_out(runs),
        )

    @cached_property
    def main(self) -> dict[str, RateSeries]:
        """One series for each size: on fresh data; at 3B, where there are none, on the tokens of the dense model."""
        return {"2B": self.series["2B"], "3B": self.series["3B, 65B tokens"], "7B": self.series["7B"]}

    @property
    def few_dof(self) -> list[str]:
        """Names of the series whose own scatter is hardly known."""
        return [name for name, series in self.series.items() if series.fit.dof <= FEW_DOF]

    def two_run_noise(self, scale: str) -> float:
        """Return half of the 95 % interval of the difference of two runs of one size, bits per character."""
        return math.sqrt(2) * run_noise(self.main[scale].noise_fit)

    @cached_property
    def equal_tokens(self) -> FitResult:
        """The cubic through the 7B runs on 130B tokens (table 11), whose C differ."""
        return fit_law(run_table(self.of(11)), "cubic", margin=self.margin("7B"))

    @cached_property
    def one_optimum(self) -> dict[str, Constancy]:
        """The test that the three sizes share one minimum: on all runs, and on the fine-grained runs."""
        fine = {"2B": "2B, fine", "3B": "3B, 65B tokens, fine", "7B": "7B"}
        return {
            "all runs": constancy({scale: run_table(each.runs) for scale, each in self.main.items()}),
            "fine experts": constancy({scale: run_table(self.series[name].runs) for scale, name in fine.items()}),
        }

    @cached_property
    def gain_per_ln_D_7b(self) -> dict[float, float]:
        """-dL / d ln D of the 7B models by rate, from the two runs of each rate in tables 11 and 12."""
        pairs = [(few, many) for few in self.of(11) for many in self.of(12) if few.shape == many.shape]
        return {
            few.r_a: (few.bpc - many.bpc) / math.log(many.D / few.D) for few, many in pairs if many.D > 1.02 * few.D
        }

    @cached_property
    def twins(self) -> tuple[Li2025Run, Li2025Run] | None:
        """Two runs with equal settings and different printed losses: the only direct sight of the noise."""
        pairs = ((one, two) for one in self.of(11) for two in self.of(12) if _setting(one) == _setting(two))
        return next(pairs, None)

    @cached_property
    def reuse(self) -> dict[str, Reuse]:
        """Repeated against fresh data at 7B: strict (68B tokens), loose (two epochs)."""
        slope = float(np.mean(list(self.gain_per_ln_D_7b.values())))
        fresh = self.of(12)
        return {
            scheme: reuse(run_table([*fresh, *self.of(table)]), margin=self.margin("7B"), slope=slope)[0]
            for scheme, table in (("strict", 14), ("loose", 17))
        }


def read_li2025(folder: Path = FOLDER) -> Li2025:
    """Return the rows in `folder`, which has the three tables of the paper by their file names."""
    return Li2025(runs=li2025_runs(folder), ablations=li2025_ablations(folder), benchmarks=li2025_benchmarks(folder))


def is_coarse(run: Li2025Run) -> bool:
    """Return whether an MoE run has few large experts."""
    return run.r_a < 1 and li2025_shape(run).n_experts <= COARSE


def _setting(run: Li2025Run) -> tuple[object, ...]:
    return run.shape, run.D, run.lr, run.batch_tokens


def counted_C(run: Li2025Run) -> float:
    """Return C = M D counted from the printed sizes in the paper's convention with the router, FLOPs."""
    return flops_per_token(li2025_shape(run), SEQ_LEN, "li2025+router") * run.D


def run_table(runs: Iterable[Li2025Run]) -> RunTable:
    """Return the runs as a table for fits; the loss is in bits per character."""
    rows = [
        {"arm": run.arm, "r_a": run.r_a, "loss": run.bpc, "N": run.N, "D": run.D, "U": run.U, "C": run.C}
        for run in runs
    ]
    known = [name for name in rows[0] if all(row[name] is not None for row in rows)]
    return from_records([{name: row[name] for name in known} for row in rows], source="arXiv 2506.12119")


def _left_out(runs: Sequence[Li2025Run]) -> dict[str, Ends]:
    """Return, for each curve, the range of its minimum over leaving out one run."""
    x, loss = np.log([run.r_a for run in runs]), np.array([run.bpc for run in runs])
    keeps = [np.arange(len(runs)) != left for left in range(len(runs))]
    return {law.name: _range([_lowest(law, x[keep], loss[keep]) for keep in keeps]) for law in curves().values()}


def _lowest(law: Curve, x: Floats, loss: Floats) -> float | None:
    """Return the rate where a curve is lowest; null where that is at an end of the rates, or where it is not fitted."""
    line = fit_basis(law.basis(x), x, loss, np.empty((len(x), 0))) if len(x) >= law.rates else None
    return math.exp(line.lowest) if line is not None and line.low < line.lowest < line.high else None


def _range(values: list[float | None]) -> Ends:
    known = [value for value in values if value is not None]
    return (min(known), max(known)) if len(known) == len(values) else (None, None)
