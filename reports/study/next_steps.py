"""What to do next: complete the study as planned, then what a further study needs to claim more."""

import itertools
import math
from collections.abc import Iterator
from dataclasses import replace

from fits.runs.series import ENOUGH_RATES
from planners.presets import PRESETS, preset
from reports.page.number_text import counted, percent, span
from reports.page.page import Step
from reports.study.evidence import Evidence
from reports.study.evidence.contrasts import Lowest, lowest_of


def steps(evidence: Evidence) -> tuple[Step, ...]:
    """Return what to do next, most urgent first."""
    return (*_finish(evidence), *_next(evidence))


def _finish(evidence: Evidence) -> Iterator[Step]:
    """Yield what completes the study as planned."""
    folder, states = evidence.command_folder, [run.state for run in evidence.runs]
    if "missing" in states:
        yield Step(why="Train the missing runs.", command=f"python -m scaling.sweep {folder} --go")
    if "failed" in states:
        yield Step(why="Train the failed runs again.", command=f"python -m scaling.sweep {folder} --retry --go")
    if "diverged" in states:
        yield Step(why="Diverged runs are not trained again. Plan a study with a lower learning rate or another seed.")
    if not evidence.fits or stale(evidence):
        command = f"python -m scaling.fit {folder}{f' --law {evidence.outdated}' if evidence.outdated else ''}"
        yield Step(why="Fit the loss against ln r_a, then write the report again.", command=command)


def stale(evidence: Evidence) -> bool:
    """Return whether the fits behind the answer were made from other runs than there are now."""
    return any(fit.data_hash != evidence.runs_hash for fit in evidence.answering)


def _next(evidence: Evidence) -> Iterator[Step]:
    """Yield what a further study needs to claim more than this one."""
    if not evidence.moe:
        yield Step(why="To learn about r_a, plan MoE arms: five rates or more, three seeds each.")
        return
    sampled = span((arm.spec.r_a for arm in evidence.moe), percent)
    optima = [fit.optimum for fit in evidence.answering if fit.optimum]
    ends = {optimum.edge for optimum in optima if optimum.edge and optimum.status != "not_identified"}
    if optima and all(optimum.status == "converged" for optimum in optima):
        if len(evidence.budgets) == 1:
            yield Step(why="This is one budget. Repeat it at other C before using the rate at another scale.")
    elif ends:
        sides = " and ".join("below" if end == "low" else "above" for end in sorted(ends, reverse=True))
        why = f"To find an optimum, plan rates {sides} the sampled ones (r_a {sampled}), three seeds each"
        yield Step(why=f"{why}{_narrower(evidence, 'low' if 'low' in ends else 'high')}.")
    elif len({arm.spec.r_a for arm in evidence.moe}) < ENOUGH_RATES:
        yield _wider(evidence, sampled)
    else:
        yield Step(why="To bound the optimum, add seeds at every rate, or rates on both sides of the lowest loss.")


def _narrower(evidence: Evidence, end: str) -> str:
    """Return what lower rates need where K is 1 already; attention and dense layers are always active."""
    if end == "low" and any(arm.spec.shape.top_k == 1 for arm in evidence.moe):
        return "; K is 1 already, so use narrower experts or, if they cannot be narrower, a larger N"
    return ""


def _wider(evidence: Evidence, sampled: str) -> Step:
    rates = counted(len({arm.spec.r_a for arm in evidence.moe}), "rate")
    have = f"{rates} × {counted(len(evidence.question.seeds), 'seed')} (r_a {sampled})"
    why = f"To claim an optimum, plan five MoE rates or more, three seeds each; this study has {have}."
    lowest = _first_lowest(evidence)
    if lowest is not None and lowest.end is not None and len(lowest.rates) > 1:
        why += f" Only rates {'below' if lowest.end == 'low' else 'above'} these can bracket the minimum"
        why += f"{_narrower(evidence, lowest.end)}."
    known = preset_of(evidence)
    if known is None or evidence.question.activations:
        return Step(why=why)
    grid = _finer_grid(evidence, lower=lowest is not None and lowest.end == "low")
    return Step(why=why, command=f"python -m scaling.plan --preset {known} {grid} -o {evidence.command_folder}-wider")


def _first_lowest(evidence: Evidence) -> Lowest | None:
    return lowest_of(evidence.series[0]) if evidence.series else None


def _finer_grid(evidence: Evidence, lower: bool) -> str:
    """Return flags for more values of K, with experts of half the width where lower rates are needed and K is 1."""
    top_ks = sorted(K for K in evidence.question.top_ks if K)
    finer = {*top_ks, *(round(math.sqrt(a * b)) for a, b in itertools.pairwise(top_ks))}
    half = evidence.moe[0].spec.shape.d_expert // 2
    if lower and top_ks[0] == 1 and half and half % evidence.question.align == 0:
        finer = {1, *(2 * K for K in finer)}
        return f"--d-expert {half} --top-k {','.join(map(str, [0, *sorted(finer)]))} --seeds 0,1,2"
    return f"--top-k {','.join(map(str, [0, *sorted(finer)]))} --seeds 0,1,2"


def preset_of(evidence: Evidence) -> str | None:
    """Return the name of the preset with this question, whatever its label and vocabulary; None without one."""
    asked = evidence.question
    for name in PRESETS:
        known = preset(name)
        if known == replace(asked, study=known.study, vocab_size=known.vocab_size):
            return name
    return None
