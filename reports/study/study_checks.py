"""Checks of what could make the answer wrong: each is a function of the evidence, and one line of CHECKS.

A check returns None where it does not apply. Checks that need only a table of runs are in `fits.table_checks` and are
applied to each series; the checks here need the plan and the records.
"""

from collections import Counter
from collections.abc import Callable, Iterator

from fits.compare.several_tests import holm
from fits.intervals import TEST_LEVEL
from fits.laws import LAWS
from fits.result import FitResult
from fits.table_checks import check_table, need
from jobs.record import IMBALANCED
from planners.matching.tolerance import R_A_TOLERANCE, n_tolerance
from planners.records.check import Check
from reports.page.number_text import counted, general, listed, percent, residual, span
from reports.study.claims import not_run
from reports.study.evidence import Evidence
from reports.study.evidence.arms import Arm, Run, heading
from reports.study.evidence.consumption import UNSTEADY, actual_C, least_steady, unsteadiness
from reports.study.evidence.contrasts import all_leads
from reports.study.next_steps import stale

OF_ALL = ("checkpoints as runs",)
"""Checks of tables that look at all finished runs at once, since two checkpoints of a run are in two series."""
OF_RATES = ("rates on target", "budgets", "fit")
"""Checks of the answer about r_a, which a study of claims does not give."""
MOST = 3
"""A check gives the numbers of at most so many series; the others are counted."""
C_TOLERANCE = 0.01
"""Arms have equal compute where the relative difference of C from its target is at most this."""

Result = tuple[bool, str] | None
"""(whether the check passes, the evidence); null where the check does not apply."""


def run_checks(evidence: Evidence) -> tuple[Check, ...]:
    """Return every check that applies to `evidence`, warnings first."""
    asked = {name: check for name, check in CHECKS.items() if not evidence.verdicts or name not in OF_RATES}
    results = {name: result for name, check in asked.items() if (result := check(evidence))}
    own = (Check(name=name, verdict="ok" if ok else "warn", evidence=said) for name, (ok, said) in results.items())
    return tuple(sorted((*own, *_table_checks(evidence)), key=lambda check: check.verdict == "ok"))


def _table_checks(evidence: Evidence) -> Iterator[Check]:
    """Yield the checks of `fits.table_checks`, each over all series; warnings come first in the evidence."""
    if not evidence.series:
        return

    asked = need(LAWS[evidence.answering[0].law if evidence.answering else "quadratic"])
    by_name: dict[str, list[tuple[str, Check]]] = {}
    for one in evidence.series:
        for check in check_table(one.table, asked) if one.table else ():
            if check.name not in OF_ALL:
                by_name.setdefault(check.name, []).append((heading(one, evidence.series), check))
    for name, said in by_name.items():
        fired = [(where, check) for where, check in said if check.verdict != "ok"]
        yield Check(name=name, verdict="warn" if fired else "ok", evidence=_together(fired or said, len(said)))
    yield from (check for check in check_table(evidence.table, asked) if check.name in OF_ALL)


def _together(said: list[tuple[str, Check]], n: int) -> str:
    """Return the evidence of some of `n` series, each with its heading; one text where all say the same."""
    texts = [check.evidence for _, check in said]
    if len(said) == n and len(set(texts)) == 1:
        return texts[0] if n == 1 else f"In each of {n} series of runs: {texts[0]}"
    rest = len(said) - MOST
    found = " ".join(f"{where}: {check.evidence}" for where, check in said[:MOST])
    return found + (f" The same holds for {rest} more series." if rest > 0 else "")


def gaps(evidence: Evidence) -> list[str]:
    """Return a line for each planned run that is not done, with the reason."""
    return [_gap(arm, run) for arm in evidence.arms for run in arm.runs if not run.done]


def lacks(evidence: Evidence) -> list[str]:
    """Return a sentence for each thing that is missing other than runs: arms to compare, or numbers for claims."""
    arms = Counter(arm.budget for arm in evidence.arms)
    single = ["Only one arm was planned, so it cannot be compared with another."] if max(arms.values()) < 2 else []
    return not_run(evidence) if evidence.verdicts else single


def _gap(arm: Arm, run: Run) -> str:
    reason = (run.record.error if run.record else "it has no record yet") or "no reason was recorded"
    return f"{arm.label} seed {run.spec.training.seed} ({run.spec.run_id}) {run.state}: {reason}"


def _complete(evidence: Evidence) -> Result:
    done, planned = sum(1 for run in evidence.runs if run.done), len(evidence.runs)
    states = Counter(run.state for run in evidence.runs if not run.done)
    rest = "".join(f", {count} {state}" for state, count in sorted(states.items()))
    return not rest, f"{done} of {counted(planned, 'planned run')} done{rest}."


