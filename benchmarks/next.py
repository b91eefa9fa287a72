"""What choosing the next runs saves against a plain grid, what an L-shaped grid costs, and if early stopping is honest.

OMP_NUM_THREADS=1 python benchmarks/next.py [--studies 12] [--looks 700] [--only designs|adaptive|l|looks]

Four parts, each on three truths: a parabola, a skewed curve, and a flat one that is steep at one side.

designs   Runs to the same expected width when the truth is known: rates in turn (plain) against the choice.
adaptive  The same as a study would do it: after each batch the truth is estimated anew from its noisy runs.
l         Precision of the movement of r_a* with N and with C: a 3 x 3 grid against an L of 5 cells at equal cost.
looks     Coverage at the end, if a study adds a seed of every rate until its interval is narrow enough.
"""

import argparse
import itertools
import math
from collections.abc import Callable, Iterator

import numpy as np

from fits.curve.fit_curve import optimum_of
from fits.curve.least_squares import fit_basis
from fits.design.choose import CandidateCell, OpenSeries, choose
from fits.design.truths import known_of
from fits.design.width import Design, expected_width
from fits.laws import curves
from fits.runs.table import Floats

SD, SEED_SD = 0.012, 0.015
"""Noise of a run and of a seed, nats per token; a laptop-sized study has about these."""
RATES = np.round(np.log(np.geomspace(0.05, 0.7, 6)), 9)
"""ln r_a of the plain grid."""
BETWEEN = np.round((RATES[1:] + RATES[:-1]) / 2, 9)
"""ln r_a of further arms that the choice may plan."""
BEST = math.log(0.18)


def parabola(x: Floats) -> Floats:
    """Return a symmetric curve with its minimum at 0.18, nats."""
    return 0.1 * (x - BEST) ** 2


def skewed(x: Floats) -> Floats:
    """Return a curve that is three times as steep at low rates."""
    v = x - BEST
    return 0.08 * (np.expm1(-1.8 * v) / 1.8 + np.expm1(0.6 * v) / 0.6)


def lopsided(x: Floats) -> Floats:
    """Return a curve that is flat at low rates and steep at high ones."""
    v = x - BEST
    return 0.06 * (np.expm1(-0.4 * v) / 0.4 + np.expm1(2.5 * v) / 2.5)


TRUTHS: dict[str, Callable[[Floats], Floats]] = {"parabola": parabola, "skewed": skewed, "lopsided": lopsided}


def grid(seeds: int) -> Design:
    """Return every rate of the plain grid with each seed."""
    return Design(x=tuple(np.tile(RATES, seeds).tolist()), seeds=tuple(np.repeat(range(seeds), len(RATES)).tolist()))


class Runs:
    """Losses of runs from a truth; the same run has the same loss, whenever it is made."""

    def __init__(self, truth: Callable[[Floats], Floats], random: np.random.Generator):
        self.truth, self.random = truth, random
        self.shifts: dict[int, float] = {}
        self.noise: dict[tuple[float, int], float] = {}

    def losses(self, design: Design) -> Floats:
        """Return the loss of each run of a design."""
        for pair in zip(design.x, design.seeds, strict=True):
            self.shifts.setdefault(pair[1], SEED_SD * self.random.standard_normal())
            self.noise.setdefault(pair, SD * self.random.standard_normal())
        own = [self.shifts[seed] + self.noise[x, seed] for x, seed in zip(design.x, design.seeds, strict=True)]
        return 3 + self.truth(np.array(design.x)) + np.array(own)


def opened(design: Design, losses: Floats) -> OpenSeries:
    """Return a series that the choice may add runs to."""
    known = known_of(design.data(losses))
    assert known is not None
    cells = tuple(CandidateCell(name=str(x), x=x, cost=1.0) for x in sorted((*RATES.tolist(), *BETWEEN.tolist())))
    first = max(design.seeds) + 1
    within = float(RATES[0]), float(RATES[-1])
    return OpenSeries(design=design, known=known, cells=cells, within=within, new_seeds=tuple(range(first, first + 60)))


def widened(design: Design, series: OpenSeries, runs: int) -> Design:
    """Return a design with the chosen runs."""
    chosen = choose([series], runs)
    return design + Design(x=tuple(run.cell.x for run in chosen), seeds=tuple(run.seed for run in chosen))


def width_of(design: Design, losses: Floats) -> tuple[float, bool | None]:
    """Return the width of the interval of r_a* in ln r_a, and whether it holds the truth; None if none is stated."""
    optimum = optimum_of(design.data(losses), curves()["cubic"])
    if optimum.status not in ("converged", "edge"):
        return math.inf, None
    lo, hi = (math.log(end) if end else open_ for end, open_ in ((optimum.lo, -math.inf), (optimum.hi, math.inf)))
    return hi - lo, lo <= BEST <= hi


def designs() -> None:
    """Print the runs that the plain grid and the choice need for one expected width, with the truth known."""
    print(f"{'truth':10}{'width':>8}{'plain':>8}{'chosen':>8}{'saved':>8}")
    for name, truth in TRUTHS.items():
        start = grid(2)
        series = opened(grid(40), truth(np.array(grid(40).x)) + SD * np.random.default_rng(0).standard_normal(240))
        plain = {len(grid(seeds).x): expected_width(grid(seeds), series.known, series.within) for seeds in range(2, 11)}
        design, found = start, {len(start.x): expected_width(start, series.known, series.within)}
        while len(design.x) < 60:
            before = len(design.x)
            now = OpenSeries(**{**vars(series), "design": design, "new_seeds": tuple(range(2, 80))})
            design = widened(design, now, 3)
            if len(design.x) == before:
                break
            found[len(design.x)] = expected_width(design, series.known, series.within)
        for seeds in (4, 6, 8):
            wanted = plain[len(grid(seeds).x)]
            needed = next((n for n, width in sorted(found.items()) if width <= wanted), None)
            saved = "-" if needed is None else f"{1 - needed / len(grid(seeds).x):.0%}"
            print(f"{name:10}{math.exp(wanted):8.2f}{len(grid(seeds).x):8}{needed or 0:8}{saved:>8}", flush=True)


