"""Which runs of a study to make next: a choice from the fits so far, with what it is expected to bring, simulated."""

import itertools
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fits.curve.least_squares import CurveData
from fits.design.choose import CandidateCell, OpenSeries, choose
from fits.design.gains import best_split, lead_width, reuse_power
from fits.design.truths import known_of
from fits.design.width import Design, simulated_width, within_of
from fits.repeats.margin import margins
from fits.repeats.reuse import reuse
from fits.runs.select_arms import seed_blocks
from fits.runs.table import RunTable
from planners import RunSpec, Study, UsageError
from planners.arm_settings import AddedRuns, written_added
from planners.records.json import to_json
from planners.records.notebook_repr import NotebookRepr
from planners.records.quantity import format_flops, format_quantity
from planners.records.text_table import percentage, text_table
from scaling import cli
from scaling.study_cells import NamedCell, PlannedSeries, PlannedStudy
from scaling.study_table import margin_of

if TYPE_CHECKING:
    from scaling.api import Place

AIMS = ("optimum", "lead", "reuse")
"""What the next runs are for: the interval of r_a*, dense against MoE, or the test of repeated data."""
STUDIES = 200
"""Simulated studies of each design."""
SEEDS = 60
"""New seeds that are offered to each series."""
RUNS = 6
"""Runs that are chosen where no number is given."""


@dataclass(frozen=True, kw_only=True)
class NextCell:
    """Further seeds of one arm at one budget."""

    arm: str
    """What the planner calls the arm."""
    C: float
    """Its budget."""
    seeds: tuple[int, ...]
    """The seeds to train."""
    r_a: float
    """Its activation rate."""
    is_new: bool
    """Whether the study has no such arm yet."""
    device_hours: float
    """Predicted device-hours of one of its runs."""


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """One series before and after the chosen runs. Widths are ratios of the upper to the lower end."""

    series: str
    """Name of the series; empty for the only one."""
    runs: int
    """Its runs that count for the aim, planned ones included."""
    now: float
    """What its runs say now, or will say when the planned ones are done."""
    after: float
    """The same after the chosen runs, simulated."""
    plain: float | None
    """The same after as many runs as further seeds of every rate, simulated; null where that is not compared."""


@dataclass(frozen=True, kw_only=True, repr=False)
class NextRuns(NotebookRepr):
    """The choice. `str()` of it is what the command prints."""

    study: str
    """Folder of the study."""
    aim: str
    """One of AIMS."""
    measure: str
    """What the numbers of `outlook` are."""
    cells: tuple[NextCell, ...]
    """What to train, by budget and rate."""
    outlook: tuple[Outlook, ...]
    """What it is expected to bring."""
    missing: int
    """Planned runs without a record, which are taken as done."""
    times: str
    """What the predicted times are based on."""
    by_budget: bool
    """Whether the study has several budgets, so that the command names that of each cell."""

    @property
    def runs(self) -> int:
        """Number of chosen runs."""
        return sum(len(cell.seeds) for cell in self.cells)

    @property
    def command(self) -> str:
        """The command that plans the runs in the study."""
        added = (AddedRuns(arm=one.arm, C=one.C if self.by_budget else None, seeds=one.seeds) for one in self.cells)
        words = itertools.chain.from_iterable(("--add", written_added(one)) for one in added)
        return cli.command("plan", *words, "-o", self.study)

    def as_json(self) -> dict[str, Any]:
        """Return the object of --json."""
        names = ("study", "aim", "measure", "cells", "outlook", "missing", "times", "runs", "command")
        return {name: to_json(getattr(self, name)) for name in names}

    def __repr__(self) -> str:
        return f"<NextRuns {self.study}: {self.runs} runs for the {self.aim}>"

    def __str__(self) -> str:
        hours = sum(len(cell.seeds) * cell.device_hours for cell in self.cells)
        lines = [f"next {self.runs} runs, about {format_quantity(hours)} device-hours ({self.times}):", ""]
        rows = [
            (f"{one.arm}{' (new)' * one.is_new}", percentage(one.r_a), format_flops(one.C), len(one.seeds),
             ",".join(map(str, one.seeds)))
            for one in self.cells
        ]  # fmt: skip
        lines += [text_table(("arm", "r_a", "C", "runs", "seeds"), rows), "", f"{self.measure}:", ""]
        columns = ("series", "runs", "now", "after these", "after more seeds of all")
        shown = [
            (one.series or "all", one.runs, *map(self._shown, (one.now, one.after, one.plain))) for one in self.outlook
        ]
        lines.append(text_table(columns, shown))
        if self.missing:
            lines += ["", f"note: {self.missing} planned runs have no record yet; the numbers take them as done."]
        return "\n".join([*lines, "", f"next: {self.command}"])

    def _shown(self, number: float | None) -> str | None:
        if number is None:
            return None
        return {"optimum": f"x{number:.3g}", "lead": f"{number:.3g} nats", "reuse": percentage(number, 0)}[self.aim]


