"""How far can an extrapolation be trusted? Prediction intervals on simulated surfaces, and on published runs held out.

python -m benchmarks.extrapolation [--studies 100] [--write]

Simulated: each truth is drawn on each design with each noise, fitted, and predicted at and beyond the largest budget.
The truths were written down before the intervals were tuned; one of each kind is a form that the fits do not know.
Published: the runs above a budget are held out, and each of them is predicted from the runs below it.
`--write` puts the tables into docs/extrapolation.md.
"""

import argparse
import itertools
import math
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fits import FitResult, fit_law, from_records, read_table
from fits.laws.law import some_rows
from fits.runs.table import RunTable
from planners.published import published
from planners.records.errors import UsageError

Floats = NDArray[np.float64]
ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "extrapolation.md"
FACTORS = (1.0, 3.0, 10.0, 100.0)
"""C of the target over the largest C of the runs."""
DRAWS = 200
NOISES = (0.003, 0.008)
"""SD of the noise of ln L of a run: about that of models of 1B parameters, and of small ones."""


def chinchilla(N: Floats, r: Floats, D: Floats) -> Floats:
    """The fit of arXiv 2404.10102."""
    return 1.8172 + 482.01 / N**0.3478 + 2085.43 / D**0.3658


def coupled(N: Floats, r: Floats, D: Floats) -> Floats:
    """Chinchilla's terms under an outer exponent of 0.45 (arXiv 2608.07222)."""
    return 1.45 + (5.0e4 / N**0.6 + 1.2e5 / D**0.58) ** 0.45


def interacting(N: Floats, r: Floats, D: Floats) -> Floats:
    """Chinchilla's terms and a product term: a form that none of the fitted laws has."""
    return 1.75 + 300 / N**0.33 + 900 / D**0.34 + 40 / (N**0.12 * D**0.12)


def symmetric(N: Floats, r: Floats, D: Floats) -> Floats:
    """The activation law: a cost of ln r_a that multiplies the reducible loss; r* moves with C^0.08 at fixed N."""
    full = D * r
    star = 0.2 * (N * full / 1.5e17) ** 0.08 * (N / 1e8) ** -0.1
    return 1.75 + (330 / N**0.33 + 900 / full**0.34) * np.exp(0.15 * np.log(r / star) ** 2)


def two_powers(N: Floats, r: Floats, D: Floats) -> Floats:
    """Capacity as a power of r_a, and Chinchilla's data term."""
    return 1.75 + 60 / (N**0.33 * r**0.45) + 900 / D**0.34


def sparse(N: Floats, r: Floats, D: Floats) -> Floats:
    """The law of arXiv 2501.12370 with a share of always active parameters of 3 %: not among the fitted forms."""
    share = np.maximum(r - 0.03, 1e-3) / 0.97
    parts = 16612.5 / N**0.5962 + 5455.67 / D**0.3954 + 0.4598 * share**0.1666
    return parts + 17.26 / (share**0.1603 * N**0.1595) + 0.94


