"""arXiv 2406.19146 done again: how the optimal size grows with compute, step by step from Kaplan's to Chinchilla's."""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fits import RunTable
from fits.curve.effects import power_law
from fits.curve.parabola import fitted_vertex
from fits.runs.table import Floats
from reports.page.number_text import general, listed
from reports.page.page import Page
from reports.page.picture import Picture
from reports.page.table import Cell, Column, Table
from reports.papers.claim import Claim, either
from reports.papers.coefficients import page_of, rows_of
from reports.papers.reproduction import Reproduction

WARMED, DECAYED, TUNED = "warm-up by model size", "decay to the end of each run", "tuned by size, no decay"
SETTING = ("hparams", "warmup", "decay", "param_count", "val")
"""Columns that name a setting: how it was trained, what is counted, which loss is read."""
STEPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("as Kaplan et al. counted and trained", ("base", "long", "kaplan", "kaplan", "train")),
    ("last layer counted", ("base", "long", "kaplan", "standard", "val")),
    (WARMED, ("base", "short", "kaplan", "standard", "val")),
    (DECAYED, ("base", "short", "chinchilla", "standard", "val")),
    (TUNED, ("tuned", "short", "const", "standard", "val")),
)
"""The steps of the paper in its order, each with its setting; the last has no decay, so it follows the warm-up."""
KAPLAN, HOFFMANN = 0.73, 0.5
"""Exponents of arXiv 2001.08361 and, about, of arXiv 2203.15556 that the paper reconciles."""
NEAR = 1.0
"""Distance in ln N from the lowest point of a curve within which our parabola is fitted."""
SAME = 5e-5
"""Difference of two exponents up to which they are one."""
WIDTHS = (0.8, 1.0, 1.2, 1.5)
"""Such distances that the page compares."""


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
        """Each correction with the setting that it is made to and the one that it gives; TUNED is made to WARMED."""
        steps = self.steps
        return tuple(
            (label, steps[WARMED if label == TUNED else before], steps[label]) for before, label in pairwise(steps)
        )


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
    frame = table.frame
    alike = [(frame[column] == value).to_numpy() for column, value in zip(SETTING, name, strict=True)]
    return np.asarray(np.all(alike, axis=0))


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
    exponent, half, factor = power_law(C, N, weights)
    return Slope(value=exponent, lo=exponent - half, hi=exponent + half, factor=factor, n=len(C))


def lowest(C: Floats, N: Floats, loss: Floats, within: float = NEAR) -> tuple[Floats, Floats, Floats]:
    """Return C, N and loss where the parabola of loss on ln N is lowest, for each budget that brackets a minimum.

    It is fitted to the points `within` that of the lowest one in ln N, and left out where it has no minimum between
    them.
    """
    found = []
    for budget in np.unique(C):
        minimum = fitted_vertex(np.log(N[budget == C]), loss[budget == C], within)
        if minimum is not None:
            found.append((budget, math.exp(minimum[0]), minimum[1]))
    rows = np.array(found).reshape(-1, 3)
    return rows[:, 0], rows[:, 1], rows[:, 2]


def exponents(data: Porian) -> Table:
    """Return the exponents of every setting: printed, from the published optima, and from our own."""
    three = general(4)
    columns = (
        *(Column(name=column, head=column.replace("_", " "), text=True) for column in SETTING),
        Column(name="n", head="optima"), Column(name="printed", head="printed", show=three),
        Column(name="ours", head="ours", show=three), Column(name="lo", head="95 % low", show=three),
        Column(name="hi", head="95 % high", show=three),
        Column(name="printed_weighted", head="printed, weighted", show=three),
        Column(name="weighted", head="ours, weighted", show=three),
        Column(name="own", head="our parabolas", show=three),
        Column(name="own_lo", head="95 % low", show=three), Column(name="own_hi", head="95 % high", show=three),
    )  # fmt: skip
    rows: list[tuple[Cell, ...]] = []
    for one in data.settings.values():
        plain, own = one.plain, one.own
        numbers = (one.printed[0], plain.value, plain.lo, plain.hi, one.printed[1], one.weighted.value)
        rows.append((*one.name, plain.n, *numbers, own.value, own.lo, own.hi))
    note = (
        "a of N_opt = G C^a: least squares of ln N_opt on ln C, t intervals; weighted by 1 / (SD of ln N_opt)^2. Our "
        "parabolas of loss on ln N are fitted to the IsoFLOP points, budgets without a bracketed minimum left out."
    )
    return Table(name="exponents", title="Exponents of every setting", note=note, columns=columns, rows=tuple(rows))