def next_runs(
    study: "Place",
    *,
    runs: int | None = None,
    device_hours: float | None = None,
    aim: str = "optimum",
    studies: int = STUDIES,
    tick: Callable[[int], object] = lambda count: None,
) -> NextRuns:
    """Return the cells and seeds whose runs shrink most what `aim` names, with what they are expected to bring.

    `runs` or `device_hours` is what may be spent (default: six runs). The aim is the interval of r_a* (`optimum`), that
    of the lead of MoE over dense (`lead`), or the power of the test that repeated data equals fresh data (`reuse`).
    `studies` is the number of simulated studies of each design. Raises UsageError if the runs so far are too few to
    start from, and if the allowance is too small.

    >>> chosen = next_runs("results/laptop", runs=4, studies=20)
    >>> chosen.runs, chosen.outlook[0].after < chosen.outlook[0].now
    (4, True)
    """
    if aim not in AIMS:
        raise UsageError(f"--for {aim!r} is not one of {', '.join(AIMS)}")
    found = PlannedStudy(Study(study))
    allowance = device_hours if device_hours is not None else float(RUNS if runs is None else runs)
    cost = found.device_hours if device_hours is not None else _one_run
    ask = _Asked(study=found, allowance=allowance, cost=cost, studies=studies, tick=tick)
    chosen, outlook, measure = {"optimum": _for_optimum, "lead": _for_lead, "reuse": _for_reuse}[aim](ask)
    if not chosen:
        unit = "runs" if device_hours is None else "device-hours"
        raise UsageError(f"{allowance:g} {unit} are too few to shrink anything for the {aim}; give more")
    return NextRuns(
        study=os.fspath(study),
        aim=aim,
        measure=measure,
        cells=tuple(_cells(found, chosen)),
        outlook=tuple(outlook),
        missing=sum(record is None for _, record in found.records),
        times=found.times.source,
        by_budget=len(found.question.budgets) > 1,
    )


Pick = tuple[NamedCell, int]
"""A cell and a seed to train."""
Choice = tuple[list[Pick], list[Outlook], str]
"""What to train, what it is expected to bring, and what the numbers are."""


@dataclass(frozen=True, kw_only=True)
class _Asked:
    study: PlannedStudy
    allowance: float
    cost: Callable[[RunSpec], float]
    studies: int
    tick: Callable[[int], object]


def _one_run(spec: RunSpec) -> float:
    return 1.0