def tolerances(evidence: Evidence) -> dict[str, float]:
    """Return the relative difference from the target that counts as equal, for N, C and r_a."""
    N = max((n_tolerance(arm.spec.target["N"]) for arm in evidence.arms if "N" in arm.spec.target), default=0.0)
    half_batch = max(arm.spec.training.batch_tokens / 2 / arm.spec.training.D for arm in evidence.arms)
    return {"N": N, "C": max(C_TOLERANCE, half_batch), "r_a": R_A_TOLERANCE}


def _equal(name: str, among: str, off: dict[str, float], evidence: Evidence) -> Result:
    """Compare the relative differences `off`, by arm, with the tolerance of the quantity `name`."""
    if not off:
        return None
    worst, tolerance = max(off, key=lambda label: abs(off[label])), tolerances(evidence)[name]
    within = f"In every {among} {name} is within {percent(abs(off[worst]))} of its target"
    limits = f"(largest in {worst}: {residual(off[worst])}; tolerance {percent(tolerance)})"
    return abs(off[worst]) <= tolerance, f"{within} {limits}."


def _equal_N(evidence: Evidence) -> Result:
    off = {arm.label: arm.spec.N / arm.spec.target["N"] - 1 for arm in evidence.arms if "N" in arm.spec.target}
    return _equal("N", "arm", off, evidence)


def _equal_C(evidence: Evidence) -> Result:
    off = {a.label: max((actual_C(r) / r.spec.budget - 1 for r in a.done), key=abs) for a in evidence.arms if a.done}
    return _equal("C", "finished run", off, evidence)


def _rates(evidence: Evidence) -> Result:
    off = {arm.label: arm.spec.r_a / arm.spec.target["r_a"] - 1 for arm in evidence.moe if "r_a" in arm.spec.target}
    return _equal("r_a", "MoE arm", off, evidence)


def _seeds(evidence: Evidence) -> Result:
    if len(evidence.seeds) < 2:
        return False, "One seed per arm: the effect of r_a cannot be separated from noise between seeds."
    counts = {arm.label: len(arm.done) for arm in evidence.arms}
    sds = [sd for arm in evidence.arms if (sd := arm.sd("loss")) is not None]
    noise = f"; SD of the loss over seeds {span(sds, general(2))} nats/token" if sds else ""
    return min(counts.values()) > 1, f"{span(counts.values(), general(3))} finished seeds per arm{noise}."


def _budgets(evidence: Evidence) -> Result:
    per_parameter = span((arm.spec.training.D / arm.spec.N for arm in evidence.arms), general(3))
    if len(evidence.budgets) > 1:
        text = f"{len(evidence.budgets)} budgets, each fitted alone: within a budget, D/N changes with r_a"
        return False, f"{text}, so their effects cannot be separated (D/N {per_parameter} over all budgets)."
    text = "One budget: D/N changes with r_a, so their effects cannot be separated"
    return False, f"{text} (D/N {per_parameter})."


def _fit_current(evidence: Evidence) -> Result:
    if evidence.outdated:
        again = f"fit again with: python -m scaling.fit {evidence.command_folder} --law {evidence.outdated}"
        return False, f"The fits were made from other runs than there are now, so they are left out; {again}"
    if not evidence.answering:
        return False, f"No fit yet; make one with: python -m scaling.fit {evidence.command_folder}"
    done = sum(len(arm.done) for arm in evidence.moe)
    fits = evidence.answering
    law = fits[0].law
    text = "; ".join(
        f"{fit.name}, {counted(fit.n, 'run')}, {fit.dof} degrees of freedom: {_words(fit)}"
        for fit in evidence.answering
    )
    if stale(evidence):
        command = f"python -m scaling.fit {evidence.command_folder} --law {law}"
        changed = f"The runs have changed since, {counted(done, 'MoE run')} are done now"
        return False, f"{text}. {changed}; fit again with: {command}"
    return all(fit.optimum and fit.optimum.status == "converged" for fit in fits), f"{text}."


def _words(fit: FitResult) -> str:
    different = fit.optimum and fit.optimum.status != fit.status
    return f"{fit.status.words}, optimum {fit.optimum.status.words}" if fit.optimum and different else fit.status.words


def _routing(evidence: Evidence) -> Result:
    health = [(arm.label, record.routing) for arm in evidence.moe for record in arm.done if record.routing]
    if not health:
        return None
    bad = sorted({label for label, h in health if h.dead_experts or h.max_load > IMBALANCED or h.dropped > 0})
    loads, dead = span((h.max_load for _, h in health), general(3)), sum(h.dead_experts for _, h in health)
    dropped = max(h.dropped for _, h in health)
    text = f"Over {counted(len(health), 'MoE run')}: the busiest expert has {loads} times the mean load"
    text += f" (limit {IMBALANCED:g}), {counted(dead, 'dead expert')}"
    text += f", {f'at most {percent(dropped)} of slots' if dropped else 'no slot'} dropped"
    return not bad, f"{text}; outside the limits: {listed(bad)}." if bad else f"{text}."