def claims(data: Porian) -> tuple[Claim, ...]:
    """Return what the paper says beside what its rows say."""
    steps = list(data.steps.items())
    last = data.steps[TUNED]
    apart = _apart(data)
    own = [label for label, one in steps if not one.own.lo <= one.printed[0] <= one.own.hi]
    moved = [f"{label} {one.plain.value:.3f} to {other.plain.value:.3f}" for label, one, other in data.moves]
    overlapping = [label for label, one, other in data.moves if other.plain.hi >= one.plain.lo]
    return (
        Claim(
            says="The exponents of every setting, plain and weighted.",
            where="the authors' tables",
            found=f"Reproduced from the published optima to {apart:.0e} in all {len(data.settings)} settings.",
            verdict=either(apart < SAME),
        ),
        Claim(
            says="Each correction moves the exponent down, from Kaplan's to Hoffmann's.",
            where="figure 1",
            found=f"{'; '.join(moved)}. The last one is made to the warm-up and not to the decay. The 95 % intervals "
            f"before and after overlap at: {listed(overlapping) if overlapping else 'none'}.",
            verdict=either(all(other.plain.value < one.plain.value for _, one, other in data.moves)),
        ),
        Claim(
            says="After tuning by size the exponent is Hoffmann's, about .5, without decay of the learning rate.",
            where="figure 1",
            found=f"{last.plain.value:.3f} ({last.plain.lo:.3f} to {last.plain.hi:.3f}) from the published optima, "
            f"{last.own.value:.3f} ({last.own.lo:.3f} to {last.own.hi:.3f}) from our parabolas.",
            verdict=either(last.plain.lo <= HOFFMANN <= last.plain.hi and last.own.lo <= HOFFMANN <= last.own.hi),
        ),
        Claim(
            says="The optima are the minima of the IsoFLOP curves.",
            where="the authors' tables",
            found=f"By parabolas of our own the printed exponent lies outside our interval at: {listed(own)}."
            if own else "By parabolas of our own every printed exponent of the five steps lies in our interval.",
            verdict=either(not own),
        ),
    )  # fmt: skip


def _apart(data: Porian) -> float:
    """Return the largest difference between our exponents from the published optima and the printed ones."""
    pairs = ((one.plain.value - one.printed[0], one.weighted.value - one.printed[1]) for one in data.settings.values())
    return max(abs(off) for pair in pairs for off in pair)


def reasons(data: Porian) -> tuple[str, ...]:
    """Return why numbers differ, as far as it is known."""
    steps = data.steps
    first = next(iter(steps.values()))
    by_width = (
        f"{label} {listed(f'{slope(*lowest(*one.points, near)[:2]).value:.3f}' for near in WIDTHS)}"
        for label, one in ((DECAYED, steps[DECAYED]), ("the first step", first))
    )
    both = [name for name in data.settings if name[0] == "tuned" and name[2] == "chinchilla"]
    return (
        "The published optima come of interpolating each IsoFLOP curve and bootstrapping; ours are parabolas through "
        f"the points within a factor {math.exp(NEAR):.1f} of the lowest, a width that was set after looking at four: "
        f"with {listed(f'{near:g}' for near in WIDTHS)} in ln N the exponent is: {'; '.join(by_width)}. A parabola is "
        "biased where the curve is lopsided (arXiv 2603.22339), and these are steeper on the side of large models.",
        "Where the published optima scatter about their line by more than their printed SD, our interval of the plain "
        "slope is wider than one of the weighted slope would have to be.",
        f"Published optima that are empty, their curves having no minimum within the sizes trained: {data.empty}.",
        "The first setting counts parameters and FLOPs without the last layer and reads the training loss; the others "
        "count it and read the validation loss, so two things change in the first step.",
        *(
            ()
            if both
            else ("No setting here has both tuning by size and decay, so what both give together is not known.",)
        ),
    )


def answer(data: Porian) -> str:
    """Return the exponents before and after the corrections, and the two ways on from the warm-up."""
    steps = data.steps
    first, warmed, decayed, tuned = next(iter(steps.values())), steps[WARMED], steps[DECAYED], steps[TUNED]
    return (
        "Counting the last layer and a warm-up that fits the model take the exponent of the optimal size from "
        f"{first.plain.value:.3f} to {warmed.plain.value:.3f}. From there decay to the end of each run takes it to "
        f"{_ends(decayed.plain)}, tuning by size without decay to {_ends(tuned.plain)}. "
        f"{'All' if _apart(data) < SAME else 'Not all'} published exponents come out again; our own minima of the "
        f"curves give {decayed.own.value:.3f} and {tuned.own.value:.3f}."
    )


def _ends(slope: Slope) -> str:
    """Write an exponent with its interval."""
    return f"{slope.value:.3f} (95 % interval {slope.lo:.3f} to {slope.hi:.3f})"


def reproduction() -> Reproduction:
    """Return the study with its page."""
    data = build(read())

    def page(pictures: dict[str, Picture]) -> Page:
        return page_of(
            "porian", pictures, title="Kaplan against Chinchilla: arXiv 2406.19146",
            question="Why do two laws disagree on how the optimal size grows with compute?", answer=answer(data),
            first="porian_exponents", claims=claims(data), reasons=reasons(data), tables=(exponents(data),),
            footer=f"n = {sum(len(one.points[2]) for one in data.settings.values())} IsoFLOP points; {data.source}.",
        )  # fmt: skip

    return Reproduction(data=data, page=page, summary=_summary(data))


def _summary(data: Porian) -> dict[str, Any]:
    def ends(slope: Slope) -> dict[str, float]:
        return {"value": slope.value, "lo": slope.lo, "hi": slope.hi}

    return {
        "exponents": {
            label: {"printed": one.printed[0], "ours": ends(one.plain), "our_parabolas": ends(one.own)}
            for label, one in data.steps.items()
        }
    }