def adaptive(studies: int, target: float = 1.3, most: int = 72) -> None:
    """Print the runs that studies need until their own interval is narrow enough, one batch after another."""
    print(f"{'truth':10}{'plain runs':>12}{'chosen runs':>13}{'saved':>8}{'plain holds':>13}{'chosen holds':>14}")
    for name, truth in TRUTHS.items():
        ends: dict[str, list[int]] = {"plain": [], "chosen": []}
        held: dict[str, list[bool]] = {"plain": [], "chosen": []}
        for study in range(studies):
            for how in ends:
                runs = Runs(truth, np.random.default_rng([study, 7]))
                design = grid(2)
                while True:
                    losses = runs.losses(design)
                    width, holds = width_of(design, losses)
                    if width <= math.log(target) or len(design.x) >= most:
                        break
                    if how == "plain":
                        design = grid(len(design.x) // len(RATES) + 1)
                    else:
                        wider = widened(design, opened(design, losses), len(RATES))
                        design = wider if len(wider.x) > len(design.x) else grid(len(design.x) // len(RATES) + 1)
                ends[how].append(len(design.x))
                held[how] += [] if holds is None else [holds]
        plain, chosen = (float(np.mean(ends[how])) for how in ends)
        shares = [f"{sum(held[how])} of {len(held[how])}" for how in held]
        saved = f"{1 - chosen / plain:.0%}"
        print(f"{name:10}{plain:12.1f}{chosen:13.1f}{saved:>8}{shares[0]:>13}{shares[1]:>14}", flush=True)


def l_shapes(studies: int) -> None:
    """Print the SD of the movement of ln r_a* with ln N and with ln C, for a full grid and an L of equal cost."""
    steps = (-1.0, 0.0, 1.0)  # ln N and ln C in units of the step between neighbours; C grows threefold a step
    full = list(itertools.product(steps, steps))
    bent = [(N, C) for N, C in full if N == 0 or C == 0]
    print(f"{'truth':10}{'design':8}{'cells':>7}{'seeds':>7}{'cost':>7}{'SD by N':>9}{'SD by C':>9}")
    for name, truth in TRUTHS.items():
        for label, cells, seeds in (("full", full, 3), ("L", bent, 6)):
            random = np.random.default_rng(5)
            slopes = np.array([_slopes(truth, cells, seeds, random) for _ in range(studies)])
            cost = sum(3**C for _, C in cells) * seeds * len(RATES)
            by_N, by_C = slopes[:, 1].std(), slopes[:, 2].std()
            print(f"{name:10}{label:8}{len(cells):7}{seeds:7}{cost:7.0f}{by_N:9.3f}{by_C:9.3f}", flush=True)


def _slopes(
    truth: Callable[[Floats], Floats], cells: list[tuple[float, float]], seeds: int, random: np.random.Generator
) -> Floats:
    design, basis = grid(seeds), curves()["cubic"].basis(RATES)
    found = []
    for _ in cells:
        data = design.data(Runs(truth, random).losses(design))
        fitted = fit_basis(basis, data.x, data.loss, data.blocks)
        assert fitted is not None
        found.append(fitted.lowest)
    columns = np.column_stack([np.ones(len(cells)), np.array(cells)])
    return np.asarray(np.linalg.lstsq(columns, np.array(found), rcond=None)[0])


def looks(studies: int, target: float = 1.6, most: int = 6) -> None:
    """Print how often the interval holds the truth where a study stops as soon as it is narrow enough."""
    print(f"{'truth':10}{'studies':>8}{'first look':>16}{'at the end':>16}{'mean runs':>11}{'looks':>7}", flush=True)
    for name, truth in TRUTHS.items():
        first: list[bool] = []
        stopped: list[bool] = []
        sizes: list[int] = []
        for study in range(studies):
            runs = Runs(truth, np.random.default_rng([study, 11]))
            for seeds in range(2, most + 1):
                design = grid(seeds)
                width, holds = width_of(design, runs.losses(design))
                if seeds == 2 and holds is not None:
                    first.append(holds)
                if width <= math.log(target):
                    break
            sizes.append(len(design.x))
            stopped += [] if holds is None else [holds]
        shares = [f"{np.mean(held):.1%} of {len(held)}" for held in (first, stopped)]
        n_looks = np.mean(sizes) / len(RATES) - 1
        print(f"{name:10}{studies:8}{shares[0]:>16}{shares[1]:>16}{np.mean(sizes):11.1f}{n_looks:7.1f}", flush=True)


def parts(studies: int, n_looks: int) -> Iterator[tuple[str, Callable[[], None]]]:
    """Yield the parts by name."""
    yield "designs", designs
    yield "adaptive", lambda: adaptive(studies)
    yield "l", lambda: l_shapes(20 * studies)
    yield "looks", lambda: looks(n_looks)


def main() -> None:
    """Run the parts that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=12)
    parser.add_argument("--looks", type=int, default=700, help="studies of each truth")
    parser.add_argument("--only", choices=("designs", "adaptive", "l", "looks"))
    asked = parser.parse_args()
    for name, part in parts(asked.studies, asked.looks):
        if asked.only in (None, name):
            print(f"[{name}]", flush=True)
            part()
            print(flush=True)


if __name__ == "__main__":
    main()
