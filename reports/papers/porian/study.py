"""arXiv 2406.19146 refitted: how the optimal size grows with compute, step by step from Kaplan's to Chinchilla's."""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from fits import RunTable
from fits.curve.effects import power_law
from fits.curve.parabola import fitted_vertex
from fits.runs.table import Floats
from reports.papers.coefficients import rows_of

WARMED, DECAYED, TUNED = "warm-up by model size", "decay to the end of each run", "tuned by size, no decay"
SETTING = ("hparams", "warmup", "decay", "param_count", "val")
"""Columns that identify a setting: how it was trained, what is counted, which loss is read."""
STEPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("as Kaplan et al. counted and trained", ("base", "long", "kaplan", "kaplan", "train")),
    ("last layer counted", ("base", "long", "kaplan", "standard", "val")),
    (WARMED, ("base", "short", "kaplan", "standard", "val")),
    (DECAYED, ("base", "short", "chinchilla", "standard", "val")),
    (TUNED, ("tuned", "short", "const", "standard", "val")),
)
"""The steps of the paper in its order, each with its setting; the last has no decay, so it follows the warm-up."""
NEAR = 1.0
"""Distance in ln N from the lowest point of a curve up to which our parabola is fitted."""
SAME = 5e-5
"""Difference up to which two exponents are the same."""


@dataclass(frozen=True, kw_only=True)
class Slope:
    """A least-squares slope of ln N_opt on ln C."""

    value: float
    """The exponent."""
    lo: float
    """Lower end of its 95 % interval, t quantile."""
    hi: float
    """Upper end of its 95 % interval."""
    factor: float
    """N_opt at C of 1 FLOP, parameters."""
    n: int
    """Number of optima."""

    @property
    def estimate(self) -> tuple[float, float, float]:
        """The exponent and the ends of its interval."""
        return self.value, self.lo, self.hi

    def __str__(self) -> str:
        """Return the exponent with its interval: `0.497 (0.479 to 0.515)`."""
        return f"{self.value:.3f} ({self.lo:.3f} to {self.hi:.3f})"


@dataclass(frozen=True, kw_only=True, eq=False)
class Setting:
    """One way of training and counting: its curves, the published optima and ours."""

    name: tuple[str, ...]
    """Values of the columns SETTING."""
    C: Floats
    """Compute of each published optimum, FLOPs, shape (n,)."""
    N: Floats
    """Each published optimum, parameters, shape (n,)."""
    plain: Slope
    """Our exponent from the published optima."""
    weighted: Slope
    """The same with weights 1 / (SD of ln N_opt)^2; the plain one where no SD is printed."""
    own: Slope
    """Our exponent from our own optima: parabolas through the IsoFLOP points."""
    printed: tuple[float, float]
    """The published exponents, plain and weighted."""
    points: tuple[Floats, Floats, Floats]
    """C, N and loss of the IsoFLOP points, each of shape (m,)."""
    minima: tuple[Floats, Floats, Floats]
    """C, N and loss of our own optima, each of shape (k,)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Porian:
    """Every setting."""

    settings: dict[tuple[str, ...], Setting]
    """Values of the columns SETTING -> setting."""
    empty: int = 0
    """Published optima without numbers."""
    source: str = "published: runs and optima of arXiv 2406.19146 (MIT); our fits"
    """Where the numbers come from."""

    @property
    def steps(self) -> dict[str, Setting]:
        """The steps in the order of the paper."""
        return {label: self.settings[name] for label, name in STEPS if name in self.settings}

    @property
    def moves(self) -> tuple[tuple[str, Setting, Setting], ...]:
        """Each correction with the setting before and after it; TUNED starts from WARMED."""
        steps = self.steps
        return tuple(
            (label, steps[WARMED if label == TUNED else before], steps[label]) for before, label in pairwise(steps)
        )

    @property
    def exponents_apart(self) -> float:
        """Largest difference between our exponents from the published optima and the printed ones."""
        pairs = [
            (one.plain.value - one.printed[0], one.weighted.value - one.printed[1]) for one in self.settings.values()
        ]
        return max(abs(off) for pair in pairs for off in pair)


def read() -> tuple[RunTable, RunTable]:
    """Return the shipped IsoFLOP points and optima."""
    return rows_of("porian2024_isoflop"), rows_of("porian2024_optimal_pairs")


def build(tables: tuple[RunTable, RunTable]) -> Porian:
    """Return the study computed from its rows."""
    curves, optima = tables
    names = dict.fromkeys(optima.frame[list(SETTING)].itertuples(index=False, name=None))
    settings = {name: _setting(curves, optima.only(_named(optima, name)), name) for name in names}
    return Porian(settings=settings, empty=len(optima.dropped))


def _named(table: RunTable, name: tuple[str, ...]) -> NDArray[np.bool_]:
    """Return which rows have the setting `name`, shape (n,)."""
    return np.asarray((table.frame[list(SETTING)] == list(name)).all(axis=1))


def _setting(curves: RunTable, optima: RunTable, name: tuple[str, ...]) -> Setting:
    C, N = optima.numbers("C"), optima.numbers("N_opt")
    spread = optima.frame["n_opt_logstd"].astype(float).to_numpy()
    plain = slope(C, N)
    mine = curves.only(_named(curves, name))
    points = mine.numbers("C"), mine.numbers("N"), mine.numbers("loss")
    minima = lowest(*points)
    printed = [float(optima.frame[f"published_n_exponent_{kind}"].iloc[0]) for kind in ("basic", "weighted")]
    return Setting(
        name=name,
        C=C,
        N=N,
        plain=plain,
        weighted=slope(C, N, 1 / spread**2) if np.isfinite(spread).all() else plain,
        own=slope(minima[0], minima[1]),
        printed=(printed[0], printed[1]),
        points=points,
        minima=minima,
    )


def slope(C: Floats, N: Floats, weights: Floats | None = None) -> Slope:
    """Return the weighted least-squares line of ln N on ln C with the t interval of its slope."""
    exponent, half, factor = power_law(C, N, weights)
    return Slope(value=exponent, lo=exponent - half, hi=exponent + half, factor=factor, n=len(C))


def lowest(C: Floats, N: Floats, loss: Floats, within: float = NEAR) -> tuple[Floats, Floats, Floats]:
    """Return C, N and loss where the parabola of loss on ln N is lowest, for each budget that brackets a minimum.

    The parabola is fitted to the points up to `within` in ln N of the lowest one. A budget is left out where the
    parabola has no minimum between these points.
    """
    found = []
    for budget in np.unique(C):
        minimum = fitted_vertex(np.log(N[budget == C]), loss[budget == C], within)
        if minimum is not None:
            found.append((budget, math.exp(minimum[0]), minimum[1]))
    rows = np.array(found).reshape(-1, 3)
    return rows[:, 0], rows[:, 1], rows[:, 2]
