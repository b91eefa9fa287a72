"""python -m scaling.fit studies/x --law quadratic

Fit a curve of loss against r_a, or a law of N and D, to a study or to any CSV, with intervals.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from fits import LAWS, FitResult, RunTable, fit_with_draws, read_table, summary, write_fit
from fits.curves import Curve
from jobs.record import collect
from planners import Study, UsageError
from planners.quantity import parse_count, parse_quantity
from planners.records import to_json
from scaling import cli

EXAMPLE = "python -m scaling.fit --runs runs.csv --columns N=n_params,D=n_tokens --law chinchilla"


def arguments() -> cli.Parser:
    """Return the parser of this command."""
    parser = cli.parser("fit", EXAMPLE)
    add = parser.add_argument
    add("study", nargs="?", help="folder of the study")
    add(
        "--runs",
        metavar="CSV",
        help="a table of runs with N, D, loss and whatever else a law needs, instead of a study",
    )
    add("--columns", metavar="OURS=THEIRS,…", help="names of columns in that table: N=n_params,D=n_tokens")
    add("--law", default="quadratic", metavar="NAME,…", help=f"what to fit (default quadratic): {', '.join(LAWS)}")
    add("--delta", default="1e-3", help="width of the Huber loss in ln L, for laws of N and D (default 1e-3)")
    add(
        "--bootstrap",
        default="200",
        metavar="B",
        help="bootstrap draws for laws of N and D, 0 for no interval (default 200)",
    )
    add("--margin", metavar="NATS", help="difference of loss that does not matter (default: the study's)")
    add("--seed", default="0", help="seed of the bootstrap (default 0)")
    add("-o", "--out", metavar="DIR", help="where the fits are written (default: fits/ of the study; none for a table)")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return cli.run(act, arguments(), argv)


def act(flags: cli.Flags) -> int:
    """Fit, write and show."""
    if bool(flags.study) == bool(flags.runs):
        raise UsageError("give a study or --runs CSV, one of the two")
    laws = flags.law.split(",")
    unknown = next((law for law in laws if law not in LAWS), None)
    if unknown is not None:
        raise UsageError(f"law {unknown!r} is not one of {', '.join(LAWS)}")
    margin = None if flags.margin is None else parse_quantity(flags.margin, "--margin")
    if flags.runs:
        table, out = read_table(flags.runs, _columns(flags.columns)), None
    else:
        study = Study(flags.study)
        if flags.columns is not None:
            raise UsageError("--columns is for --runs; the columns of a study are known")
        table, out, margin = runs_of(study), study.fits, _margin(study, margin)
    results = fit_and_write(
        table,
        laws,
        Path(flags.out) if flags.out else out,
        margin=margin,
        delta=parse_quantity(flags.delta, "--delta"),
        bootstrap=parse_count(flags.bootstrap, "--bootstrap", least=0),
        seed=parse_count(flags.seed, "--seed", least=0),
    )
    if flags.json:
        cli.print_json({"fits": to_json(results), "comparison": None})
    for result in results:
        cli.say(summary(result) + "\n", flags)
    if flags.study:
        cli.say(f"next: {cli.command('report', flags.study)}", flags)
    return cli.DONE if all(result.n for result in results) else cli.GAPS


def _margin(study: Study, asked: float | None) -> float | None:
    """Return the margin of a study. Raises UsageError for another one than it fixed before its runs."""
    fixed = study.asked().question.margin
    if None not in (asked, fixed) and asked != fixed:
        raise UsageError(
            f"{study.folder} fixed its margin at {fixed:g} nats before its runs, not {asked:g};"
            f" to look at another one, fit the table: {cli.command('fit', '--runs', study.runs_csv, '--margin', asked)}"
        )
    return fixed if asked is None else asked


def runs_of(study: Study) -> RunTable:
    """Return the ended runs of a study. Raises UsageError where there is none."""
    if not collect(study):
        raise UsageError(
            f"no run of {study.folder} has ended; train them with: {cli.command('sweep', study.folder, '--go')}"
        )
    return replace(read_table(study.runs_csv), source=study.runs_csv.name)


def fit_and_write(
    table: RunTable, laws: list[str], out: Path | None, *, margin: float | None, **options: Any
) -> list[FitResult]:
    """Return the fits of `laws`, written to the folder `out` if there is one; a curve of r_a is fitted per budget.

    Fits of the same laws that an earlier call left there, to other budgets, are removed.
    """
    results = []
    for law in laws:
        budgets = table.by_budget() if isinstance(LAWS[law], Curve) and table.has("C") else {}
        names = {law: table} if len(budgets) < 2 else {_budget_name(law, C): part for C, part in budgets.items()}
        for name, part in names.items():
            result, draws = fit_with_draws(part, law, margin=margin, **options)
            results.append(result)
            if out is not None:
                write_fit(out, result, draws, name)
        if out is not None:
            for old in {law, *(path.stem for path in out.glob(f"{law}-C*.json"))} - set(names):
                (out / f"{old}.json").unlink(missing_ok=True)
    return results


def _budget_name(law: str, C: float) -> str:
    return f"{law}-C{C:.3g}".replace("+", "")


def _columns(text: str | None) -> dict[str, str]:
    pairs = [pair.partition("=") for pair in text.split(",")] if text else []
    for ours, _, theirs in pairs:
        if not ours or not theirs:
            raise UsageError(f"--columns {text!r} is not OURS=THEIRS, such as N=n_params,D=n_tokens")
    return {ours: theirs for ours, _, theirs in pairs}


if __name__ == "__main__":
    sys.exit(main())
