"""Checks of a table for what could make a fit misleading; each check is a function and a line of CHECKS.

A check returns None if it does not apply, because the table lacks its columns or the law does not use them. The checks
cover problems of published fits (arXiv 2502.18969, 2404.10102, 2605.08541, and the tables of arXiv 2506.12119).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fits.compare.variances import equal_variances
from fits.intervals import TEST_LEVEL
from fits.laws.curve_basis import Curve
from fits.laws.law import Law
from fits.result import FitResult
from fits.runs.diverged import diverged_runs
from fits.runs.same_budget import BUDGET_TOLERANCE, groups_of
from fits.runs.select_arms import AXES, SAME_X, by_position, no_question, positions
from fits.runs.series import series
from fits.runs.table import Floats, RunTable
from planners.recipes import STEP_LAW
from planners.records.check import Check
from planners.records.errors import UsageError
from planners.records.quantity import format_flops, format_quantity

COLLINEAR = 0.95
"""Correlation of ln N and ln D above which their exponents cannot be separated (variance inflated tenfold)."""
SPREAD_D_PER_N = 2.0
"""Largest over smallest tokens per parameter that a law of N and D needs at least."""
POINTS_PER_PARAMETER = 3
"""Distinct points per parameter that a law of several columns needs at least."""
SPARE_RATES = 2
"""Rates that a curve needs beyond the number of its coefficients, so that a misfit can show."""
UNMATCHED = 1.5
"""Ratio of learning rates or batches, each relative to one rule, above which arms are not equally well tuned."""
DRIFT = 1.5
"""Ratio of expert widths above which granularity moves along with r_a."""
FEW_TOKENS = 10.0
"""Tokens per parameter below which a dense model is far too large for its compute (20 is optimal, arXiv 2203.15556)."""
SAME_N = 0.05
"""Relative difference of N up to which a dense arm matches the MoE arms."""

RUN_NAMES = ("run_id", "run", "name", "hyper_id")
"""Columns that name a run, in published tables and in ours."""
NOT_NAMES = ("arm", "study", "state", "series", "role", "recipe", "flags", "embeddings")
"""Columns of text in our records that do not name a run."""


@dataclass(frozen=True, kw_only=True)
class Need:
    """What a law needs from a table."""

    columns: tuple[str, ...]
    """Columns that it uses, apart from the loss."""
    parameters: int
    """Number of its parameters."""


def need(law: Law | Curve, of: str = "r_a") -> Need:
    """Return what `law` needs from a table; `of` is the column of a curve."""
    columns = law.columns if isinstance(law, Law) else (of,)
    return Need(columns=columns, parameters=len(law.parameters))


Verdict = tuple[bool, str] | None
"""(whether the check passes, the evidence); None if it does not apply."""


def check_table(table: RunTable, need: Need) -> tuple[Check, ...]:
    """Return every check that applies to a fit of a law with `need` to `table`.

    >>> from fits import LAWS
    >>> from fits.table_checks import need
    >>> [check.verdict for check in check_table(read_runs("results/laptop"), need(LAWS["cubic"]))][:2]
    ['warn', 'ok']
    """
    found = ((name, _verdict(check, table, need)) for name, check in CHECKS.items())
    return tuple(
        Check(name=name, verdict="ok" if result[0] else "warn", evidence=result[1]) for name, result in found if result
    )


def check_result(result: FitResult) -> tuple[Check, ...]:
    """Return the checks of a fitted law: whether its residuals are independent, and whether it misses the means."""
    found = []
    if (tests := result.shared_noise) and result.optimum is None:
        said = "; ".join(f"by {one.by} ICC {one.icc:.2f}, F{one.dof} = {one.F:.2f}, p = {one.p:.2g}" for one in tests)
        worst = min(tests, key=lambda one: one.p)
        ok = worst.p >= TEST_LEVEL / len(tests)
        remedy = f" The intervals are too narrow if noise is shared; try --block {worst.by}."
        text = f"Residuals of {result.n} runs: {said}."
        found.append(Check(name="independent residuals", verdict=_word(ok), evidence=text + ("" if ok else remedy)))
    if (shape := result.lack_of_fit) is not None and result.optimum is None:
        ok = shape.p >= TEST_LEVEL
        fits = "is not shown to miss" if ok else "misses"
        text = f"The law {fits} the mean losses of its points: F({shape.shape_dof}, {shape.error_dof}) = {shape.F:.2f}"
        found.append(Check(name="lack of fit", verdict=_word(ok), evidence=f"{text}, p = {shape.p:.2g}."))
    return tuple(found)


def _word(ok: bool) -> str:
    return "ok" if ok else "warn"


def _verdict(check: Callable[[RunTable, Need], Verdict], table: RunTable, need: Need) -> Verdict:
    """Return the verdict of `check`; a bad cell in a column that only the check reads does not stop the fit."""
    try:
        return check(table, need)
    except UsageError as error:
        return False, f"Not checked: {error}."


def _is_curve(table: RunTable, columns: tuple[str, ...]) -> bool:
    """Return whether the columns of a law are the one that a curve is drawn over; N is one only over N."""
    return len(columns) == 1 and columns[0] in AXES and (columns[0] != "N" or table.over == "N")


def _uses_N_and_D(table: RunTable, need: Need) -> bool:
    return {"N", "D"} <= set(need.columns) and len(table) > 2


def _collinear(table: RunTable, need: Need) -> Verdict:
    if not _uses_N_and_D(table, need):
        return None
    N, D = np.log(table.numbers("N")), np.log(table.numbers("D"))
    if min(np.ptp(N), np.ptp(D)) < 1e-9:
        constant = "N" if np.ptp(N) < 1e-9 else "D"
        return False, f"{constant} is the same in every run, so its exponent cannot be found."
    r = float(np.corrcoef(N, D)[0, 1])
    text = f"ln N and ln D have correlation {r:.2f} over {len(N)} runs"
    return abs(r) <= COLLINEAR, f"{text}." if abs(r) <= COLLINEAR else f"{text}: their exponents cannot be separated."


def _tokens_per_parameter(table: RunTable, need: Need) -> Verdict:
    if not _uses_N_and_D(table, need):
        return None
    ratio = table.numbers("D") / table.numbers("N")
    low, high = float(ratio.min()), float(ratio.max())
    text = f"tokens per parameter run from {low:.3g} to {high:.3g}"
    if high >= SPREAD_D_PER_N * low:
        return True, f"The {text}."
    return False, f"The {text}: at a single ratio the terms of N and D are interchangeable (arXiv 2605.08541); vary it."


def _enough_runs(table: RunTable, need: Need) -> Verdict:
    if not all(table.has(column) for column in need.columns):
        return None
    points = len(np.unique(np.round(np.log(_values(table, need.columns)), 6), axis=0))
    if _is_curve(table, need.columns):
        what = "different rates" if need.columns == ("r_a",) else f"different values of {need.columns[0]}"
        least = need.parameters + SPARE_RATES
    else:
        least, what = POINTS_PER_PARAMETER * need.parameters, "different points"
    return points >= least, f"{points} {what} for {need.parameters} parameters (recommended: {least} or more)."


def _values(table: RunTable, columns: tuple[str, ...]) -> Floats:
    arms = table.only(table.routed()) if _is_curve(table, columns) else table
    return np.column_stack([arms.law_column(column) for column in columns])


def _tuning(table: RunTable, need: Need) -> Verdict:
    """Compare learning rate and batch with Step Law (arXiv 2503.04715), whose exponents equal tuning follows."""
    if not (table.has("lr") and table.has("N") and table.has("D")) or len(table) < 2:
        return None
    if table.has("recipe") and table.frame["recipe"].nunique(dropna=False) == 1:
        return True, f"lr and batch follow one rule in all arms ({table.frame['recipe'].iloc[0]})."
    known = table.only(table.frame["lr"].notna().to_numpy())
    N, D, texts, matched = known.numbers("N"), known.numbers("D"), [], True
    batch = D**STEP_LAW.batch_by_D
    rules = {"lr": N**STEP_LAW.lr_by_N * D**STEP_LAW.lr_by_D, "batch_tokens": batch, "batch_seqs": batch}
    for column, rule in rules.items():
        if known.has(column):
            values = known.numbers(column)
            spread = _spread(values / rule)
            matched &= spread <= UNMATCHED or _spread(values) < 1.01
            texts.append(f"{column} varies {spread:.2f}-fold{_by_kind(known, values / rule)}")
    return matched, f"Relative to the rule of arXiv 2503.04715, {'; '.join(texts)} over {len(known)} runs."


def _by_kind(table: RunTable, ratio: Floats) -> str:
    routed = table.routed()
    if routed.all() or not routed.any():
        return ""
    dense, moe = (float(np.median(ratio[kind])) for kind in (~routed, routed))
    return f" (MoE {moe / dense:.2f} times dense)"


def _granularity(table: RunTable, need: Need) -> Verdict:
    if "r_a" not in need.columns or not table.has("d_expert"):
        return None
    arms = table.only(table.routed())
    if len(arms) < 2:
        return None
    widths = arms.numbers("d_expert")
    low, high = widths.min(), widths.max()
    text = f"the width of an expert {f'is {low:.0f}' if low == high else f'runs from {low:.0f} to {high:.0f}'}"
    if _spread(widths) <= DRIFT:
        return True, f"In the MoE arms {text}."
    return False, f"In the MoE arms {text}: granularity varies with r_a, so their effects cannot be separated."


def _checkpoints(table: RunTable, need: Need) -> Verdict:
    if not table.has("D"):
        return None
    D, names = table.numbers("D"), _run_names(table)
    found = {name: table.frame.assign(D=D).groupby(name)["D"].nunique() for name in names}
    name = next((name for name, runs in found.items() if (runs > 1).any()), next(iter(names), None))
    if name is None:
        return None
    runs = found[name]
    several = runs[runs > 1]
    if several.empty:
        return True, f"Each of {len(runs)} runs occurs once ({name})."
    first = f"{several.index[0]} at {several.iloc[0]} values of D"
    return (
        False,
        f"{len(several)} of {len(runs)} runs occur at several D ({first}): checkpoints inside a decay are not runs.",
    )


def _run_names(table: RunTable) -> list[str]:
    """Return the columns that name a run: one of RUN_NAMES, or else columns of text each of whose values keeps one N.

    A column such as the arm of our own records is not among the latter, as it names several runs.
    """
    named = next((name for name in RUN_NAMES if table.has(name)), None)
    if named or not table.has("N"):
        return [named] if named else []
    texts = [
        str(name)
        for name, cells in table.frame.items()
        if name not in NOT_NAMES and cells.notna().all() and cells.map(lambda cell: isinstance(cell, str)).all()
    ]
    N = table.numbers("N")
    return [
        name
        for name in texts
        if (table.frame.assign(N=N).groupby(name)["N"].nunique() == 1).all() and table.frame[name].nunique() > 1
    ]


def _dense_baseline(table: RunTable, need: Need) -> Verdict:
    routed = table.routed()
    if routed.all() or not routed.any() or not (table.has("N") and table.has("D")):
        return None
    dense, N = table.only(~routed), float(np.median(table.only(routed).numbers("N")))
    matched = np.abs(dense.numbers("N") / N - 1) <= SAME_N
    if not matched.any():
        return (
            False,
            f"No dense arm has the N of the MoE arms ({format_quantity(N)}), so no comparison is at equal N.",
        )
    per_parameter = float((dense.numbers("D") / dense.numbers("N"))[matched].min())
    best = _better_dense(dense, matched)
    if best:
        return False, best
    text = f"The dense arm of equal N sees {per_parameter:.3g} tokens per parameter"
    if per_parameter < FEW_TOKENS:
        return False, f"{text}: it is too large for its compute (about 20 are optimal, arXiv 2203.15556)."
    return True, f"{text}."


def _better_dense(dense: RunTable, matched: NDArray[np.bool_]) -> str | None:
    """Return a sentence if a dense arm of another N has a lower mean loss than the matched one at the same C."""
    if matched.all() or not dense.has("C"):
        return None
    C, N, loss = dense.numbers("C"), dense.numbers("N"), dense.numbers("loss")
    sizes = groups_of(N)
    for at in np.flatnonzero(matched):
        here = np.abs(C / C[at] - 1) <= BUDGET_TOLERANCE
        means = {size: float(loss[here & (sizes == size)].mean()) for size in np.unique(sizes[here])}
        best = min(means, key=lambda size: means[size])
        if means[best] < means[sizes[at]]:
            lead, other = means[sizes[at]] - means[best], float(np.median(N[here & (sizes == best)]))
            where = f"At C = {format_flops(C[at])} the loss of a dense arm with N = {format_quantity(other)}"
            return f"{where} is {lead:.3g} {dense.unit} lower than that of the dense arm with equal N: report both."
    return None


def _bracketed(table: RunTable, need: Need) -> Verdict:
    of = need.columns[0] if _is_curve(table, need.columns) else "r_a"
    if of not in need.columns or not table.has(of):
        return None
    parts = {key: part.only(part.routed()) for key, part in series(table).items()}
    ends = [(key, _end(arms, of)) for key, arms in parts.items() if _asks(arms, of)]
    bad = [f"{f'({key.heading}) ' if key.heading else ''}at the {end} end" for key, end in ends if end]
    if not ends:
        return None
    if bad:
        return False, f"The lowest mean loss is {', '.join(bad)} of the sampled {of}; add some there."
    at = f" in each of {len(ends)} series" if len(ends) > 1 else ""
    return True, f"The lowest mean loss lies between sampled {of}{at}."


def _asks(arms: RunTable, of: str) -> bool:
    """Return whether the arms of a series have several values of `of` and share a budget."""
    return len(arms) > 0 and bool(np.ptp(positions(arms, of)) > SAME_X) and not no_question(arms, of)


def _end(arms: RunTable, of: str) -> str | None:
    rates, codes = np.unique(np.round(positions(arms, of), 6), return_inverse=True)
    means = np.bincount(codes, weights=arms.numbers("loss")) / np.bincount(codes)
    lowest = int(np.argmin(means))
    return "low" if lowest == 0 else "high" if lowest == len(rates) - 1 else None


def _diverged(table: RunTable, need: Need) -> Verdict:
    if not _is_curve(table, need.columns) or not any(one.state for one in table.dropped):
        return None
    lost = diverged_runs(table.only(table.routed()))
    if not lost:
        return True, "No MoE run diverged."
    return False, f"{'; '.join(map(str, lost))}: the mean losses there are those of the surviving runs."


def _variances(table: RunTable, need: Need) -> Verdict:
    """Test whether the noise is equal at all rates: Bartlett's test, with Levene's (medians) next to it."""
    of = need.columns[0]
    if not _is_curve(table, need.columns) or not table.has(of):
        return None
    groups = [part for key in series(table).values() for part in by_position(key.only(key.routed()), of)]
    found = equal_variances([part.numbers("loss").tolist() for part in groups])
    if found is None:
        return None
    sds = [(float(part.numbers("loss").std(ddof=1)), part) for part in groups if len(part) > 1]
    (low, _), (high, noisy) = min(sds, key=lambda one: one[0]), max(sds, key=lambda one: one[0])
    at = float(np.exp(np.median(positions(noisy, of))))
    text = f"SD over seeds from {low:.2g} to {high:.2g} {table.unit} (at {of} {at:.3g})"
    tests = f"Bartlett p = {found.bartlett:.2g}"
    tests += "" if found.levene is None else f", Levene p = {found.levene:.2g}"
    if found.equal:
        return True, f"Equal noise at all {of} is not rejected: {text}; {tests}."
    return (
        False,
        f"The noise differs between values of {of}: {text}; {tests}. One pooled SD is wrong for each of them.",
    )


def _dropped_by_loss(table: RunTable, need: Need) -> Verdict:
    chosen = [one for one in table.dropped if one.by is not None]
    if not chosen:
        return None
    by_loss = [one for one in chosen if one.by in ("loss", "bpb", "train_loss")]
    if not by_loss:
        return True, f"{len(chosen)} rows were left out by a condition, none of them because of the loss."
    return False, f"{len(by_loss)} rows were left out because of their loss ({by_loss[0].reason}): this biases the fit."


def _embeddings(table: RunTable, need: Need) -> Verdict:
    if "N" not in need.columns or not len(table):
        return None
    if table.has("N_vocab"):
        return True, "N excludes the vocabulary, which is in N_vocab."
    stated = set(table.frame["embeddings"].astype(str).str.lower()) if table.has("embeddings") else set()
    if stated in ({"included"}, {"excluded"}):
        return True, f"N is given with embeddings {stated.pop()}."
    smallest = format_quantity(float(table.numbers("N").min()))
    return (
        False,
        f"It is unknown whether N includes the embeddings. From N = {smallest} they can be a large part of it, and the"
        " exponents depend on the choice (arXiv 2406.19146). Give --embeddings included or excluded.",
    )


def _spread(values: Floats) -> float:
    return float(values.max() / values.min())


CHECKS: dict[str, Callable[[RunTable, Need], Verdict]] = {
    "collinear N and D": _collinear,
    "tokens per parameter": _tokens_per_parameter,
    "runs for the parameters": _enough_runs,
    "learning rate and batch": _tuning,
    "granularity": _granularity,
    "checkpoints as runs": _checkpoints,
    "dense baseline": _dense_baseline,
    "grid brackets the minimum": _bracketed,
    "equal noise": _variances,
    "diverged runs": _diverged,
    "rows left out": _dropped_by_loss,
    "embedding convention": _embeddings,
}
"""Name -> check."""
