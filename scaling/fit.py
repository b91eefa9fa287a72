"""python -m scaling.fit studies/x

Fit a curve of loss against r_a, or a law of N and D, to a study or to any table of runs, with intervals.
"""

import math
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fits  # its names are imported when they are used: `--help` needs few of them
from fits.curve.resampling import KINDS
from fits.laws import LAWS
from fits.runs.learning_rates import CHOICES
from fits.runs.select_arms import AXES
from fits.runs.series import ENOUGH_RATES
from fits.runs.sources import SOURCES
from fits.runs.table import UNITS
from planners import Study, UsageError
from planners.records.json import to_json
from planners.records.quantity import parse_count, parse_quantity
from scaling import cli
from scaling.elsewhere import keep, recognised
from scaling.flags import REPEATED, Flag, add_flags, values
from scaling.study_table import joined, margin_of, runs_of

if TYPE_CHECKING:
    from fits import RunTable, StudyFits
    from reports import Report

EXAMPLE = "python -m scaling.fit --runs runs.csv --columns N=n_params,D=n_tokens --law chinchilla"


def _target(text: str, flag: str) -> dict[str, float]:
    """Return the columns of one --at. Raises UsageError for a part that is not NAME=VALUE."""
    pairs = [pair.partition("=") for pair in text.split(",")]
    if not all(name.strip() and value.strip() for name, _, value in pairs):
        raise UsageError(f"{flag} {text!r} is not NAME=VALUE, such as C=1e21 or N=7B,D=140B")
    return {name.strip(): parse_quantity(value, f"{flag} {name.strip()}") for name, _, value in pairs}


def _delta(text: str, flag: str) -> float:
    return math.inf if text == "inf" else parse_quantity(text, flag, zero=True)


USUAL_LAW = f"the cubic, or the quadratic below {ENOUGH_RATES} rates"
TABLE_FLAGS = (
    Flag(
        name="runs",
        metavar="TABLE",
        help="a table, one run a row, or a folder of logs; with a study: losses of planned runs that were trained"
        " elsewhere, joined by run_id",
    ),
    Flag(
        name="columns",
        metavar="OURS=THEIRS,…",
        help="its columns: 'N=params (M)*1e6,D=C/(6*N),loss=ln(ppl)'",
    ),
    Flag(name="from", extra={"dest": "source", "choices": SOURCES}, help="who wrote it (default: as its form shows)"),
    Flag(
        name="unit",
        extra={"choices": UNITS},
        help="unit of the loss (default: as the name of its column says, else nats)",
    ),
    Flag(
        name="embeddings",
        extra={"choices": ("included", "excluded")},
        help="whether N in that table includes the embeddings",
    ),
    Flag(name="where", metavar="CONDITION", extra=REPEATED, help="fit only runs that meet it (C>=1e18, arm in K1,K2)"),
    Flag(name="law", metavar="NAME,…", help=f"the laws to fit (default: {USUAL_LAW}): {', '.join(LAWS)}"),
)
"""Flags that say what is fitted, and which laws."""
OPTIONS = (
    Flag(name="over", sets="of", extra={"choices": AXES}, help="the column of a curve (default r_a)"),
    Flag(
        name="delta",
        read=_delta,
        help="width of the Huber loss in ln L (default 1e-3; inf for allocation); inf: least squares, 0: least absolute"
        " deviations",
    ),
    Flag(
        name="fixed",
        read=lambda text, flag: cli.numbers(text, flag, "drift_N=0"),
        metavar="NAME=VALUE,…",
        help="parameters of a law that are held at a value: drift_N=0,drift_C=0",
    ),
    Flag(
        name="bootstrap",
        read=partial(parse_count, least=0),
        metavar="B",
        help="bootstrap draws, 0 for none (default 200)",
    ),
    Flag(
        name="block",
        metavar="COLUMN",
        help="for laws: runs with one value of it share noise (C); the bootstrap draws groups",
    ),
    Flag(
        name="margin",
        read=parse_quantity,
        metavar="NATS",
        help="difference of loss that does not matter (default: the study's, else what 5 %% of C is worth)",
    ),
    Flag(
        name="resampling",
        extra={"choices": KINDS},
        help="for curves: also report this bootstrap, of --bootstrap draws",
    ),
    Flag(
        name="learning-rates",
        extra={"choices": CHOICES},
        help="where cells were run at several: best of each cell (default), or all: a series for each",
    ),
    Flag(
        name="slope",
        read=parse_quantity,
        metavar="NATS",
        help="decrease of the loss per unit of ln D, for the half-life of repeated data",
    ),
    Flag(
        name="at",
        read=lambda texts, flag: [_target(text, flag) for text in texts],
        metavar="NAME=VALUE,…",
        extra=REPEATED,
        help="predict there: C=1e21 (compute-optimal N and D), N=7e9,D=1.4e11, or N=…,C=… (best r_a); repeatable",
    ),
    Flag(name="seed", read=partial(parse_count, least=0), help="seed of the bootstrap (default 0)"),
)
"""Flags that are options of `fits.fit_study`."""


def arguments() -> cli.Parser:
    """Return the parser of this command."""
    parser = cli.parser("fit", EXAMPLE)
    parser.add_argument("study", nargs="?", help="folder of the study")
    add_flags(parser, (*TABLE_FLAGS, *OPTIONS))
    add = parser.add_argument
    add("--register", metavar="FILE", help="write the predictions at --at to a new file, to be scored later")
    add("--score", metavar="FILE", help="score the registered predictions of FILE against these runs; fits nothing")
    add("--report", metavar="DIR", help="also write a page of the runs, fits and checks to this folder")
    add("--keep", action="store_true", help="with a study and --runs: write records of these runs, for its report")
    elsewhere = "folder of fits.json (default: fits/ of the study; none for a table)"
    add("-o", "--out", metavar="DIR", help=elsewhere)
    return parser