def _cells(study: PlannedStudy, chosen: list[Pick]) -> list[NextCell]:
    """Return the chosen runs by budget and rate."""
    seeds: dict[tuple[float, str], list[int]] = {}
    for cell, seed in chosen:
        seeds.setdefault((cell.spec.budget, cell.arm), []).append(seed)
    first = {(cell.spec.budget, cell.arm): cell for cell, _ in reversed(chosen)}
    cells = [
        NextCell(
            arm=arm,
            C=C,
            seeds=tuple(sorted(seeds[C, arm])),
            r_a=cell.spec.r_a,
            is_new=cell.is_new,
            device_hours=study.device_hours(cell.spec),
        )
        for (C, arm), cell in first.items()
    ]
    return sorted(cells, key=lambda cell: (cell.C, cell.r_a, cell.arm))


def _for_optimum(ask: _Asked) -> Choice:
    """Choose by the interval of r_a* in every series together."""
    parts = ask.study.series()
    opened = [(one, found) for at, one in enumerate(parts) if (found := _opened(ask, one, at, len(parts)))]
    if not opened:
        raise UsageError(
            "the runs are too few for an interval of r_a*, which needs four MoE rates and a degree of freedom; plan"
            f" more rates: {cli.command('plan', '--add', 'K3=0,1,2', '-o', ask.study.study.folder)}"
        )
    made = [open_ for _, (open_, _) in opened]
    chosen = choose(made, ask.allowance, ask.tick)
    picked = [[(run.cell, run.seed) for run in chosen if run.series == number] for number in range(len(made))]
    plain = [_plain(one, len(own)) for one, own in zip(made, picked, strict=True)]
    nothing: list[list[tuple[CandidateCell, int]]] = [[] for _ in made]
    now, after, other = (
        [_width(one, runs, ask.studies) for one, runs in zip(made, more, strict=True)]
        for more in (nothing, picked, plain)
    )
    if sum(after) > sum(other):  # a choice may lose in the simulation, which also has the noise of the estimate
        picked, after = plain, other
    outlook = [
        Outlook(
            series=one.key.slug,
            runs=len(made[at].design.x),
            now=math.exp(now[at]),
            after=math.exp(after[at]),
            plain=math.exp(other[at]),
        )
        for at, (one, _) in enumerate(opened)
    ]
    picks = [(opened[at][1][1][cell.name], seed) for at, own in enumerate(picked) for cell, seed in own]
    measure = f"width of the 95 % interval of r_a*, upper over lower end, median of {ask.studies} simulated studies"
    return picks, outlook, measure


def _opened(ask: _Asked, one: PlannedSeries, at: int, of: int) -> tuple[OpenSeries, dict[str, NamedCell]] | None:
    """Return a series ready for a choice, and its cells by name; None where its runs are too few for an interval."""
    moe = one.table.only(one.table.routed())
    known = known_of(CurveData(x=np.log(moe.rates()), loss=moe.numbers("loss"), blocks=seed_blocks(moe)))
    if known is None:
        return None
    cells = [cell for cell in one.cells if not cell.spec.shape.is_dense]
    by_name = {cell.arm: cell for cell in (*cells, *ask.study.further_cells(one, known.is_open))}
    x = {cell.arm: cell.x for cell in cells}
    planned = [spec for spec in one.specs if not spec.shape.is_dense]
    design = Design(x=tuple(x[spec.arm] for spec in planned), seeds=tuple(spec.training.seed for spec in planned))
    candidates = tuple(CandidateCell(name=name, x=cell.x, cost=ask.cost(cell.spec)) for name, cell in by_name.items())
    seeds = itertools.islice(ask.study.free_seeds(), at, at + of * SEEDS, of)
    within = within_of([design, Design(x=tuple(cell.x for cell in candidates), seeds=())])
    return (
        OpenSeries(design=design, known=known, cells=candidates, within=within, new_seeds=tuple(seeds)),
        by_name,
    )


