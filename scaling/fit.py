"""python -m scaling.fit studies/x

Fit a curve of loss against r_a, or a law of N and D, to a study or to any CSV, with intervals.
"""

import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fits import LAWS, FitResult, RunTable, fit_with_draws, from_records, read_table, summary, write_fit
from fits.checks import check_table, need
from fits.compare.laws import comparisons
from fits.curve.resampling import KINDS
from fits.drift.constancy import Constancy, constancy
from fits.fit import usual_law
from fits.laws.curve_basis import Curve
from fits.repeats.margin import margins
from fits.repeats.pairs import has_pairs, repeats
from fits.repeats.reuse import reuse
from fits.runs.select_arms import AXES
from fits.runs.series import series
from fits.runs.table import BUDGET_TOLERANCE
from fits.text import checks_summary, comparison_summary, constancy_summary, reuse_summary
from jobs.record import collect, planned
from planners import Study, UsageError
from planners.records.files import write_json
from planners.records.json import to_json
from planners.records.quantity import parse_count, parse_quantity
from scaling import cli

EXAMPLE = "python -m scaling.fit --runs runs.csv --columns N=n_params,D=n_tokens --law chinchilla"

WORTH = "the margin, {:.2g} nats, is what 5 % of C is worth by these runs themselves: none was fixed before them"
"""Note on a margin that nobody named."""


def arguments() -> cli.Parser:
    """Return the parser of this command."""
    parser = cli.parser("fit", EXAMPLE)
    add = parser.add_argument
    add("study", nargs="?", help="folder of the study")
    add(
        "--runs",
        metavar="TABLE",
        help="CSV, JSONL or Parquet with N, D, loss and whatever else a law needs; with a study: the losses of planned"
        " runs that were trained elsewhere, by run_id",
    )
    add("--columns", metavar="OURS=THEIRS,…", help="columns of that table and their units: N=n_params,D=tokens_b*1e9")
    add("--embeddings", choices=("included", "excluded"), help="whether N of that table counts the embeddings")
    add("--where", metavar="CONDITION", action="append", help="fit only these runs: C>=1e18; the others are listed")
    usual = "the cubic, or the quadratic below 5 rates"
    add("--law", metavar="NAME,…", help=f"what to fit (default: {usual}): {', '.join(LAWS)}")
    add("--over", choices=AXES, default="r_a", help="what the arms of a curve differ in (default r_a)")
    add(
        "--delta",
        default="1e-3",
        help="width of the Huber loss in ln L (default 1e-3); inf: least squares, 0: least absolute deviations",
    )
    add("--fixed", metavar="NAME=VALUE,…", help="parameters of a law of the loss that are held: drift_N=0,drift_C=0")
    add(
        "--bootstrap",
        default="200",
        metavar="B",
        help="bootstrap draws for laws of N and D, 0 for no interval (default 200)",
    )
    add(
        "--margin",
        metavar="NATS",
        help="difference of loss that does not matter (default: the study's, else what 5 %% of C is worth)",
    )
    add("--resampling", choices=KINDS, help="for curves: show this bootstrap of --bootstrap draws beside the interval")
    add("--slope", metavar="NATS", help="loss that one unit of ln D takes off, for the half-life of repeated data")
    add("--seed", default="0", help="seed of the bootstrap (default 0)")
    add("-o", "--out", metavar="DIR", help="where the fits are written (default: fits/ of the study; none for a table)")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return cli.run(act, arguments(), argv)