Design = tuple[tuple[float, float, float], ...]
"""(N, r_a, C) of each run."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """Truths with the law that is fitted to them, and the designs of their runs."""

    law: str
    """Fitted law."""
    truths: tuple[Callable[[Floats, Floats, Floats], Floats], ...]
    """(N, r_a, D) -> L."""
    designs: dict[str, Design]
    """Name -> (N, r_a, C) of each run."""
    factors: tuple[float, ...]
    """Factors beyond the largest C."""


def isoflop(budgets: tuple[float, ...], sizes: int) -> Design:
    """Return sizes spread 16-fold around 20 tokens per parameter at each budget."""
    spread = np.geomspace(0.25, 4, sizes)
    return tuple((math.sqrt(C / 120) * s, 1.0, C) for C in budgets for s in spread)


def rates(sizes: tuple[float, ...], budgets: tuple[float, ...], values: int, seeds: int) -> Design:
    """Return every rate at every size and budget, with seeds."""
    grid = itertools.product(sizes, np.geomspace(0.06, 0.7, values).tolist(), budgets, range(seeds))
    return tuple((N, r, C) for N, r, C, _ in grid)


KINDS = {
    "dense": Kind(
        law="chinchilla",
        truths=(chinchilla, coupled, interacting),
        designs={
            "isoFLOP 5 x 7": isoflop((1e18, 3e18, 1e19, 3e19, 1e20), 7),
            "isoFLOP 4 x 6": isoflop((1e18, 4e18, 1.6e19, 6.4e19), 6),
        },
        factors=FACTORS,
    ),
    "MoE": Kind(
        law="activation",
        truths=(symmetric, two_powers, sparse),
        designs={
            "1 size, 4 budgets, 6 rates, 3 seeds": rates((1e8,), (1e18, 2e18, 4e18, 8e18), 6, 3),
            "3 sizes, 3 budgets, 5 rates, 2 seeds": rates((5e7, 1e8, 2e8), (1e18, 3e18, 9e18), 5, 2),
        },
        factors=(1.0, 3.0, 10.0),
    ),
}


@dataclass(frozen=True, kw_only=True)
class Score:
    """One prediction against what came."""

    covered: bool
    """Whether the interval holds it."""
    error: float
    """ln of predicted over observed."""
    half: float
    """Half the width of the interval in ln."""


Scores = dict[tuple[str, str, str], list[Score]]
"""(kind or table, quantity, group of factors) -> scores."""


def score(value: float, lo: float | None, hi: float | None, truth: float) -> Score:
    """Return the score of a prediction."""
    inside = lo is not None and hi is not None and lo <= truth <= hi
    half = math.inf if lo is None or hi is None else math.log(hi / lo) / 2
    return Score(covered=inside, error=math.log(value / truth), half=half)


def optimum(truth: Callable[[Floats, Floats, Floats], Floats], C: float, N: float | None) -> dict[str, float]:
    """Return the true optimum at C: N, D / N and loss of a dense model, or at fixed N the best rate and its loss."""
    if N is None:
        sizes = np.geomspace(math.sqrt(C / 120) / 50, math.sqrt(C / 120) * 50, 200_001)
        loss = truth(sizes, np.ones(1), C / (6 * sizes))
        at = int(np.argmin(loss))
        return {"N": float(sizes[at]), "D_per_N": C / 6 / float(sizes[at]) ** 2, "loss": float(loss[at])}
    values = np.geomspace(0.004, 1, 100_001)
    loss = truth(np.full(1, N), values, C / (6 * N * values))
    at = int(np.argmin(loss))
    return {"r_a": float(values[at]), "loss": float(loss[at])}


def simulated(kind: str, studies: int) -> Iterator[tuple[tuple[str, str, str], Score]]:
    """Yield the scores of one kind: (truth and kind, quantity, factor) of each prediction."""
    setting = KINDS[kind]
    for truth, (_, design), noise in itertools.product(setting.truths, setting.designs.items(), NOISES):
        N, r, C = np.array(design).T
        D = C / (6 * N * r)
        exact = truth(N, r, D)
        middle = float(np.median(N)) if kind == "MoE" else None
        for study in range(studies):
            random = np.random.default_rng([study, int(noise * 1e4)])
            losses = exact * np.exp(noise * random.standard_normal(len(exact)))
            rows = [
                {"N": n, "r_a": rate, "C": c, "D": d, "loss": loss}
                for n, rate, c, d, loss in zip(N, r, C, D, losses, strict=True)
            ]
            fit = fit_law(from_records(rows), setting.law, bootstrap=DRAWS, seed=study)
            for factor in setting.factors:
                target = float(C.max()) * factor
                true = optimum(truth, target, middle)
                true["loss"] *= math.exp(noise * random.standard_normal())
                for name, one in scores_of(fit, target, middle, true):
                    yield (f"{kind}: {truth.__name__}", name, f"{factor:g}"), one


def scores_of(fit: FitResult, C: float, N: float | None, true: dict[str, float]) -> Iterator[tuple[str, Score]]:
    """Yield the score of each quantity; one without a value is an interval that misses."""
    try:
        found = fit.predict(C=C) if N is None else fit.predict(C=C, N=N)
    except UsageError:
        found = None
    for name, value in true.items():
        one = found.of(name) if found else None
        if one is None or one.value is None:
            yield name, Score(covered=False, error=math.nan, half=math.nan)
        else:
            yield name, score(one.value, one.lo, one.hi, value)


@dataclass(frozen=True, kw_only=True)
class HeldOutSet:
    """A table whose largest runs are held out."""

    law: str
    """Law that is fitted."""
    table: Callable[[], RunTable]
    """Reads the runs."""
    extra: tuple[str, ...] = ()
    """Further columns that a target names."""


def public(name: str, *conditions: str) -> Callable[[], RunTable]:
    """Return how to read a published table."""
    source = published(name)
    return lambda: read_table(source.path, source.columns, where=list(conditions))


SETS = {
    "Chinchilla (234 runs)": HeldOutSet(law="chinchilla", table=public("chinchilla_kyotakano234")),
    "Porian isoFLOP": HeldOutSet(law="chinchilla", table=public("porian2024_isoflop")),
    "Gadre, C4": HeldOutSet(law="chinchilla", table=public("gadre2024_overtraining")),
    "Muennighoff, repeated data": HeldOutSet(law="muennighoff", table=public("muennighoff2023_reuse"), extra=("U",)),
    "Li et al., 2B": HeldOutSet(
        law="activation", table=public("li2025", "r_a<1", "scale=2B", "table in 9,10"), extra=("r_a",)
    ),
    "laptop-grid": HeldOutSet(
        law="activation", table=lambda: read_table(ROOT / "results" / "laptop-grid" / "runs.csv"), extra=("r_a",)
    ),
}
GROUPS = ((1.0, 3.0), (3.0, 10.0), (10.0, 30.0), (30.0, math.inf))
"""Groups of the factor in C by which a held-out run lies beyond the largest fitted C."""
MOST = 60
"""Most held-out runs of one limit that are predicted: a sample of them, always the same one."""
QUANTILES = (0.5, 0.7, 0.85)
"""Shares of the runs, smallest C first, that are fitted in turn."""


def held_out(name: str) -> Iterator[tuple[tuple[str, str, str], Score]]:
    """Yield the scores of the held-out runs of one table."""
    setting = SETS[name]
    table = setting.table()
    C = table.numbers("C") if table.has("C") else 6 * table.numbers("N") * table.numbers("D")
    if setting.law == "activation":
        table, C = table.only(table.rates() < 1 - 1e-9), C[table.rates() < 1 - 1e-9]
    for limit in sorted({float(np.quantile(C, share)) for share in QUANTILES}):
        small, large = table.only(limit >= C), table.only(limit * 1.01 < C)
        if not len(large):
            continue
        fit = fit_law(small, setting.law, bootstrap=DRAWS)
        if fit.behind is None:
            continue
        columns, rest = ("N", "D", *setting.extra), C[limit * 1.01 < C]
        kept = some_rows(len(large), MOST)
        large, rest = large.only(np.isin(np.arange(len(large)), kept)), rest[kept]
        targets = [large.numbers(column).tolist() for column in columns]
        rows = zip(*targets, large.numbers("loss").tolist(), rest.tolist(), strict=True)
        for *values, loss, compute in rows:
            found = fit.predict(**dict(zip(columns, values, strict=True))).loss
            factor = compute / C[limit >= C].max()
            group = next(f"{low:g} to {high:g}" for low, high in GROUPS if factor < high)
            if found is not None and found.value is not None:
                yield (name, "loss", group), score(found.value, found.lo, found.hi, loss)


def row(scores: list[Score]) -> str:
    """Return coverage with its Monte-Carlo error, root-mean-square error and median half-width as cells of a table."""
    covered = float(np.mean([one.covered for one in scores]))
    errors = np.array([one.error for one in scores])
    halves = [one.half for one in scores if math.isfinite(one.half)]
    rms = float(np.sqrt(np.nanmean(errors**2)))
    se = math.sqrt(covered * (1 - covered) / len(scores))
    return f"{covered:.2f} +- {se:.2f} | {rms:.3f} | {np.median(halves) if halves else math.nan:.3f}"


HEADER = ("quantity", "beyond the largest C", "n", "covered", "error (ln)", "half-width (ln)")
"""Columns of a table after its first."""


def table_of(scores: Scores, first: str) -> list[str]:
    """Return a Markdown table."""
    lines = [f"| {' | '.join((first, *HEADER))} |", "|---" * (len(HEADER) + 1) + "|"]
    return [*lines, *(f"| {a} | {b} | {c}-fold | {len(found)} | {row(found)} |" for (a, b, c), found in scores.items())]


def ordered(scores: Scores) -> Scores:
    """Return the scores by truth, quantity and factor."""
    return dict(sorted(scores.items(), key=lambda each: (each[0][0], each[0][1], float(each[0][2]))))


def main() -> None:
    """Run both parts and print, or write, the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=100)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--only", choices=(*KINDS, "published"))
    flags = parser.parse_args()
    start = time.perf_counter()
    drawn: Scores = defaultdict(list)
    public_scores: Scores = defaultdict(list)
    for name in SETS if flags.only in (None, "published") else ():
        for key, one in held_out(name):
            public_scores[key].append(one)
        print(f"{name}: {(time.perf_counter() - start) / 60:.1f} minutes", file=sys.stderr)
    for kind in KINDS:
        if flags.only in (None, kind):
            for key, one in simulated(kind, flags.studies):
                drawn[key].append(one)
    minutes = (time.perf_counter() - start) / 60
    command = f"python -m benchmarks.extrapolation --studies {flags.studies}"
    made = f"Made by `{command}` (seeds 0 to {flags.studies - 1}, {DRAWS} draws, {minutes:.0f} minutes)."
    lines = [made, "", *(table_of(ordered(drawn), "truth") if drawn else []), ""]
    lines += table_of(public_scores, "published runs") if public_scores else []
    print("\n".join(lines))
    if flags.write:
        page = PAGE.read_text()
        before, _, rest = page.partition("<!-- tables -->\n")
        _, _, after = rest.partition("<!-- end of tables -->")
        PAGE.write_text(f"{before}<!-- tables -->\n" + "\n".join(lines) + f"\n<!-- end of tables -->{after}")


if __name__ == "__main__":
    main()
