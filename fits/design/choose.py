"""Choose the next runs of a study, one step at a time: each step takes what shrinks the expected width most per cost.

A seed shifts all its runs together, so the first run of a new seed tells nothing about the curve. A step is therefore
one run of a seed that other runs have, or two runs of a new seed.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from fits.design.truths import Known
from fits.design.width import Design, Range, cubic_variance, expected_width

CLOSER = 4
"""Steps of each series, the best by the variance of a cubic, whose expected widths are computed."""
STEPS = 12
"""Most steps of a choice; with more runs than that, each step is made in several seeds at once."""


@dataclass(frozen=True, kw_only=True)
class CandidateCell:
    """An arm at one budget that further runs may be made of."""

    name: str
    """What the planner calls it."""
    x: float
    """ln r_a."""
    cost: float
    """Cost of a run, in the unit of the allowance: 1, or device-hours."""


@dataclass(frozen=True, kw_only=True, eq=False)
class OpenSeries:
    """A series that may get further runs."""

    design: Design
    """Its runs: done and planned ones."""
    known: Known
    """What its losses say."""
    cells: tuple[CandidateCell, ...]
    """What can be added to it."""
    within: Range
    """Range of x in which widths are compared."""
    new_seeds: tuple[int, ...]
    """Numbers for new seeds, in the order in which they are used."""


@dataclass(frozen=True, kw_only=True)
class ChosenRun:
    """A run to make."""

    series: int
    """Number of its series."""
    cell: CandidateCell
    """What to train."""
    seed: int
    """With which seed."""


Step = tuple[ChosenRun, ...]
Gain = tuple[float, float]
"""By how much a step shrinks the expected width, and the variance of a cubic, which decides where the width does not
move: a single pair of runs may leave it as it is."""


def choose(
    series: Sequence[OpenSeries], allowance: float, tick: Callable[[int], object] = lambda runs: None
) -> tuple[ChosenRun, ...]:
    """Return the runs of at most `allowance` in all that shrink the expected widths of the series most, in total.

    `tick` is called with the number of runs of each step. The result is empty if no step fits into the allowance or
    shrinks a width.
    """
    chosen: list[ChosenRun] = []
    designs = [one.design for one in series]
    widths = [expected_width(one.design, one.known, one.within) for one in series]
    cheapest = min((cell.cost for one in series for cell in one.cells), default=allowance + 1)
    copies = max(1, round(allowance / cheapest / STEPS))
    while True:
        left = allowance - _cost(tuple(chosen))
        best: tuple[Gain, Step, Design, float] | None = None
        for number, one in enumerate(series):
            steps = [step for step in _steps(number, one, designs[number], copies) if _cost(step) <= left * (1 + 1e-9)]
            for quick, step in _promising(steps, designs[number], one.known):
                design = designs[number] + _design(step)
                width = expected_width(design, one.known, one.within)
                gain = round((widths[number] - width) / _cost(step), 6), quick
                if gain > (0.0, 0.0) and (best is None or gain > best[0]):
                    best = gain, step, design, width
        if best is None:
            if copies == 1:
                return tuple(chosen)
            copies = 1
            continue
        number = best[1][0].series
        chosen += best[1]
        designs[number], widths[number] = best[2], best[3]
        tick(len(best[1]))


def _cost(step: Step) -> float:
    return sum(run.cell.cost for run in step)


def _promising(steps: list[Step], design: Design, known: Known) -> list[tuple[float, Step]]:
    """Return the steps that shrink the variance of a cubic's minimum most per cost, each with how much."""
    now = cubic_variance(design, known)
    quick = [(now - cubic_variance(design + _design(step), known)) * known.sd**2 / _cost(step) for step in steps]
    return [(quick[at], steps[at]) for at in sorted(range(len(steps)), key=lambda at: -quick[at])[:CLOSER]]


def _design(step: Step) -> Design:
    return Design(x=tuple(run.cell.x for run in step), seeds=tuple(run.seed for run in step))


def _steps(number: int, one: OpenSeries, design: Design, copies: int) -> Iterator[Step]:
    """Yield the possible steps; seeds that have the same arms are alike, so the first of them stands for all."""
    arms: dict[int, list[float]] = {}
    for x, seed in zip(design.x, design.seeds, strict=True):
        arms.setdefault(seed, []).append(x)
    alike: dict[tuple[float, ...], list[int]] = {}
    for seed, places in arms.items():
        alike.setdefault(tuple(sorted(places)), []).append(seed)
    for cell, (held, seeds) in itertools.product(one.cells, alike.items()):
        if cell.x not in held:
            yield tuple(ChosenRun(series=number, cell=cell, seed=seed) for seed in seeds[:copies])
    unused = [seed for seed in one.new_seeds if seed not in arms][:copies]
    for pair in itertools.combinations(one.cells, 2):
        if unused:
            yield tuple(ChosenRun(series=number, cell=cell, seed=seed) for seed in unused for cell in pair)