def act(flags: cli.Flags) -> int:
    """Fit the laws, write the fits and print them."""
    laws = [fits.known_law(law).name for law in flags.law.split(",")] if flags.law else []
    study = Study(flags.study) if flags.study else None
    table, options = _table(study, flags, laws), values(flags, OPTIONS)
    if flags.score is not None:
        return _score(table, flags)
    if study:
        options["margin"] = margin_of(study, options.get("margin"))
    found = fits.fit_study(table, laws, folder=flags.out or (study.fits if study else None), **options)
    if flags.register is not None:
        fits.register(flags.register, found, table)
    answer = None if study else _answer(table, found)
    if flags.json:
        cli.print_json({**to_json(found), **({"answer": answer} if answer else {})})
    cli.say(f"{answer}\n\n{found}\n" if answer else f"{found}\n", flags)
    if flags.report is not None:
        cli.say(f"open: {write_runs_page(table, found, flags).folder / 'report.html'}", flags)
    if study:
        cli.say(f"next: {cli.command('report', study.folder)}", flags)
    return cli.DONE if all(result.n > 1 for result in found.fits) and not found.refused else cli.GAPS


def _answer(table: "RunTable", found: "StudyFits") -> str:
    """Return the answer of fitted runs in one plain sentence, as their page says it."""
    from reports.runs.answer import answer_of
    from reports.runs.fitted_runs import FittedRuns

    return answer_of(FittedRuns(table=table, found=found))


def write_runs_page(table: "RunTable", found: "StudyFits", flags: cli.Flags) -> "Report":
    """Write the page of fitted runs, with the command that makes it again."""
    from reports.runs.fitted_runs import FittedRuns
    from reports.runs.runs_report import RunsReport

    said = (flag.name for flag in (*TABLE_FLAGS, *OPTIONS) if flag.name != "from")
    words = [*cli.spelled(flags, said), *(("--from", flags.source) if flags.source else ())]
    command = cli.command("fit", *filter(None, [flags.study]), *words, "--report", flags.report)
    return RunsReport(data=FittedRuns(table=table, found=found, command=command)).write(Path(flags.report))


def report(flags: cli.Flags) -> int:
    """Fit the table of runs and write its page; return the exit code."""
    laws = [fits.known_law(law).name for law in flags.law.split(",")] if flags.law else []
    table, options = _alone(flags, laws), values(flags, OPTIONS)
    return cli.show_report(write_runs_page(table, fits.fit_study(table, laws, **options), flags), flags)


def _score(table: "RunTable", flags: cli.Flags) -> int:
    """Print how registered predictions fare against the runs; targets without a run are gaps."""
    found = fits.score(flags.score, table)
    if flags.json:
        cli.print_json({**to_json(found), "covered": found.covered})
    cli.say(str(found), flags)
    return cli.GAPS if found.open else cli.DONE


def _table(study: Study | None, flags: cli.Flags, laws: Sequence[str]) -> "RunTable":
    """Return the runs of the study, of the table, or of both. Raises UsageError if neither is given."""
    if study is None and flags.runs is None:
        raise UsageError("give a study or --runs TABLE")
    if flags.keep and (study is None or flags.runs is None):
        raise UsageError("--keep writes the runs of a table into a study; give a study and --runs TABLE")
    if flags.runs is None and (flags.columns or flags.source or flags.unit or flags.embeddings):
        raise UsageError("--columns, --from, --unit and --embeddings describe a table of --runs; a study needs none")
    if study is None:
        return _alone(flags, laws)
    table = runs_of(study) if flags.runs is None else _joined(study, flags)
    for condition in flags.where or []:
        table = table.where(condition)
    return table


def _alone(flags: cli.Flags, laws: Sequence[str]) -> "RunTable":
    """Return the runs of a table without a study. Raises UsageError if none can be used."""
    needs = fits.needed(laws, flags.over)
    table = fits.read_table(flags.runs, _columns(flags.columns), where=flags.where or [], needs=needs, **_of(flags))
    if not len(table):
        reasons = ", ".join(dict.fromkeys(one.reason for one in table.dropped))
        raise UsageError(f"no row of {table.source} can be used: {reasons}")
    if flags.embeddings is not None:
        table = replace(table, frame=table.frame.assign(embeddings=flags.embeddings))
    return table


def _of(flags: cli.Flags) -> dict[str, Any]:
    return {"source": flags.source, "unit": flags.unit}


def _joined(study: Study, flags: cli.Flags) -> "RunTable":
    """Return the runs of a study and of a table; with --keep, write records of the latter."""
    elsewhere = fits.read_table(flags.runs, _columns(flags.columns), **_of(flags))
    table = joined(study, elsewhere)
    if flags.keep:
        kept = keep(study, recognised(study, elsewhere))
        cli.say(f"kept: {kept} records of runs that were trained elsewhere", flags)
    return table


def _columns(text: str | None) -> dict[str, str]:
    """Return the pairs OURS=THEIRS of --columns; a comma within a name does not separate two of them."""
    pairs = [pair.partition("=") for pair in re.split(r",\s*(?=[A-Za-z_]\w*\s*=(?!=))", text)] if text else []
    for ours, _, theirs in pairs:
        if not ours.strip() or not theirs.strip():
            raise UsageError(f"--columns {text!r} is not OURS=THEIRS, such as N=n_params,D=n_tokens")
    return {ours.strip(): theirs.strip() for ours, _, theirs in pairs}


if __name__ == "__main__":
    sys.exit(cli.run(act, arguments()))
