"""python -m scaling.report --reproduce li2025: arXiv 2506.12119 refitted from the numbers that it printed."""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from planners.published.li2025.rows import FOLDER
from planners.records.json import to_json
from reports.page.number_text import counted
from reports.page.page import Page, Section
from reports.page.picture import Picture
from reports.papers.claim import CANNOT, VERDICTS, Claim
from reports.papers.li2025.claims import CLAIMS
from reports.papers.li2025.design_claims import DESIGN
from reports.papers.li2025.run_tables import ablation_tables, benchmark_table, run_tables
from reports.papers.li2025.sections import (
    against_dense,
    assumptions,
    granularity,
    learning_rate_section,
    lowest,
    redrawn,
    reuse,
    sentences,
)  # fmt: skip
from reports.papers.li2025.study import Li2025, Series, read_li2025
from reports.papers.reproduction import Reproduction
from reports.papers.words import around, between, joined, rate

REUSED = {
    "3B, 114B tokens": "3B on 114B tokens",
    "7B, 68B tokens": "7B on 68B tokens",
    "7B, two epochs": "7B on two epochs",
}
"""Series on repeated data beside those that answer, and what a sentence calls them."""
COMMAND = "python -m scaling.report --reproduce li2025"


def reproduction(folder: Path = FOLDER) -> Reproduction:
    """Return the paper refitted; its table files are read from `folder`."""
    paper = read_li2025(folder)
    rates, design = ([claim(paper) for claim in claims] for claims in (CLAIMS, DESIGN))
    return Reproduction(
        data=paper,
        page=lambda pictures: _page(paper, rates, design, pictures),
        summary={
            "source": paper.source,
            "claims": to_json((*rates, *design)),
            "minima": {name: _numbers(series) for name, series in paper.series.items()},
            "one_optimum": {name: to_json(found) for name, found in paper.one_optimum.items()},
        },
    )


def _numbers(series: Series) -> dict[str, Any]:
    return {
        "table": series.table, "n": len(series.runs), "optimum": to_json(series.optimum),
        "curves": to_json(series.fit.sensitivity), "crossings": to_json(series.fit.crossings),
        "less_dense": [None if lead is None else -lead[0] for lead in map(series.lead, (0, 1))],
    }  # fmt: skip


def _page(paper: Li2025, rates: list[Claim], design: list[Claim], pictures: dict[str, Picture]) -> Page:
    return Page(
        kind="Published study, refitted from its own tables",
        title="Li et al. 2025, arXiv 2506.12119",
        question="Can a mixture of experts beat a dense model that has as many parameters, as much training compute "
        "and as much data, and at which share of active parameters?",
        answer=_answer(paper),
        more=tuple(_more(paper)),
        first=pictures.get("li2025-gap"),
        verdict=_verdict([*rates, *design]),
        sections=(
            sentences(rates, design),
            lowest(paper, pictures),
            against_dense(paper),
            redrawn(pictures),
            granularity(paper),
            learning_rate_section(paper, pictures),
            reuse(paper, pictures),
            Section(
                title="Architecture and benchmarks",
                text=("Its ablations are one run each, so that nothing says how large a difference must be to count.",),
                tables=(*ablation_tables(paper), benchmark_table(paper)),
            ),
            Section(
                title="Its runs, beside our counts and curves",
                text=("Columns marked ours are computed from the printed sizes when this page is written.",),
                tables=run_tables(paper),
            ),
            Section(title="What the intervals assume", items=tuple(assumptions(paper))),
            Section(title="How to make it again", commands=(COMMAND,)),
        ),
        footer=f"{paper.source[:1].upper()}{paper.source[1:]}: {counted(len(paper.runs), 'run')} of tables 9 to 17, "
        "losses in bits per character (BPC) on its validation set, one seed.",
    )


def _answer(paper: Li2025) -> str:
    """Return what the numbers support, in two sentences."""
    lows = [
        f"{rate(s.optimum.value, s.optimum.lo, s.optimum.hi)} at {scale}{_repeated(s)}"
        for scale, s in paper.main.items()
    ]
    ahead = [scale for scale, series in paper.main.items() if _ahead(series, 0)]
    start = "Yes" if len(ahead) == len(lows) else "In part" if ahead else "Not shown"
    lead = (
        f"is below that of the dense model of equal N and C at {joined(ahead)}" if ahead else "shows no lead over dense"
    )
    return f"{start}: the loss of MoE is lowest at an activation rate of {joined(lows)}, and there it {lead}."


def _repeated(series: Series) -> str:
    """Say that the runs repeat data, and how much there is."""
    return "" if series.fresh else f" on {series.runs[0].U / 1e9:g}B repeated tokens"


def _ahead(series: Series, dense: int) -> bool:
    value, half = series.lead(dense) or (0.0, math.inf)
    return value > half


def _more(paper: Li2025) -> Iterable[str]:
    """Yield the paper's answer, the size of the lead, and what is not settled."""
    yield "The paper answers: yes, at about 20 % whatever the size; and where data are equal too, they can be repeated."
    regions = {scale: series.optimum.region for scale, series in paper.main.items()}
    near = [f"{between(*region)} at {scale}" for scale, region in regions.items() if region]
    if near:
        yield f"As low, within what 5 % of C is worth, are rates of {joined(near)}."
    leads = [f"{around((-value, half))} at {scale}" for scale, (value, half) in _leads(paper, 0).items()]
    beaten = [scale for scale, series in paper.main.items() if _ahead(series, 1)]
    twice = f"MoE at {joined(beaten)} is" if beaten else "None of these is shown to be"
    reused = {words: paper.series[name].lead(1) for name, words in REUSED.items() if _ahead(paper.series[name], 1)}
    shown = [f"{words} {around((-lead[0], lead[1]))}" for words, lead in reused.items() if lead]
    also = f" Of the other sets on repeated data these are: {joined(shown)}." if shown else ""
    yield f"MoE less dense, in bits per character: {joined(leads)}. {twice} below dense of about twice C.{also}"
    found = paper.one_optimum["all runs"]
    factor = "no factor" if found.detectable is None else f"a factor of less than {math.exp(found.detectable):.2f}"
    yield (
        f"Not settled: whether the best rate is the same elsewhere (from 2B to 7B {factor} would go unseen, and no "
        "size was scanned at two budgets), what the other learning rate of the 2B MoE is worth, and the noise: one "
        "seed."
    )


def _leads(paper: Li2025, dense: int) -> dict[str, tuple[float, float]]:
    found = {scale: series.lead(dense) for scale, series in paper.main.items()}
    return {scale: lead for scale, lead in found.items() if lead is not None}


def _verdict(claims: list[Claim]) -> str:
    counts = [(sum(claim.verdict == verdict for claim in claims), verdict) for verdict in VERDICTS]
    words = {"agrees": "agree with its numbers", "differs": "differ from them", CANNOT: CANNOT}
    return f"Of {len(claims)} sentences of the paper {joined(f'{n} {words[verdict]}' for n, verdict in counts)}."
