"""Do 95 % intervals hold the truth in 95 % of simulated studies? Two designs, three truths, two kinds of noise.

python benchmarks/calibration.py [--studies 1000] [--law cubic] [--markdown]

`embedded` is the design of the embedded study (rates, seeds, noise and bend as its pilot measured them), `larger` has
more rates and seeds and the smaller noise of larger runs. A study counts as stated where its optimum is converged (an
interval, one end of which may be open) or edge (a one-sided interval).
"""

import argparse
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fits import FitResult, RunTable, fit_law, from_records

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
NOISES = ("gaussian", "t3")


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


def studies(design: Design, truth: Truth, noise: str, count: int, seed: int = 0) -> Iterator[RunTable]:
    """Yield `count` simulated studies; seeds shift all their arms together."""
    random = np.random.default_rng(seed)
    losses = truth(np.log(design.rates))
    for _ in range(count):
        shape = (design.seeds, len(design.rates))
        draws = random.standard_normal(shape) if noise == "gaussian" else random.standard_t(3, shape) / math.sqrt(3)
        shifted = losses + design.noise * draws + design.shift * random.standard_normal((design.seeds, 1))
        yield from_records(
            [
                {"r_a": rate, "seed": seed, "n_experts": 8, "loss": loss}
                for seed, row in enumerate(shifted.tolist())
                for rate, loss in zip(design.rates, row, strict=True)
            ],
            source="simulated",
        )


@dataclass(frozen=True, kw_only=True)
class Score:
    """What became of the studies of one cell."""

    stated: int
    """Studies with an interval: converged or edge."""
    shares: dict[str, float]
    """Share of each status."""
    optimum: float
    """Share of the stated intervals of r_a* that hold the truth."""
    loss: float
    """Share of the intervals of L* that do, among the converged."""
    width: float
    """Median width in ln r_a, open ends at the ends of the grid."""


def score(design: Design, fits: list[FitResult]) -> Score:
    """Hold the fits against the truth, which is lowest at `design.best` with loss FLOOR."""
    optima = [fit.optimum for fit in fits if fit.optimum]
    statuses = [optimum.status for optimum in optima]
    stated = [optimum for optimum in optima if optimum.status in ("converged", "edge")]
    low, high = design.rates[0], design.rates[-1]
    held = [(one.lo or 0) <= design.best <= (one.hi or math.inf) for one in stated]
    levels = [
        one.loss_lo <= FLOOR <= one.loss_hi for one in stated if one.loss_lo is not None and one.loss_hi is not None
    ]
    widths = [math.log((one.hi or high) / (one.lo or low)) for one in stated]
    return Score(
        stated=len(stated),
        shares={
            name: statuses.count(name) / len(optima) for name in ("converged", "edge", "not_identified", "no_minimum")
        },
        optimum=float(np.mean(held)) if held else math.nan,
        loss=float(np.mean(levels)) if levels else math.nan,
        width=float(np.median(widths)) if widths else math.nan,
    )


def main() -> None:
    """Simulate every cell and print a row for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--law", default="cubic")
    parser.add_argument("--markdown", action="store_true")
    flags = parser.parse_args()
    names = (
        "design",
        "truth",
        "noise",
        "converged",
        "edge",
        "not identified",
        "no minimum",
        "r_a* held",
        "L* held",
        "width",
    )
    print("| " + " | ".join(names) + " |\n|" + "---|" * len(names))
    began = time.perf_counter()
    for design in DESIGNS:
        for name, truth in truths(design).items():
            for noise in NOISES:
                tables = studies(design, truth, noise, flags.studies)
                found = score(design, [fit_law(table, flags.law) for table in tables])
                shares = [f"{share:.1%}" for share in found.shares.values()]
                cells = [
                    design.name,
                    name,
                    noise,
                    *shares,
                    f"{found.optimum:.3f}",
                    f"{found.loss:.3f}",
                    f"{found.width:.2f}",
                ]
                print("| " + " | ".join(cells) + " |", flush=True)
    print(f"\n{flags.law}, {flags.studies} studies a row, {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
