"""The answer first: where the loss is lowest, in words no stronger than the data, and the lead over the dense arm."""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from statistics import fmean, stdev
from typing import TYPE_CHECKING

from planners.presets import PRESETS
from planners.quantity import format_quantity
from reports.evidence import Arm, Evidence, mean_of
from reports.numerals import counted, flops, listed, nats, percent, sentence, span
from reports.page import Step

if TYPE_CHECKING:
    from fits.result import FitResult, Optimum


ENOUGH_RATES = 5
"""MoE rates from which a curve of three coefficients is tested and not only met."""


@dataclass(frozen=True, kw_only=True)
class Lead:
    """By how much the best MoE arm of a budget ends below the matched dense arm, over the seeds that both have."""

    C: float
    """Budget asked for, FLOPs."""
    moe: Arm
    """The MoE arm with the lowest mean loss."""
    dense: Arm
    """The dense arm of that budget."""
    tried: int
    """MoE arms with a finished run, among which it is the best."""
    n: int
    """Seeds that both arms have finished."""
    nats: float
    """Loss of the dense arm less that of the MoE arm, nats per token; positive: MoE is lower."""
    bpb: float | None
    """The same in bits per byte."""
    half: float | None
    """Half width of the 95 % t interval over paired seeds, nats per token; null below two seeds."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the study says."""

    optimum: str
    """Where the loss is lowest, or why no optimum is claimed."""
    lead: str
    """What MoE and dense differ by at equal N and C, with n."""
    leads: tuple[Lead, ...]
    """The numbers of that sentence, one for each budget."""
    steps: tuple[Step, ...]
    """What to do next, most urgent first."""

    @property
    def text(self) -> str:
        """The answer in one paragraph."""
        return f"{self.optimum} {self.lead}"


def answer(evidence: Evidence) -> Answer:
    """Return what `evidence` says of the question."""
    leads = tuple(lead for C in evidence.budgets if (lead := lead_at(evidence, C)))
    steps = (*_finish(evidence), *_next(evidence))
    return Answer(optimum=optimum_sentence(evidence), lead=lead_sentence(evidence, leads), leads=leads, steps=steps)


def question_sentence(evidence: Evidence) -> str:
    """Return the question in words, with N, C, convention and corpus."""
    question = evidence.question
    N = listed(map(format_quantity, evidence.totals))
    C = listed(map(flops, question.budgets or evidence.budgets))
    return (
        f"At N = {N} parameters (vocabulary apart) and C = {C} training FLOPs "
        f"({question.flops_convention}) on {evidence.corpus}: at which activation rate r_a = N_a / N is the validation "
        "loss lowest, and how wide is the range of rates that do as well?"
    )


def optimum_sentence(evidence: Evidence) -> str:
    """Return where the fitted loss is lowest, or why no optimum is claimed."""
    fits = evidence.answering
    if not evidence.fits:
        text = "No optimum is claimed: no law has been fitted to these runs."
    elif not fits:
        text = f"No optimum is claimed: the fitted law ({evidence.fits[0].result.law}) has none."
    elif len(fits) == 1:
        text = _said(fits[0].result)
    else:
        text = " ".join(f"{fit.name}: {_said(fit.result)}" for fit in fits)
    return f"{text} {_measured(evidence)}".strip() if text.startswith("No optimum is claimed") else text


@dataclass(frozen=True, kw_only=True)
class Lowest:
    """The MoE arm of a budget that has the lowest mean loss."""

    arm: Arm
    """That arm."""
    rates: tuple[float, ...]
    """The r_a of all MoE arms with a finished run, rising."""

    @property
    def end(self) -> str | None:
        """low or high where it is the arm at that end of the rates; null where it lies between."""
        rate = self.arm.spec.r_a
        return "low" if rate == self.rates[0] else "high" if rate == self.rates[-1] else None


