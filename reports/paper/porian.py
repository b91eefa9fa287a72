"""arXiv 2406.19146 done again: how the optimal size grows with compute, step by step from Kaplan's to Chinchilla's."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fits import RunTable
from fits.intervals import t_quantile
from fits.table import Floats
from reports.paper.beside import rows_of

SETTING = ("hparams", "warmup", "decay", "param_count", "val")
"""Columns that name a setting: how it was trained, what is counted, which loss is read."""
STEPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("as Kaplan et al. counted and trained", ("base", "long", "kaplan", "kaplan", "train")),
    ("last layer counted", ("base", "long", "kaplan", "standard", "val")),
    ("warm-up by model size", ("base", "short", "kaplan", "standard", "val")),
    ("decay to the end of each run", ("base", "short", "chinchilla", "standard", "val")),
    ("tuned by size, no decay", ("tuned", "short", "const", "standard", "val")),
)
"""The corrections in the order of the paper, each with its setting."""
KAPLAN, HOFFMANN = 0.73, 0.5
"""Exponents of arXiv 2001.08361 and, about, of arXiv 2203.15556 that the paper reconciles."""
NEAR = 1.2
"""Distance in ln N from the lowest point of a curve within which our parabola is fitted."""


@dataclass(frozen=True, kw_only=True)
class Slope:
    """A least-squares slope of ln N_opt on ln C."""

    value: float
    """The exponent."""
    lo: float
    """Lower end of its 95 % interval, t quantile."""
    hi: float
    """Upper end of it."""
    factor: float
    """N_opt at C of 1 FLOP."""
    n: int
    """Optima."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Setting:
    """One way of training and counting: its curves, the published optima and ours."""

    name: tuple[str, ...]
    """Values of the columns SETTING."""
    C: Floats
    """Compute of each published optimum, FLOPs, shape (n,)."""
    N: Floats
    """The optimum, parameters."""
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
    """By the values of the columns SETTING."""
    source: str = "published: runs and optima of arXiv 2406.19146 (MIT); our fits"
    """Where the numbers come from."""

    @property
    def steps(self) -> dict[str, Setting]:
        """The corrections in the order of the paper."""
        return {label: self.settings[name] for label, name in STEPS if name in self.settings}


def read() -> tuple[RunTable, RunTable]:
    """Return the shipped IsoFLOP points and optima."""
    return rows_of("porian2024_isoflop"), rows_of("porian2024_optimal_pairs")


def build(tables: tuple[RunTable, RunTable]) -> Porian:
    """Return the study computed from its rows."""
    curves, optima = tables
    found = optima.frame.groupby(list(SETTING), sort=False)
    return Porian(settings={name: _setting(curves, optima.only(_named(optima, name)), name) for name, _ in found})


def _named(table: RunTable, name: tuple[str, ...]) -> NDArray[np.bool_]:
    frame = table.frame
    return np.all([(frame[column] == value).to_numpy() for column, value in zip(SETTING, name, strict=True)], axis=0)


def _setting(curves: RunTable, optima: RunTable, name: tuple[str, ...]) -> Setting:
    C, N = optima.numbers("C"), optima.numbers("N_opt")
    spread = optima.frame["n_opt_logstd"].astype(float).to_numpy()
    usable = np.isfinite(spread)
    weighted = slope(C[usable], N[usable], 1 / spread[usable] ** 2) if usable.all() else slope(C, N)
    mine = curves.only(_named(curves, name))
    points = mine.numbers("C"), mine.numbers("N"), mine.numbers("loss")
    minima = lowest(*points)
    printed = tuple(float(optima.frame[f"published_n_exponent_{kind}"].iloc[0]) for kind in ("basic", "weighted"))
    return Setting(
        name=name, C=C, N=N, plain=slope(C, N), weighted=weighted, own=slope(minima[0], minima[1]),
        printed=(printed[0], printed[1]), points=points, minima=minima,
    )  # fmt: skip


def slope(C: Floats, N: Floats, weights: Floats | None = None) -> Slope:
    """Return the weighted least-squares line of ln N on ln C with the t interval of its slope."""
    x, y = np.log(C), np.log(N)
    w = np.ones_like(x) if weights is None else weights / weights.mean()
    center = np.average(x, weights=w), np.average(y, weights=w)
    dx, dy = x - center[0], y - center[1]
    a = float(np.sum(w * dx * dy) / np.sum(w * dx**2))
    residual = dy - a * dx
    error = math.sqrt(float(np.sum(w * residual**2)) / (len(x) - 2) / float(np.sum(w * dx**2)))
    half = t_quantile(len(x) - 2) * error
    return Slope(value=a, lo=a - half, hi=a + half, factor=math.exp(center[1] - a * center[0]), n=len(x))


def lowest(C: Floats, N: Floats, loss: Floats) -> tuple[Floats, Floats, Floats]:
    """Return C, N and loss where the parabola of loss on ln N is lowest, for each budget that brackets a minimum.

    It is fitted to the points within NEAR of the lowest one, and left out where it has no minimum between them.
    """
    found = []
    for budget in np.unique(C):
        x, y = np.log(N[C == budget]), loss[C == budget]
        near = np.abs(x - x[np.argmin(y)]) <= NEAR
        if near.sum() < 4:
            continue
        bend, tilt, height = np.polyfit(x[near] - x[near].mean(), y[near], 2)
        place = -tilt / (2 * bend)
        at = place + x[near].mean()
        if bend > 0 and x[near].min() < at < x[near].max():
            found.append((budget, math.exp(at), height - bend * place**2))
    rows = np.array(found).reshape(-1, 3)
    return rows[:, 0], rows[:, 1], rows[:, 2]