def act(flags: cli.Flags) -> int:
    """Fit, write and show."""
    laws = flags.law.split(",") if flags.law else []
    unknown = next((law for law in laws if law not in LAWS), None)
    if unknown is not None:
        raise UsageError(f"law {unknown!r} is not one of {', '.join(LAWS)}")
    study = Study(flags.study) if flags.study else None
    table = _table(study, flags)
    laws = laws or [usual_law(table, flags.over)]
    margin = None if flags.margin is None else parse_quantity(flags.margin, "--margin")
    margin = _margin(study, margin) if study else margin
    out = Path(flags.out) if flags.out else study.fits if study else None
    results = fit_and_write(
        table,
        laws,
        out,
        margin=margin,
        of=flags.over,
        resampling=flags.resampling,
        delta=_delta(flags.delta),
        fixed=_fixed(flags.fixed),
        bootstrap=parse_count(flags.bootstrap, "--bootstrap", least=0),
        seed=parse_count(flags.seed, "--seed", least=0),
    )
    slope = None if flags.slope is None else parse_quantity(flags.slope, "--slope")
    found = findings(table, laws, out, margin=margin, slope=slope, of=flags.over)
    checks = {
        name: check_table(part, need(LAWS[law], flags.over))
        for law in laws
        for name, part in _parts(table, law).items()
    }
    if flags.json:
        cli.print_json({name: to_json(value) for name, value in {"fits": results, **found, "checks": checks}.items()})
    for text in (*map(summary, results), *told(found), checks_summary(checks)):
        cli.say(text + "\n", flags)
    if study:
        cli.say(f"next: {cli.command('report', study.folder)}", flags)
    return cli.DONE if all(result.n for result in results) else cli.GAPS


def findings(
    table: RunTable,
    laws: list[str],
    out: Path | None,
    *,
    margin: float | None,
    slope: float | None = None,
    of: str = "r_a",
) -> dict[str, Any]:
    """Return what is found beside the fits (comparison, constancy, reuse), written to the folder `out` if there is one.

    `slope` is the local slope of the loss in ln C that reuse is judged by; null takes that of several budgets.
    """
    least = min(margins(table).values(), default=None) if margin is None else margin
    found = {
        "comparison": comparisons(table, laws),
        "constancy": constancy_of(table, laws, of),
        "reuse": reuse(table, margin=least, slope=slope) if has_pairs(table) else (),
    }
    _keep(out, found)
    return found


def told(found: dict[str, Any]) -> Iterator[str]:
    """Return what is found beside the fits, for a person."""
    yield from map(comparison_summary, found["comparison"])
    yield from map(reuse_summary, found["reuse"])
    if found["constancy"]:
        yield constancy_summary(found["constancy"])


def _keep(out: Path | None, findings: dict[str, Any]) -> None:
    """Write each finding beside the fits; the file of one that an earlier call made and this one did not is removed."""
    if out is None:
        return
    for name, found in findings.items():
        if found:
            write_json(out / f"{name}.json", to_json(found))
        else:
            (out / f"{name}.json").unlink(missing_ok=True)


def constancy_of(table: RunTable, laws: list[str], of: str) -> Constancy | None:
    """Return whether the series of `table` have one optimum.

    Where some runs saw their data once, only these: another optimum on repeated data is no movement with C or N.
    None where no curve was asked for, where there is one series, and where these are too small: their fits say so.
    """
    parts = series(_fresh(table)) if any(isinstance(LAWS[law], Curve) for law in laws) else {}
    try:
        return constancy(parts, of=of) if len(parts) > 1 else None
    except UsageError:
        return None


def _fresh(table: RunTable) -> RunTable:
    fresh = ~repeats(table)
    return table.only(fresh) if (fresh & table.routed()).any() else table


def _table(study: Study | None, flags: cli.Flags) -> RunTable:
    """Return the runs of the study, of the table, or of both. Raises UsageError where neither is given."""
    if study is None and flags.runs is None:
        raise UsageError("give a study or --runs TABLE")
    if flags.runs is None and (flags.columns is not None or flags.embeddings is not None):
        raise UsageError("--columns and --embeddings are for --runs; the columns of a study are known")
    if study is None:
        table = read_table(flags.runs, _columns(flags.columns))
        if flags.embeddings is not None:
            table = replace(table, frame=table.frame.assign(embeddings=flags.embeddings))
    elif flags.runs is None:
        table = runs_of(study)
    else:
        table = joined(study, flags.runs, _columns(flags.columns))
    for condition in flags.where or ():
        table = table.where(condition)
    return table