def lowest_at(evidence: Evidence, C: float) -> Lowest | None:
    """Return the MoE arm with the lowest mean loss at budget C; None where none has a finished run."""
    arms = [arm for arm in evidence.at(C) if not arm.is_dense and arm.done]
    if not arms:
        return None
    rates = tuple(sorted({arm.spec.r_a for arm in arms}))
    return Lowest(arm=min(arms, key=lambda arm: arm.mean("loss") or math.inf), rates=rates)


def _measured(evidence: Evidence) -> str:
    """Say at which end of the grid the lowest measured loss lies, where it lies at one and there is one budget."""
    lowest = lowest_at(evidence, evidence.budgets[0]) if len(evidence.budgets) == 1 else None
    if lowest is None or lowest.end is None or len(lowest.rates) < 3:
        return ""
    rate = percent(lowest.arm.spec.r_a)
    return (
        f"The lowest measured MoE loss is at the {lowest.end} end of the grid (r_a {rate}), so no minimum is bracketed."
    )


def _said(fit: "FitResult") -> str:
    if fit.optimum is None:
        return f"No optimum is claimed: {fit.law} has none."
    if fit.optimum.status == "converged" and fit.optimum.value is not None:
        return _converged(fit, fit.optimum, fit.optimum.value)
    if fit.optimum.status == "edge":
        return _edge(fit, fit.optimum)
    return f"No optimum is claimed: {sentence(fit.optimum.reason)[:1].lower()}{sentence(fit.optimum.reason)[1:]}"


def _converged(fit: "FitResult", optimum: "Optimum", value: float) -> str:
    interval = ends(optimum.lo, optimum.hi, fit.domain["r_a"])
    if optimum.basis not in (None, fit.law):
        interval += f" by the {optimum.basis}"
    text = (
        f"The fitted loss is lowest near r_a = {percent(value)} "
        f"(95 % interval {interval}; {counted(fit.n, 'run')}, {fit.law} in ln r_a, {fit.dof} degrees of freedom)."
    )
    if optimum.region is not None and optimum.margin is not None:
        region = ends(*optimum.region, fit.domain["r_a"])
        text += f" Rates from {region} are within the margin of {optimum.margin:g} nats/token of it."
    return f"{text} {_other_curves(fit)}".strip()


def _other_curves(fit: "FitResult") -> str:
    """Say where the other curves put the minimum, so that what the choice of a curve decides is seen."""
    others = [f"{row.law} {percent(row.value)}" for row in fit.sensitivity if row.value and row.law != fit.law]
    return f"Other curves of the same runs put it at: {', '.join(others)}." if others else ""


def _edge(fit: "FitResult", optimum: "Optimum") -> str:
    low, high = fit.domain["r_a"]
    where = f"the low end of the grid (r_a {percent(low)})"
    bound = f"at most {percent(optimum.hi)}" if optimum.hi is not None else "without a bound"
    if optimum.edge == "high":
        where = f"the high end of the grid (r_a {percent(high)})"
        bound = f"at least {percent(optimum.lo)}" if optimum.lo is not None else "without a bound"
    return (
        f"No optimum inside the grid: the fitted loss still falls at {where}, so the rate at which it is lowest is "
        f"{bound} (95 % interval; {counted(fit.n, 'run')}, {fit.law} in ln r_a)."
    )


def ends(low: float | None, high: float | None, sampled: tuple[float, ...]) -> str:
    """Write an interval of rates; an open end is said to lie beyond the sampled rates."""
    left = percent(low) if low is not None else f"below the lowest sampled rate ({percent(min(sampled))})"
    right = percent(high) if high is not None else f"beyond the highest sampled rate ({percent(max(sampled))})"
    return f"{left} to {right}"


