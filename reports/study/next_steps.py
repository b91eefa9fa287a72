"""What to do next: complete the study as planned, then what a further study needs to claim more."""

import itertools
import math
from collections.abc import Iterator
from dataclasses import replace

from fits.runs.series import ENOUGH_RATES
from planners.presets import PRESETS, preset
from reports.page.number_text import counted, percent, span
from reports.page.page import Step
from reports.study.claims import claims_steps
from reports.study.evidence import Evidence
from reports.study.evidence.contrasts import Lowest, lowest_of


def steps(evidence: Evidence) -> tuple[Step, ...]:
    """Return what to do next, most urgent first."""
    return (*_finish(evidence), *(claims_steps(evidence) if evidence.verdicts else _next(evidence)))


def _finish(evidence: Evidence) -> Iterator[Step]:
    """Yield what completes the study as planned."""
    folder, states = evidence.command_folder, [run.state for run in evidence.runs]
    if "missing" in states:
        yield Step(why="Train the missing runs.", command=f"python -m scaling.sweep {folder} --go")
    if "failed" in states:
        yield Step(why="Train the failed runs again.", command=f"python -m scaling.sweep {folder} --retry --go")
    if "diverged" in states:
        yield Step(why="Diverged runs are not trained again. Plan a study with a lower learning rate or another seed.")
    if not evidence.verdicts and (not evidence.fits or stale(evidence)):
        command = f"python -m scaling.fit {folder}{f' --law {evidence.outdated}' if evidence.outdated else ''}"
        yield Step(why="Fit the loss against ln r_a, then write the report again.", command=command)


def stale(evidence: Evidence) -> bool:
    """Return whether the fits behind the answer were made from other runs than there are now."""
    return any(fit.data_hash != evidence.runs_hash for fit in evidence.answering)


def _next(evidence: Evidence) -> Iterator[Step]:
    """Yield what the study needs to claim more; plan widens the study in place, so what is done stays done."""
    folder = evidence.command_folder
    if not evidence.moe:
        size = f"--budget {evidence.budgets[0]:g} --total-params {evidence.arms[0].spec.N:g}"
        command = f"python -m scaling.plan {size} -o {folder}-moe"
        yield Step(why="To learn about r_a, plan MoE arms: five rates or more, three seeds each.", command=command)
        return
    sampled = span((arm.spec.r_a for arm in evidence.moe), percent)
    optima = [fit.optimum for fit in evidence.answering if fit.optimum]
    ends = {optimum.edge for optimum in optima if optimum.edge and optimum.status != "not_identified"}
    chosen = f"python -m scaling.next {folder} --runs 6"
    if optima and all(optimum.status == "converged" for optimum in optima):
        if len(evidence.budgets) == 1:
            C = evidence.budgets[0]
            budgets = ",".join(f"{C * factor:g}" for factor in (1, 1 / 2, 2))
            why = "This is one budget. Repeat it at other C before using the rate at another scale."
            yield Step(why=why, command=f"python -m scaling.plan --budget {budgets} -o {folder}")
        yield Step(why="To narrow the interval, choose the runs that shrink it most.", command=chosen)
    elif ends:
        sides = " and ".join("below" if end == "low" else "above" for end in sorted(ends, reverse=True))
        why = f"To find an optimum, plan rates {sides} the sampled ones (r_a {sampled}), three seeds each"
        yield Step(why=f"{why}{_narrower(evidence, 'low' if 'low' in ends else 'high')}.", command=chosen)
    elif len({arm.spec.r_a for arm in evidence.moe}) < ENOUGH_RATES:
        yield _wider(evidence, sampled)
    else:
        why = "To bound the optimum, add seeds at every rate, or rates on both sides of the lowest loss."
        yield Step(why=why, command=chosen)


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
    return Step(why=why, command=_finer_grid(evidence, lower=lowest is not None and lowest.end == "low"))


def _first_lowest(evidence: Evidence) -> Lowest | None:
    return lowest_of(evidence.series[0]) if evidence.series else None


def _finer_grid(evidence: Evidence, lower: bool) -> str | None:
    """Return the command for further rates between those of the study; None where no flag gives them.

    Where lower rates are needed and K is 1, experts of half the width are another study.
    """
    asked, folder = evidence.question, evidence.command_folder
    seeds = f"--seeds {','.join(map(str, sorted({*asked.seeds, 0, 1, 2})))}"
    if asked.activations:
        rates = sorted({rate for rate in asked.activations if rate < 1}, reverse=True)
        finer = {*asked.activations, *(float(f"{math.sqrt(a * b):.3g}") for a, b in itertools.pairwise(rates))}
        values = ",".join(f"{rate:g}" for rate in sorted(finer, reverse=True))
        return f"python -m scaling.plan --activation {values} {seeds} -o {folder}"
    top_ks = sorted(K for K in asked.top_ks if K)
    if not top_ks:
        return None
    between = {*top_ks, *(round(math.sqrt(a * b)) for a, b in itertools.pairwise(top_ks))}
    half, known = evidence.moe[0].spec.shape.d_expert // 2, preset_of(evidence)
    if lower and top_ks[0] == 1 and half and half % asked.align == 0 and known:
        values = ",".join(map(str, [0, 1, *sorted(2 * K for K in between)]))
        return f"python -m scaling.plan --preset {known} --d-expert {half} --top-k {values} {seeds} -o {folder}-wider"
    values = ",".join(map(str, [*([0] if asked.wants_dense else []), *sorted(between)]))
    return f"python -m scaling.plan --top-k {values} {seeds} -o {folder}"


def preset_of(evidence: Evidence) -> str | None:
    """Return the name of the preset with this question, whatever its label and vocabulary; None without one."""
    asked = evidence.question
    for name in PRESETS:
        known = preset(name)
        if known == replace(asked, study=known.study, vocab_size=known.vocab_size):
            return name
    return None