def _plain(open_: OpenSeries, count: int) -> list[tuple[CandidateCell, int]]:
    """Return as many runs as further seeds of all rates of the series."""
    cells = [cell for cell in open_.cells if cell.x in open_.design.x]
    return [(cells[at % len(cells)], open_.new_seeds[at // len(cells)]) for at in range(count)]


def _width(open_: OpenSeries, more: list[tuple[CandidateCell, int]], studies: int) -> float:
    further = Design(x=tuple(cell.x for cell, _ in more), seeds=tuple(seed for _, seed in more))
    return simulated_width(open_.design + further, open_.known, open_.within, studies=studies).width


def _for_lead(ask: _Asked) -> Choice:
    """Choose seeds of the dense arm and of the best MoE arm of the series with the least certain lead."""
    found = []
    for one in ask.study.series():
        losses = {cell.arm: _losses(one.table, cell.arm) for cell in one.cells}
        arms = [cell for cell in one.cells if len(losses[cell.arm]) > 1]
        dense = [cell for cell in arms if cell.spec.shape.is_dense]
        moe = [cell for cell in arms if not cell.spec.shape.is_dense]
        if dense and moe:
            best = min(moe, key=lambda cell: float(np.mean(losses[cell.arm])))
            pair = losses[dense[0].arm], losses[best.arm]
            found.append((lead_width(pair, (0, 0), 1), one, (dense[0], best), pair))
    if not found:
        raise UsageError("the lead of MoE over dense needs a dense and a MoE arm with two finished seeds each")
    now, one, cells, pair = max(found, key=lambda each: each[0])
    more = best_split(pair, (ask.cost(cells[0].spec), ask.cost(cells[1].spec)), ask.allowance)
    seeds = list(itertools.islice(ask.study.free_seeds(), max(more)))
    picks = [(cell, seed) for cell, count in zip(cells, more, strict=True) for seed in seeds[:count]]
    outlook = Outlook(
        series=one.key.slug,
        runs=len(pair[0]) + len(pair[1]),
        now=now,
        after=lead_width(pair, more, ask.studies),
        plain=None,
    )
    return picks, [outlook], f"half width of the 95 % interval of {cells[0].arm} less {cells[1].arm}, simulated"


def _losses(table: RunTable, arm: str) -> list[float]:
    return [float(loss) for loss in table.numbers("loss")[(table.frame["arm"] == arm).to_numpy()]]


def _for_reuse(ask: _Asked) -> Choice:
    """Choose seeds of the arms on repeated data and of their fresh twins."""
    margin = margin_of(ask.study.study) or min(margins(ask.study.table).values(), default=None)
    if margin is None:
        raise UsageError("the test of repeated data needs a margin, and this study has none; see scaling.plan --margin")
    tested = reuse(ask.study.table, margin=margin)[0].equivalences[0]
    if tested.sd is None:
        raise UsageError("the test of repeated data needs two seeds of an arm on fresh and on repeated data")
    cells = _twins(ask.study)
    count = int(ask.allowance / sum(ask.cost(cell.spec) for cell in cells) + 1e-9)
    seeds = list(itertools.islice(ask.study.free_seeds(), count))
    now, after = (reuse_power(margin, tested.sd, tested.n, more) for more in (0, count))
    outlook = Outlook(series="", runs=2 * tested.n, now=now, after=after, plain=None)
    measure = f"power to find repeated data equal to fresh data within {margin:.3g} nats, if it is"
    return [(cell, seed) for seed in seeds for cell in cells], [outlook], measure


def _twins(study: PlannedStudy) -> list[NamedCell]:
    """Return the cells on repeated data that have a twin on fresh data, each after its twin."""
    specs = {(spec.arm, spec.budget): spec for spec, _ in reversed(study.records) if spec.role in ("matched", "given")}
    cells = []
    for spec in specs.values():
        same = (each for each in specs.values() if (each.shape, each.training.D) == (spec.shape, spec.training.D))
        twin = next((each for each in same if each.epochs <= 1), None)
        if spec.epochs > 1 and twin is not None:
            cells += [NamedCell(arm=twin.arm, spec=twin), NamedCell(arm=spec.arm, spec=spec)]
    return list({(cell.arm, cell.spec.budget): cell for cell in cells}.values())