def lead_at(evidence: Evidence, C: float) -> Lead | None:
    """Return the lead of the best MoE arm over the dense arm at budget C; None where either has no finished run."""
    here = {arm.label: loss for arm in evidence.at(C) if (loss := arm.mean("loss")) is not None}
    moe = [arm for arm in evidence.at(C) if arm.label in here and not arm.is_dense]
    dense = next((arm for arm in evidence.at(C) if arm.label in here and arm.is_dense), None)
    if not moe or dense is None:
        return None
    best = min(moe, key=lambda arm: here[arm.label])
    pairs = [(a, b) for a in dense.done for b in best.done if a.spec.training.seed == b.spec.training.seed]
    if not pairs:
        return None
    gaps = [a.loss - b.loss for a, b in pairs if a.loss is not None and b.loss is not None]
    bpb = mean_of(a.bpb - b.bpb if a.bpb is not None and b.bpb is not None else None for a, b in pairs)
    return Lead(
        C=C,
        moe=best,
        dense=dense,
        tried=len(moe),
        n=len(gaps),
        nats=fmean(gaps),
        bpb=bpb,
        half=_half_width(gaps, len(moe)),
    )


def _half_width(gaps: list[float], tried: int) -> float | None:
    """Return half the 95 % interval of the mean gap, t quantile, widened by Bonferroni for the choice among `tried`."""
    if len(gaps) < 2:
        return None
    from fits.intervals import LEVEL, t_quantile

    return t_quantile(len(gaps) - 1, 1 - (1 - LEVEL) / tried) * stdev(gaps) / math.sqrt(len(gaps))


def lead_sentence(evidence: Evidence, leads: tuple[Lead, ...]) -> str:
    """Return the measured lead of the best MoE arm over the dense arm in words, with n."""
    if leads:
        return " ".join(map(_lead, leads))
    for kind, arms in (("dense", evidence.dense), ("MoE", evidence.moe)):
        if not any(arm.done for arm in arms):
            why = "is done" if arms else "was planned"
            return f"No lead of MoE over dense can be stated: no {kind} run {why}."
    return "No lead of MoE over dense can be stated: no seed has both arms done."


def _lead(lead: Lead) -> str:
    moe, dense = lead.moe, lead.dense
    best = f"the best of {lead.tried} MoE arms" if lead.tried > 1 else "the one MoE arm"
    bpb = "" if lead.bpb is None else f" ({nats(abs(lead.bpb))} bits per byte)"
    side = "below" if lead.nats >= 0 else "above"
    return (
        f"At C = {flops(lead.C)}, {best} ({moe.name}, r_a {percent(moe.spec.r_a)}) ends "
        f"{nats(abs(lead.nats))} nats/token{bpb} {side} the dense arm of equal N and C, on "
        f"{format_quantity(moe.spec.training.D)} tokens against {format_quantity(dense.spec.training.D)} "
        f"({_certainty(lead)})."
    )


def _certainty(lead: Lead) -> str:
    if lead.half is None:
        return "n = 1 pair of runs, one seed: no interval"
    low, high = lead.nats - lead.half, lead.nats + lead.half
    told = "" if low > 0 or high < 0 else "; zero is inside"
    chosen = f", widened for the choice among {lead.tried} arms" if lead.tried > 1 else ""
    return f"n = {lead.n} pairs of runs by seed; 95 % interval of the lead {nats(low)} to {nats(high)}{chosen}{told}"


def _finish(evidence: Evidence) -> Iterator[Step]:
    """Yield what completes the study as it was planned."""
    folder, states = evidence.command_folder, [run.state for run in evidence.runs]
    if "missing" in states:
        yield Step(why="Train the runs that are missing.", command=f"python -m scaling.sweep {folder} --go")
    if "failed" in states:
        yield Step(why="Train the failed runs again.", command=f"python -m scaling.sweep {folder} --retry --go")
    if "diverged" in states:
        yield Step(why="Diverged runs are not trained again: plan a study with a lower learning rate or another seed.")
    if not evidence.fits or stale(evidence):
        command = f"python -m scaling.fit {folder}"
        yield Step(why="Fit the loss against ln r_a, then report again.", command=command)