def joined(study: Study, path: str, columns: dict[str, str]) -> RunTable:
    """Return the runs of a study with the losses in `path` of those that were trained elsewhere, by run_id.

    Raises UsageError for a run that the study did not plan, and for one that it trained itself.
    """
    elsewhere = read_table(path, columns)
    if "run_id" not in elsewhere.frame:
        raise UsageError(f"{path} has no column run_id, by which its runs would join those of {study.folder}")
    specs, here = {spec.run_id: spec for spec in study.runs()}, {row["run_id"]: row for row in collect(study)}
    rows = list(here.values())
    for row in elsewhere.frame.to_dict("records"):
        run_id = str(row["run_id"])
        if run_id not in specs:
            raise UsageError(f"{path}: {study.folder} planned no run {run_id}; remove the row, or fit the table alone")
        if here.get(run_id, {}).get("state") == "done":
            raise UsageError(f"{path}: run {run_id} was trained in {study.folder} too; remove one of the two")
        rows.append({**planned(specs[run_id]), **{str(name): cell for name, cell in row.items()}, "state": "done"})
    table = from_records(rows, source=f"{study.runs_csv.name} and {path}")
    return replace(table, dropped=(*table.dropped, *elsewhere.dropped))


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
    """Return the fits of `laws`, written to the folder `out` if there is one; a curve of r_a is fitted to each series.

    Fits of the same laws that an earlier call left there, to other series, are removed.
    """
    results, worth = [], margins(table) if margin is None else {}
    for law in laws:
        names = _parts(table, law)
        for name, part in names.items():
            worth_here = _worth(part, worth)
            result, draws = fit_with_draws(part, law, margin=margin or worth_here, **options)
            if worth_here is not None and isinstance(LAWS[law], Curve):
                result = replace(result, notes=(*result.notes, WORTH.format(worth_here)))
            results.append(replace(result, data=f"{result.data}, {name[len(law) + 1 :]}") if name != law else result)
            if out is not None:
                write_fit(out, results[-1], draws, name)
        if out is not None:
            for old in {law, *(path.stem for path in out.glob(f"{law}-*.json"))} - set(names):
                (out / f"{old}.json").unlink(missing_ok=True)
    return results


def _parts(table: RunTable, law: str) -> dict[str, RunTable]:
    """Return the tables that `law` is fitted to, by the name of the fit: for a curve each series of `table`."""
    parts = series(table) if isinstance(LAWS[law], Curve) else {"": table}
    return {f"{law}-{name}" if name else law: part for name, part in parts.items()}


def _delta(text: str) -> float:
    named = {"inf": math.inf, "0": 0.0}
    return named[text] if text in named else parse_quantity(text, "--delta")


def _fixed(text: str | None) -> dict[str, float]:
    """Return the parameters of NAME=VALUE pairs; a value may be zero or negative."""
    pairs = [pair.partition("=") for pair in text.split(",")] if text else []
    try:
        return {name: float(value) for name, _, value in pairs}
    except ValueError:
        raise UsageError(f"--fixed {text!r} is not NAME=VALUE with numbers, such as drift_N=0") from None


def _worth(part: RunTable, margins: dict[float, float]) -> float | None:
    """Return the margin of the budget that the runs of a series share, None where that budget has none."""
    if not margins or not part.has("C"):
        return None
    C = float(np.median(part.numbers("C")))
    nearest = min(margins, key=lambda budget: abs(math.log(budget / C)))
    return margins[nearest] if abs(math.log(nearest / C)) <= math.log1p(BUDGET_TOLERANCE) else None


def _columns(text: str | None) -> dict[str, str]:
    pairs = [pair.partition("=") for pair in text.split(",")] if text else []
    for ours, _, theirs in pairs:
        if not ours or not theirs:
            raise UsageError(f"--columns {text!r} is not OURS=THEIRS, such as N=n_params,D=n_tokens")
    return {ours: theirs for ours, _, theirs in pairs}


if __name__ == "__main__":
    sys.exit(main())
