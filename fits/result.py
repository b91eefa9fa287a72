"""Results of a fit, as frozen records. A number that cannot be given is null, and a status says why."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from fits.curve.curve_of_fit import curve
from fits.laws import LAWS
from fits.laws.law import Law
from fits.runs.diverged import Diverged
from fits.runs.series import SeriesKey
from fits.runs.table import Dropped, Floats
from fits.status import Status, Why
from fits.text import summary
from planners.records.errors import UsageError
from planners.records.json import IN_MEMORY
from planners.records.notebook_repr import NotebookRepr

if TYPE_CHECKING:
    from pandas import DataFrame

    from fits.predict.prediction import Prediction

COLUMNS = ("law", "series", "data", "n", "name", "value", "lo", "hi", "status")
"""Columns of a fit as a DataFrame: one parameter or optimum a row; lo and hi are the ends of its 95 % interval."""
Ends = tuple[float | None, float | None]


@dataclass(frozen=True, kw_only=True)
class Param:
    """One parameter of a law, in the units of the papers."""

    name: str
    """Name as in the formula."""
    value: float | None = None
    """Estimate; null if the runs do not determine it."""
    lo: float | None = None
    """Lower end of the 95 % interval; null if there is none."""
    hi: float | None = None
    """Upper end of the 95 % interval; null if there is none."""
    lo_error: float | None = None
    """Monte-Carlo standard error of `lo`, from the number of draws; null without draws."""
    hi_error: float | None = None
    """Monte-Carlo standard error of `hi`."""
    status: Status
    """converged, at_bound, not_identified, max_iter, or fixed if it was not fitted."""

    def __post_init__(self) -> None:
        _checked(self)


@dataclass(frozen=True, kw_only=True)
class Optimum:
    """The minimum of a fitted curve."""

    of: str
    """The column that is optimised: r_a, top_k or granularity."""
    value: float | None = None
    """Estimate; null unless the status is converged."""
    lo: float | None = None
    """Lower end of the 95 % interval; null if the runs do not bound it within the sampled range."""
    hi: float | None = None
    """Upper end of the 95 % interval; null if the runs do not bound it within the sampled range."""
    region: Ends | None = None
    """Rates whose fitted loss is within `margin` of the minimum; an end beyond the sampled range is null."""
    margin: float | None = None
    """Difference of loss that does not matter, nats per token; null if none was given."""
    edge: str | None = None
    """low or high if the fitted loss is lowest at or beyond that end of the sampled range; else null."""
    status: Status
    """converged, edge, no_minimum or not_identified."""
    why: Why | None = None
    """Code of the cause; null in a fit by an earlier version."""
    reason: str
    """The cause in a sentence, with what to do about it."""
    basis: str | None = None
    """What the interval assumes of the curve; null if there is no interval."""
    loss: float | None = None
    """Fitted loss at the optimum, L*, nats per token."""
    loss_lo: float | None = None
    """Lower end of the 95 % interval of L*, over seeds of the same training."""
    loss_hi: float | None = None
    """Upper end of the 95 % interval of L*."""
    region_ends: tuple[Ends, Ends] | None = None
    """95 % intervals of the lower and the upper end of `region`."""

    def __post_init__(self) -> None:
        _checked(self)
        if self.edge not in (None, "low", "high"):
            raise UsageError(f"edge {self.edge!r} must be low, high or null")


@dataclass(frozen=True, kw_only=True)
class Blocks:
    """The same curve fitted without seeds as blocks, for comparison."""

    by: str
    """The column whose values are the blocks."""
    n: int
    """Number of blocks; each has its own intercept."""
    sd: float
    """Residual SD with the blocks, nats per token."""
    plain_sd: float
    """Residual SD without blocks, nats per token."""
    plain: Optimum
    """The optimum without blocks."""


@dataclass(frozen=True, kw_only=True)
class LackOfFit:
    """Test of whether the curve misses the mean losses of its rates by more than the noise."""

    F: float
    """Mean square of the deviations of the means from the curve, over the mean square of the noise."""
    shape_dof: int
    """Degrees of freedom of these deviations: rates less coefficients, rounded for a spline."""
    error_dof: int
    """Degrees of freedom of the noise: runs beyond the first of each rate, less the blocks."""
    p: float
    """Probability of so large an F if the curve is right."""


@dataclass(frozen=True, kw_only=True)
class SharedNoise:
    """Test of whether the residuals of a law share noise within the groups of a column."""

    by: str
    """The column: C, N or source."""
    groups: int
    """Number of its groups."""
    icc: float
    """Intraclass correlation of the residuals: the share of their variance that a group has in common."""
    F: float
    """Mean square of the groups over the mean square within them."""
    dof: tuple[int, int]
    """Degrees of freedom of both."""
    p: float
    """Probability of so large an F if all residuals are independent."""


@dataclass(frozen=True, kw_only=True)
class Sensitivity:
    """The minimum of one curve fitted to the same runs, assuming that its shape is right."""

    law: str
    """Name of the curve."""
    value: float | None = None
    """Its minimum within the sampled range; null if that is at an end or the curve was not fitted."""
    lo: float | None = None
    """Lower end of the 95 % interval; null if it is open."""
    hi: float | None = None
    """Upper end of the 95 % interval; null if it is open."""
    loss: float | None = None
    """Loss at the minimum, nats per token."""
    residual_sd: float | None = None
    """SD of the residuals, nats per token."""
    dof: float | None = None
    """Degrees of freedom of the residuals."""
    misfit: float | None = None
    """p of the lack-of-fit test; null if the runs do not allow it."""
    note: str | None = None
    """Why numbers are missing, or what else to know."""


@dataclass(frozen=True, kw_only=True)
class WithoutRate:
    """The interval of the optimum if one rate had not been run."""

    rate: float
    """The rate (or top_k, or granularity) that is left out."""
    arm: str | None = None
    """Its arm; null without names, and for several arms."""
    lo: float | None = None
    """Lower end of the 95 % interval without it; null if the other runs do not bound it within their range."""
    hi: float | None = None
    """Upper end of that interval; null if it is open."""
    tested: bool = True
    """False if the other runs are too few for an interval."""

    @property
    def name(self) -> str:
        """The arm and its rate in words."""
        return f"{self.rate:.3g}" + (f" ({self.arm})" if self.arm else "")

    @property
    def sentence(self) -> str:
        """What is left without this rate."""
        if not self.tested:
            return f"without {self.name} too few runs remain for an interval"
        if self.lo is None and self.hi is None:
            return f"without {self.name} the optimum has no bound"
        if self.lo is None:
            return f"without {self.name} the optimum has no lower bound (95 %: below {self.hi:.4g})"
        if self.hi is None:
            return f"without {self.name} the optimum has no upper bound (95 %: above {self.lo:.4g})"
        return f"without {self.name} the optimum lies between {self.lo:.4g} and {self.hi:.4g} (95 %)"


@dataclass(frozen=True, kw_only=True)
class Crossing:
    """The rate at which the MoE curve, going away from its minimum, rises to the loss of a dense arm."""

    dense: str
    """The dense arm, by its label."""
    side: str
    """low: MoE has the lower loss from this rate on; high: up to this rate."""
    value: float | None = None
    """The rate; null if there is no crossing within the sampled range."""
    lo: float | None = None
    """Lower end of the 95 % interval; null if it is open."""
    hi: float | None = None
    """Upper end of the 95 % interval; null if it is open."""
    status: Status
    """converged; edge: MoE is still lower at that end of the range; not_identified: MoE is lower at no sampled rate."""
    why: Why
    """Code of the cause."""
    reason: str
    """The cause in a sentence."""

    def __post_init__(self) -> None:
        _checked(self)


@dataclass(frozen=True, kw_only=True)
class OtherMinimum:
    """A local minimum of the objective above the best one."""

    params: dict[str, float]
    """The parameters at this minimum, by name."""
    objective: float
    """The objective at this minimum."""
    starts: int
    """Number of starting points that led to it."""


@dataclass(frozen=True, kw_only=True)
class Search:
    """How the minimum of the objective was searched."""

    starts: int
    """Number of starting points, each followed to convergence."""
    agreeing: int
    """How many of them ended within 1e-6 of the best objective."""
    gradient: float | None
    """Largest gradient component at the best point, relative to the largest possible for these runs."""
    condition: float | None = None
    """Condition number of the Jacobian at the best point, with columns of unit length; null if it is singular."""
    within: float | None = None
    """Multiple of the best objective up to which other minima are listed."""
    others: tuple[OtherMinimum, ...] = ()
    """The other minima, best first."""
    flat: dict[str, Ends] = field(default_factory=dict)
    """Range of each poorly identified parameter that fits within 0.1 % of the best; an open end is null."""


@dataclass(frozen=True, kw_only=True, repr=False)
class FitResult(NotebookRepr):
    """A law fitted to a table of runs. `str()` of it is the report that the command prints."""

    law: str
    """Name of the law."""
    formula: str
    """The law as text."""
    source: str
    """Where the law and its fitting come from."""
    data: str
    """What the runs were read from."""
    data_hash: str | None = None
    """Hash of the file that held them; null if there was none."""
    series: SeriesKey | None = None
    """Which series of the table was fitted; null for all of its runs."""
    unit: str = "nats"
    """Unit of the loss: nats or bits per token, bpb (per byte) or bpc (per character)."""
    n: int
    """Number of runs that were fitted."""
    dof: int
    """Runs less fitted coefficients, blocks included, rounded; negative if there are too few runs."""
    objective: float | None = None
    """Value of the objective at its minimum; null if nothing was fitted."""
    objective_name: str
    """What the objective is."""
    status: Status
    """How the fit came out."""
    why: Why | None = None
    """Code of the cause if the status is not converged."""
    reason: str | None = None
    """The cause in a sentence."""
    params: dict[str, Param]
    """The parameters by name, in the order of the formula."""
    covariance: tuple[tuple[float, ...], ...] | None = None
    """Covariance of the parameters in the order of `params`; null if it is unknown."""
    residual_sd: float | None = None
    """SD of the residuals, sqrt(sum of squares / dof), in the units of the objective's residuals."""
    optimum: Optimum | None = None
    """The optimum of a curve; null for other laws."""
    interval: str
    """How the intervals were computed, or why there are none."""
    domain: dict[str, tuple[float, ...]]
    """Sampled range (lowest, highest) of each column that the law uses."""
    search: Search | None = None
    """How the minimum was searched; null for a closed form."""
    lack_of_fit: LackOfFit | None = None
    """The test of the shape of a curve or a law; null if no runs share a rate or a point."""
    shared_noise: tuple[SharedNoise, ...] = ()
    """For a law of several columns: whether its residuals share noise, by column."""
    blocks: Blocks | None = None
    """The fit without seeds as blocks; null if seeds are not blocks."""
    dropped: tuple[Dropped, ...] = ()
    """Rows of the input that were left out, with reasons."""
    diverged: tuple[Diverged, ...] = ()
    """Diverged runs of a curve by activation rate; a minimum near them is that of the surviving runs."""
    notes: tuple[str, ...] = ()
    """What else a reader must know, one sentence each."""
    knots: tuple[float, ...] | None = None
    """Knots of a spline, in the units of its column; null for other laws."""
    sensitivity: tuple[Sensitivity, ...] = ()
    """Every curve fitted to the same runs, this law's own included."""
    without: tuple[WithoutRate, ...] = ()
    """The interval of the optimum without each rate, lowest rate first; empty without an interval."""
    crossings: tuple[Crossing, ...] = ()
    """Where the MoE curve crosses the losses of the dense arms."""
    behind: Any = field(default=None, repr=False, compare=False, metadata=IN_MEMORY)
    """The runs and draws of a law of several columns (`FittedLaw`), for predictions; null in a fit that was read."""

    def __post_init__(self) -> None:
        _checked(self)

    @property
    def name(self) -> str:
        """The law and the slug of its series, such as cubic-C1e18; unique among the fits of a study."""
        return "-".join(filter(None, (self.law, str(self.series or ""))))

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that `predict` needs."""
        law = LAWS[self.law]
        return law.columns if isinstance(law, Law) else tuple(self.domain)

    def loss(self, **columns: float | Sequence[float] | Floats) -> Floats:
        """Return the fitted loss, shape (m,), at values of the law's columns: `loss(N=1e9, D=[2e10, 4e10])`.

        Raises UsageError for a missing column and for a fit without values of its parameters.
        """
        law = LAWS[self.law]
        needed = self.columns
        values = {name: param.value for name, param in self.params.items() if param.value is not None}
        if set(columns) != set(needed):
            raise UsageError(f"the fit of {self.law} predicts from {', '.join(needed)}, not from {', '.join(columns)}")
        if len(values) < len(self.params):
            raise UsageError(f"the fit of {self.law} has parameters without a value: {self.reason}")
        if not isinstance(law, Law):
            return curve(self, columns[needed[0]])[0]
        arrays = np.broadcast_arrays(*(np.atleast_1d(np.asarray(columns[name], float)) for name in needed))
        return law.loss(values, dict(zip(needed, arrays, strict=True)))

    def predict(self, **target: float) -> "Prediction":
        """Return what a law of several columns predicts at a target, with 95 % prediction intervals.

        `predict(N=7e9, D=1.4e11)` is the loss of that run, `predict(C=1e21)` the compute-optimal N and D, and
        `predict(N=7e9, C=1e21)` of a law with r_a the best rate and its loss. Raises UsageError where the target does
        not fix the columns of the law, for a fit without values, and for a fit that was read from a file.
        """
        from fits.predict.prediction import predict

        return predict(self, target)

    def allocate(self, C: float) -> "Prediction":
        """Return the compute-optimal N, D and D / N at `C` FLOPs, with 95 % intervals. Raises as `predict` does."""
        return self.predict(C=C)

    def to_frame(self) -> "DataFrame":
        """Return the parameters, then the optimum, one a row, with COLUMNS; missing numbers are NaN."""
        import pandas as pd

        found: dict[str, Param | Optimum] = dict(self.params)
        if self.optimum:
            found[f"{self.optimum.of}*"] = self.optimum
        about = (self.law, str(self.series or ""), self.data, self.n)
        rows = [(*about, name, one.value, one.lo, one.hi, one.status.value) for name, one in found.items()]
        return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"value": float, "lo": float, "hi": float})

    def __repr__(self) -> str:
        optimum = self.optimum
        best = f", {optimum.of}*={optimum.value:.4g}" if optimum and optimum.value is not None else ""
        return f"<FitResult {self.name}: n={self.n}, {self.status}{best}>"

    def __str__(self) -> str:
        return summary(self)


def _checked(result: "Param | Optimum | Crossing | FitResult") -> None:
    """Turn a status given as text into its member. Raises UsageError for an unknown one."""
    object.__setattr__(result, "status", Status(result.status))
