"""Do 95 % intervals hold the truth in 95 % of simulated studies? A list of truths, designs and kinds of noise.

python -m benchmarks.calibration [--studies 200] [--law cubic] [--half tuning|kept]
python -m benchmarks.calibration --constancy | --chinchilla [--studies 1000]

The list was written before the method of the interval was chosen. The method was chosen with the first half of the
truths; the second half was kept apart. A study counts as stated where its optimum is converged (an interval, one end of
which may be open) or edge (a one-sided interval).
"""

import argparse
import itertools
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fits.curve.fit_curve import optimum_of
from fits.curve.least_squares import CurveData
from fits.drift.constancy import constancy
from fits.fit import fit_law
from fits.laws import chinchilla, curves
from fits.runs.select_arms import seed_blocks
from fits.runs.table import RunTable, from_records
from fits.simulate.coverage import FAMILIES, Coverage, Noise, measure_coverage, with_losses
from planners.matching.controls import CHINCHILLA as LAW_OF_2404_10102

Floats = NDArray[np.float64]
Shape = Callable[[Floats], Floats]


@dataclass(frozen=True, kw_only=True)
class Design:
    """The arms and seeds of a study. The true minimum is at BEST."""

    lowest: float
    """Lowest rate."""
    highest: float
    """Highest rate; the others are evenly spaced in ln r_a."""
    arms: int
    """Number of rates."""
    seeds: int
    """Runs at each rate."""

    @property
    def rates(self) -> tuple[float, ...]:
        """The rates, ascending."""
        return tuple(np.geomspace(self.lowest, self.highest, self.arms).tolist())


DESIGNS = {
    "4x6": Design(lowest=0.08, highest=0.6, arms=4, seeds=6),
    "5x3": Design(lowest=0.06, highest=0.7, arms=5, seeds=3),
    "5x6": Design(lowest=0.06, highest=0.7, arms=5, seeds=6),
    "6x2": Design(lowest=0.05, highest=0.8, arms=6, seeds=2),
    "7x1": Design(lowest=0.04, highest=0.8, arms=7, seeds=1),
    "8x3": Design(lowest=0.04, highest=0.8, arms=8, seeds=3),
    "9x2": Design(lowest=0.03, highest=0.95, arms=9, seeds=2),
    "5x3 narrow": Design(lowest=0.13, highest=0.58, arms=5, seeds=3),
    "5x3 to the right": Design(lowest=0.12, highest=0.8, arms=5, seeds=3),
    "5x3 from the minimum": Design(lowest=0.2, highest=0.9, arms=5, seeds=3),
    "5x3 beyond the minimum": Design(lowest=0.25, highest=0.95, arms=5, seeds=3),
}
"""Rates x seeds."""

BEST, FLOOR, HEIGHT = 0.2, 2.5, 0.12
"""Best rate, loss there, and difference between the highest and lowest loss of a design, nats per token."""


def powers(alpha: float, beta: float) -> Shape:
    """Return a r^-alpha + c r^beta with its minimum at r = 1, as a function of u = ln r."""
    return lambda u: np.expm1(-alpha * u) / alpha + np.expm1(beta * u) / beta


TUNING: dict[str, Shape] = {
    "parabola": lambda u: u**2,
    "cubic": lambda u: u**2 * (1 + 0.25 * u),
    "powers 1, 0.5": powers(1, 0.5),
    "powers 2, 0.3": powers(2, 0.3),
    "powers 4, 0.3": powers(4, 0.3),
    "powers 1, 2.4": powers(1, 2.4),
    "powers 2, 2": powers(2, 2),
    "powers 8, 1.4": powers(8, 1.4),
    "flat": lambda u: u**4,
    "V": lambda u: np.sqrt(u**2 + 0.05**2) - 0.05,
}
"""Truths to choose the method with, as functions of u = ln(r_a / BEST)."""
KEPT: dict[str, Shape] = {
    "mirrored cubic": lambda u: u**2 * (1 - 0.3 * u),
    "quartic": lambda u: u**2 * (1 - 0.4 * u + 0.12 * u**2),
    "powers 3, 0.2": powers(3, 0.2),
    "powers 6, 0.5": powers(6, 0.5),
    "powers 1.5, 1": powers(1.5, 1),
    "powers 10, 2": powers(10, 2),
    "saturating": lambda u: 1 - np.exp(-0.5 * u**2),
    "sixth power": lambda u: u**6,
    "skewed V": lambda u: np.where(u < 0, -2 * u, 0.6 * u),
    "two minima": lambda u: u**2 * ((u - 1.5) ** 2 + 0.15),
}
"""Truths that were kept apart until the method was fixed."""

HELD = ("r_a* held", "L* held", "width in ln r_a")
NOISES = ("gaussian", "precise", "t3", "unequal", "seeds")
"""SD 0.008 nats; SD 0.003; Student's t with 3 degrees of freedom; SD that rises fivefold from the lowest to the highest
rate; a shift of each seed with SD 0.01 in addition."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A truth, a design and a kind of noise."""

    truth: str
    design: str
    noise: str