def stale(evidence: Evidence) -> bool:
    """Whether the fits that the answer rests on were made of another runs.csv than the one that the runs give now."""
    return any(fit.result.data_hash != evidence.runs_hash for fit in evidence.answering)


def _next(evidence: Evidence) -> Iterator[Step]:
    """Yield what a further study must hold to claim more than this one does."""
    if not evidence.moe:
        yield Step(why="To ask about r_a at all, plan MoE arms: five rates or more, three seeds each.")
        return
    sampled = span((arm.spec.r_a for arm in evidence.moe), percent)
    optima = [fit.result.optimum for fit in evidence.answering if fit.result.optimum]
    ends = {optimum.edge for optimum in optima if optimum.edge and optimum.status != "not_identified"}
    if optima and all(optimum.status == "converged" for optimum in optima):
        if len(evidence.budgets) == 1:
            yield Step(why="This is one budget: repeat it at other C before carrying the rate to another scale.")
    elif ends:
        sides = " and ".join("below" if end == "low" else "above" for end in sorted(ends, reverse=True))
        why = f"To place an optimum, plan rates {sides} the sampled ones (r_a {sampled}), three seeds each"
        yield Step(why=f"{why}{_narrower(evidence, 'low' if 'low' in ends else 'high')}.")
    elif len({arm.spec.r_a for arm in evidence.moe}) < ENOUGH_RATES:
        yield _wider(evidence, sampled)
    else:
        yield Step(why="To bound the optimum, add seeds to every rate, or rates on both sides of the lowest loss.")


def _narrower(evidence: Evidence, end: str) -> str:
    """Return what lower rates need where K cannot fall further: attention and the dense layer are always active."""
    if end == "low" and any(arm.spec.shape.top_k == 1 for arm in evidence.moe):
        return "; K is 1 already, so with narrower experts or, where these reach their floor, a larger N"
    return ""


def _wider(evidence: Evidence, sampled: str) -> Step:
    rates = counted(len({arm.spec.r_a for arm in evidence.moe}), "rate")
    have = f"{rates} × {counted(len(evidence.question.seeds), 'seed')} (r_a {sampled})"
    why = f"To be able to claim an optimum, plan five MoE rates or more, three seeds each; here are {have}."
    lowest = lowest_at(evidence, evidence.budgets[0])
    if lowest is not None and lowest.end is not None and len(lowest.rates) > 1:
        why += f" Only rates {'below' if lowest.end == 'low' else 'above'} these can bracket the minimum"
        why += f"{_narrower(evidence, lowest.end)}."
    known = preset_of(evidence)
    if known is None or evidence.question.activations:
        return Step(why=why)
    grid = _finer_grid(evidence, lower=lowest is not None and lowest.end == "low")
    return Step(why=why, command=f"python -m scaling.plan --preset {known} {grid} -o {evidence.command_folder}-wider")


def _finer_grid(evidence: Evidence, lower: bool) -> str:
    """Return flags for more K, with experts of half the width where K is 1 and lower rates are needed."""
    top_ks = sorted(K for K in evidence.question.top_ks if K)
    finer = {*top_ks, *(round(math.sqrt(a * b)) for a, b in itertools.pairwise(top_ks))}
    half = evidence.moe[0].spec.shape.d_expert // 2
    if lower and top_ks[0] == 1 and half and half % evidence.question.align == 0:
        finer = {1, *(2 * K for K in finer)}
        return f"--d-expert {half} --top-k {','.join(map(str, [0, *sorted(finer)]))} --seeds 0,1,2"
    return f"--top-k {','.join(map(str, [0, *sorted(finer)]))} --seeds 0,1,2"


def preset_of(evidence: Evidence) -> str | None:
    """Return the name of the preset that asked this question, if one did; its label and vocabulary do not matter."""
    asked = evidence.question
    for name, known in PRESETS.items():
        if known == replace(asked, study=known.study, vocab_size=known.vocab_size):
            return name
    return None
