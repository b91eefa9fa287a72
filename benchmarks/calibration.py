"""Do 95 % intervals hold the truth in 95 % of simulated studies? Two designs, three truths, two kinds of noise.

python -m benchmarks.calibration [--studies 1000] [--law cubic,quadratic,spline]
python -m benchmarks.calibration --constancy | --chinchilla [--studies 1000]

`embedded` is the design of the embedded study (rates, seeds, noise and bend as its pilot measured them), `larger` has
more rates and seeds and the smaller noise of larger runs. A study counts as stated where its optimum is converged (an
interval, one end of which may be open) or edge (a one-sided interval).
"""

import argparse
import itertools
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fits.drift.constancy import constancy
from fits.fit import fit_law
from fits.laws import chinchilla
from fits.runs.table import RunTable, from_records
from fits.simulate.coverage import FAMILIES, Coverage, Noise, measure_coverage, with_losses
from planners.matching.controls import CHINCHILLA as LAW_OF_2404_10102

Floats = NDArray[np.float64]
Truth = Callable[[Floats], Floats]


@dataclass(frozen=True, kw_only=True)
class Design:
    """A plan of arms and seeds, and how noisy its losses are."""

    name: str
    rates: tuple[float, ...]
    seeds: int
    best: float
    """Where the loss is lowest."""
    bend: float
    """Half the second derivative there, in ln r_a."""
    skew: float
    """A sixth of the third derivative of the cubic truth."""
    exponents: tuple[float, float]
    """Exponents of N_a and D of the physical truth."""
    noise: float
    """SD of the losses of one seed, nats."""
    shift: float
    """SD of what a seed adds to all its arms, nats."""


DESIGNS = (
    Design(
        name="embedded", rates=(0.092, 0.113, 0.156, 0.240, 0.409), seeds=3, best=0.14, bend=0.13, skew=-0.03,
        exponents=(0.6, 0.3), noise=0.015, shift=0.015,
    ),
    Design(
        name="larger", rates=tuple(np.geomspace(0.06, 0.6, 8).tolist()), seeds=5, best=0.2, bend=0.03, skew=0.004,
        exponents=(0.35, 0.28), noise=0.004, shift=0.004,
    ),
)  # fmt: skip
FLOOR = 2.5
TRUTHS = ("parabola", "cubic", "physical")
HELD = ("r_a* held", "L* held", "width in ln r_a")


def truths(design: Design) -> dict[str, Truth]:
    """Return the losses as functions of x = ln r_a, all lowest at the same rate and with the same bend there."""
    centre, bend = math.log(design.best), design.bend

    def parabola(x: Floats) -> Floats:
        return FLOOR + bend * (x - centre) ** 2

    def cubic(x: Floats) -> Floats:
        return FLOOR + bend * (x - centre) ** 2 + design.skew * (x - centre) ** 3

    def physical(x: Floats) -> Floats:
        """A / N_a^alpha + B / D^beta at fixed C, where D falls as N_a rises (arXiv 2203.15556)."""
        alpha, beta = design.exponents
        active = 2 * bend / (alpha * (alpha + beta))
        tokens = active * alpha / beta
        terms = active * np.exp(-alpha * (x - centre)) + tokens * np.exp(beta * (x - centre))
        return np.asarray(FLOOR + terms - active - tokens)

    return {"parabola": parabola, "cubic": cubic, "physical": physical}


def studies(design: Design, truth: Truth, family: str, count: int, seed: int = 0) -> Iterator[RunTable]:
    """Yield `count` simulated studies; seeds shift all their arms together."""
    rows = [
        {"r_a": rate, "seed": seed, "n_experts": 8, "loss": 1.0}
        for seed in range(design.seeds)
        for rate in design.rates
    ]
    table = from_records(rows, source="simulated")
    noise, random = Noise(sd=design.noise, seed_sd=design.shift, family=family), np.random.default_rng(seed)
    losses = truth(np.log(table.rates()))
    for _ in range(count):
        yield with_losses(table, losses + noise.draw(table, random))


def calibrate(design: Design, truth: str, family: str, law: str, count: int, seed: int = 0) -> Coverage:
    """Fit `law` to `count` studies and hold the answers against the truth."""
    tables = studies(design, truths(design)[truth], family, count, seed)
    optima = [fit.optimum for table in tables if (fit := fit_law(table, law)).optimum]
    return measure_coverage(optima, design.rates, design.best, FLOOR)


def row(design: Design, truth: str, family: str, law: str, found: Coverage) -> list[str]:
    """Return a line of the table."""
    shares = [f"{share:.1%}" for share in found.statuses.values()]
    held = ["-" if share is None else f"{share:.3f}" for share in (found.held, found.loss_held)]
    return [law, design.name, truth, family, *shares, *held, "-" if found.width is None else f"{found.width:.2f}"]


def constancy_row(design: Design, family: str, movement: float, count: int) -> list[str]:
    """Return the share of studies of three budgets whose constancy is rejected, where ln r_a* moves by `movement`."""
    rejected = []
    for study in range(count):
        cells = {}
        for index in range(3):
            moved = replace(design, best=design.best * math.exp(movement * (index - 1) / 2))
            cells[str(index)] = next(studies(moved, truths(moved)["cubic"], family, 1, seed=3 * study + index))
        rejected.append(constancy(cells).p < 0.05)
    return [design.name, family, f"{movement:g}", f"{np.mean(rejected):.3f}"]


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
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0, help="of the studies, not for --constancy")
    parser.add_argument("--law", default="cubic", help="laws, with commas between")
    parser.add_argument("--constancy", action="store_true", help="the test of constancy instead")
    parser.add_argument("--chinchilla", action="store_true", help="the parameters of the Chinchilla law instead")
    flags = parser.parse_args()
    began = time.perf_counter()
    cells = itertools.product(DESIGNS, FAMILIES)
    if flags.chinchilla:
        show("noise", "SD of ln L", *(f"{name} held" for name in CHINCHILLA))
        for family in FAMILIES:
            show(*chinchilla_row(family, flags.studies, seed=flags.seed))
    elif flags.constancy:
        show("design", "noise", "movement of ln r_a*", "rejected")
        for design, family in cells:
            for movement in (0.0, 0.2, 0.4):
                show(*constancy_row(design, family, movement, flags.studies))
    else:
        show("law", "design", "truth", "noise", "converged", "edge", "not identified", "no minimum", *HELD)
        for law, (design, family), truth in itertools.product(flags.law.split(","), list(cells), TRUTHS):
            show(*row(design, truth, family, law, calibrate(design, truth, family, law, flags.studies, flags.seed)))
    print(f"\n{flags.studies} studies a row, {time.perf_counter() - began:.0f} s")


def show(*cells: str) -> None:
    """Print a line of a Markdown table; the first one is its header."""
    print("| " + " | ".join(cells) + " |", flush=True)
    if cells[0] in ("law", "design", "noise"):
        print("|" + "---|" * len(cells))


if __name__ == "__main__":
    main()