def _cells(truths: str, designs: str, noises: str = "gaussian") -> tuple[Cell, ...]:
    product = itertools.product(*(names.split(" | ") for names in (truths, designs, noises)))
    return tuple(Cell(truth=truth, design=design, noise=noise) for truth, design, noise in product)


CELLS: dict[str, tuple[Cell, ...]] = {
    "tuning": (
        *_cells(" | ".join(name for name in TUNING if name != "V"), "5x3 | 8x3"),
        *_cells("parabola | cubic | powers 2, 0.3 | powers 8, 1.4", "7x1"),
        *_cells("powers 4, 0.3", "5x3 | 8x3", "precise | t3 | unequal | seeds"),
        *_cells("parabola | powers 2, 0.3", "5x3 to the right | 5x3 from the minimum"),
        *_cells("V", "5x3 | 8x3"),
        *_cells("parabola | powers 4, 0.3 | powers 8, 1.4", "5x3 narrow"),
    ),
    "kept": (
        *_cells(" | ".join(name for name in KEPT if name not in ("skewed V", "two minima")), "5x3 | 8x3"),
        *_cells("quartic | powers 3, 0.2", "4x6 | 5x6 | 6x2 | 7x1 | 9x2"),
        *_cells("powers 6, 0.5 | mirrored cubic", "5x3", "precise | t3 | unequal | seeds"),
        *_cells("quartic | powers 3, 0.2", "5x3 to the right | 5x3 from the minimum | 5x3 beyond the minimum"),
        *_cells("skewed V | two minima", "5x3 | 8x3"),
    ),
}
"""The cells by half of the list."""


def true_losses(cell: Cell, move: float = 0.0) -> Floats:
    """Return the true loss of each rate of the design, shape (arms,), with ln of the best rate moved by `move`."""
    u = np.log(np.array(DESIGNS[cell.design].rates) / BEST)
    heights = np.asarray({**TUNING, **KEPT}[cell.truth](u - move))
    return FLOOR + heights * HEIGHT / float(np.ptp(heights))


def noisy_losses(cell: Cell, random: np.random.Generator, move: float) -> Floats:
    """Return losses of one study, shape (seeds, arms)."""
    truth, seeds = true_losses(cell, move), DESIGNS[cell.design].seeds
    shape = (seeds, len(truth))
    errors = random.standard_t(3, shape) / math.sqrt(3) if cell.noise == "t3" else random.standard_normal(shape)
    sd = np.full(len(truth), 0.003 if cell.noise == "precise" else 0.008)
    if cell.noise == "unequal":
        sd = np.geomspace(1, 5, len(truth))
        sd *= 0.008 / math.sqrt(float(np.mean(sd**2)))
    shifts = 0.01 * random.standard_normal((seeds, 1)) if cell.noise == "seeds" else 0.0
    return truth + sd * errors + shifts


def studies(cell: Cell, count: int, seed: int = 0, move: float = 0.0) -> Iterator[RunTable]:
    """Yield `count` simulated studies of a cell, with ln of the best rate moved by `move`."""
    design = DESIGNS[cell.design]
    rows = [
        {"r_a": rate, "seed": seed, "n_experts": 8, "loss": 1.0}
        for seed in range(design.seeds)
        for rate in design.rates
    ]
    table = from_records(rows, source="simulated")
    random = np.random.default_rng([seed, *map(ord, "".join((cell.truth, cell.design, cell.noise)))])
    for _ in range(count):
        yield with_losses(table, noisy_losses(cell, random, move).ravel())


def calibrate(cell: Cell, law: str, count: int, seed: int = 0) -> Coverage:
    """Fit `law` to `count` studies and compare the answers with the truth."""
    optima = [optimum_of(data_of(table), curves()[law]) for table in studies(cell, count, seed)]
    return measure_coverage(optima, DESIGNS[cell.design].rates, BEST, FLOOR)


def data_of(table: RunTable) -> CurveData:
    """Return the runs of a study, with seeds as blocks."""
    return CurveData(x=np.log(table.rates()), loss=table.numbers("loss"), blocks=seed_blocks(table))


def row(cell: Cell, law: str, found: Coverage) -> list[str]:
    """Return a line of the table."""
    shares = [f"{100 * share:.1f} %" for share in found.statuses.values()]
    stated = {name: round(found.studies * found.statuses[name]) for name in ("converged", "edge")}
    held = [with_error(found.held, sum(stated.values())), with_error(found.loss_held, stated["converged"])]
    width = "-" if found.width is None else f"{found.width:.2f}"
    return [law, cell.truth, cell.design, cell.noise, *shares, *held, width]


def with_error(share: float | None, n: int) -> str:
    """Return a share of n studies with its Monte-Carlo standard error (of Agresti and Coull, so never zero)."""
    if share is None:
        return "-"
    likely = (share * n + 2) / (n + 4)
    return f"{share:.3f} ± {math.sqrt(likely * (1 - likely) / (n + 4)):.3f}"