def _reuse(evidence: Evidence) -> Result:
    repeated = [arm for arm in evidence.arms if arm.spec.epochs > 1]
    if not repeated:
        return True, "No arm sees a token more than once."
    epochs = span((arm.spec.epochs for arm in repeated), general(3))
    names = f" ({listed(arm.label for arm in repeated)})" if len(repeated) <= MOST else ""
    arms = counted(len(evidence.arms), "arm")
    text = f"Data is repeated in {len(repeated)} of {arms}{names}: D / U is {epochs} epochs"
    return False, f"{text}; at fixed U it changes with r_a." if _moves_with_rate(evidence) else f"{text}."


def _moves_with_rate(evidence: Evidence) -> bool:
    """Return whether the MoE arms of one series have different numbers of epochs."""
    epochs = [[arm.spec.epochs for arm in one.moe] for one in evidence.series if one.repeats]
    return any(max(of) > min(of) * (1 + C_TOLERANCE) for of in epochs)


def _environment(evidence: Evidence) -> Result:
    """Compare where the runs were trained. `code` hashes the files that trained; a commit can hide local changes."""
    names = ("version", "commit", "code", "torch", "device")
    seen = {name: {getattr(record.environment, name) for record in evidence.records} for name in names}
    mixed = [f"{len(values)} values of {name}" for name, values in seen.items() if len(values) > 1]
    if continued := [record for record in evidence.records if record.environment.earlier]:
        ids = listed(record.spec.run_id for record in continued[:MOST])
        runs = counted(len(continued), "run")
        return False, f"{runs} continued with other code, torch or device than before ({ids}); train again to compare."
    if mixed:
        return False, f"The runs were trained in different environments: {listed(mixed)} (see the table Environment)."
    runs = counted(len(evidence.records), "run")
    if None in seen["code"]:
        return False, f"All {runs} share version, commit, torch and device, but their code is not recorded."
    return True, f"All {runs} share code, torch and device."


def _timings(evidence: Evidence) -> Result:
    found = least_steady(evidence)
    if found is None:
        return None
    name, speeds = found
    most = f"largest in {name}: {span(speeds)} tokens/s"
    text = f"Speeds of runs with equal steps differ by a factor of up to {unsteadiness(speeds):.3g} ({most})."
    if unsteadiness(speeds) <= UNSTEADY:
        return True, text
    return False, f"{text} These runs do the same work, so the machine was disturbed and times say little."


def _several_tests(evidence: Evidence) -> Result:
    """Account once for all tests of the page: which hold at 5 % after Holm's adjustment for their number."""
    tests = dict(_tests(evidence))
    if len(tests) < 2:
        return None
    adjusted = dict(zip(tests, holm(list(tests.values())), strict=True))
    alone = [name for name, p in tests.items() if p < TEST_LEVEL]
    lost = [name for name in alone if adjusted[name] >= TEST_LEVEL]
    text = f"The page states {len(tests)} tests (leads, movement, repeated data), each at 5 %"
    text += f". Significant: {len(alone)}; after Holm's adjustment for their number: {len(alone) - len(lost)}"
    return not lost, f"{text}. Lost by the adjustment: {listed(lost)}." if lost else f"{text}."


def _tests(evidence: Evidence) -> Iterator[tuple[str, float]]:
    """Yield the name and p of every test that a sentence of the page rests on."""
    for lead in all_leads(evidence):
        if (p := lead.difference.p(lead.tried)) is not None:
            yield f"lead over {lead.dense.label} ({heading(lead.series, evidence.series)})", p
    if evidence.constancy is not None and evidence.constancy.p is not None:
        yield "movement of the optimum", evidence.constancy.p
        yield from ((f"trend of the optimum with {slope.by}", slope.p) for slope in evidence.constancy.slopes)
    for found in evidence.reuse:
        yield from ((f"{found.scheme} reuse, {one.of}", one.p) for one in found.equivalences if one.p is not None)
        if found.interaction is not None:
            yield f"{found.scheme} reuse, MoE against dense", found.interaction.p


CHECKS: dict[str, Callable[[Evidence], Result]] = {
    "runs": _complete,
    "equal N": _equal_N,
    "equal C": _equal_C,
    "rates on target": _rates,
    "seeds": _seeds,
    "budgets": _budgets,
    "fit": _fit_current,
    "routing health": _routing,
    "data reuse": _reuse,
    "environment": _environment,
    "timings": _timings,
    "several tests": _several_tests,
}
"""Name -> check."""