BUDGETS = {
    "one cubic": ("cubic", "cubic", "cubic"),
    "one skewed shape": ("powers 4, 0.3", "powers 4, 0.3", "powers 4, 0.3"),
    "shape changes": ("parabola", "powers 2, 0.3", "powers 8, 1.4"),
}
"""The truth at each of three budgets."""


def constancy_row(name: str, design: str, movement: float, count: int) -> list[str]:
    """Return the share of studies of three budgets whose constancy is rejected, where ln r_a* moves by `movement`."""
    rejected, moving, held = [], [], []
    cells = [Cell(truth=truth, design=design, noise="gaussian") for truth in BUDGETS[name]]
    for study in range(count):
        tables = {}
        for index, cell in enumerate(cells):
            (table,) = studies(cell, 1, seed=3 * study + index, move=movement * (index - 1) / 2)
            tables[str(index)] = with_budget(table, 1e18 * 10.0**index)
        found = constancy(tables)
        rejected.append(found.p is not None and found.p < 0.05)
        moving.append(any(slope.p < 0.05 for slope in found.slopes))
        held.append((found.lo or 0.0) <= BEST <= (found.hi or math.inf))
    return [name, design, f"{movement:g}", *(f"{np.mean(each):.3f}" for each in (rejected, moving, held))]


def with_budget(table: RunTable, C: float) -> RunTable:
    """Return the table with a column C."""
    return replace(table, frame=table.frame.assign(C=C))


CHINCHILLA = LAW_OF_2404_10102.params
"""The truth: the fit of arXiv 2404.10102."""
SIZES, TOKENS_PER_PARAMETER = np.geomspace(2e7, 2e9, 8), (3, 8, 20, 50, 120, 300)


def chinchilla_row(family: str, count: int, sd: float = 0.005, draws: int = 300, seed: int = 0) -> list[str]:
    """Return how often the intervals of Chinchilla's parameters hold them: 48 points, noise `sd` in ln L."""
    N, D = np.array([(size, size * ratio) for size in SIZES for ratio in TOKENS_PER_PARAMETER]).T
    table = from_records([{"N": n, "D": d, "loss": 1.0} for n, d in zip(N.tolist(), D.tolist(), strict=True)])
    noise, random = Noise(sd=sd, seed_sd=0.0, family=family), np.random.default_rng(seed)
    truth = chinchilla.LAW.loss(CHINCHILLA, {"N": N, "D": D})
    held: dict[str, list[bool]] = {name: [] for name in CHINCHILLA}
    for study in range(count):
        losses = truth * np.exp(noise.draw(table, random))
        params = fit_law(with_losses(table, losses), "chinchilla", bootstrap=draws, seed=study).params
        for name, value in CHINCHILLA.items():
            one = params[name]
            if one.status == "converged" and one.lo is not None and one.hi is not None:
                held[name].append(one.lo <= value <= one.hi)
    shares = [f"{np.mean(stated):.3f} of {len(stated)}" if stated else "-" for stated in held.values()]
    return [family, f"{sd:g}", *shares]


def main() -> None:
    """Simulate every cell and print a row for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0, help="of the studies, not for --constancy")
    parser.add_argument("--law", default="cubic", help="a curve")
    parser.add_argument("--half", choices=[*CELLS], help="only this half of the truths")
    parser.add_argument("--truth", help="only cells of this truth")
    parser.add_argument("--design", help="only cells of this design")
    parser.add_argument("--constancy", action="store_true", help="the test of constancy instead")
    parser.add_argument("--chinchilla", action="store_true", help="the parameters of the Chinchilla law instead")
    flags = parser.parse_args()
    began = time.perf_counter()
    if flags.chinchilla:
        show("noise", "SD of ln L", *(f"{name} held" for name in CHINCHILLA))
        for family in FAMILIES:
            show(*chinchilla_row(family, flags.studies, seed=flags.seed))
    elif flags.constancy:
        show("truths", "design", "movement of ln r_a*", "rejected", "trend rejected", "common r_a* held")
        for name, design in itertools.product(BUDGETS, ("5x3", "5x6", "8x3")):
            for movement in (0.0, 0.2, 0.4) if name == "one cubic" else (0.0,):
                show(*constancy_row(name, design, movement, flags.studies))
    else:
        show("law", "truth", "design", "noise", "converged", "edge", "not identified", "no minimum", *HELD)
        for cell in itertools.chain(*(cells for half, cells in CELLS.items() if flags.half in (None, half))):
            if flags.truth in (None, cell.truth) and flags.design in (None, cell.design):
                show(*row(cell, flags.law, calibrate(cell, flags.law, flags.studies, flags.seed)))
    print(f"\n{flags.studies} studies a row, {time.perf_counter() - began:.0f} s")


def show(*cells: str) -> None:
    """Print a line of a Markdown table; the first one is its header."""
    print("| " + " | ".join(cells) + " |", flush=True)
    if cells[0] in ("law", "truths", "noise"):
        print("|" + "---|" * len(cells))


if __name__ == "__main__":
    main()
