"""python -m scaling.report studies/x

Write a report: of one study, of two studies side by side, of any table of runs, of a published study reproduced, or of
all figures.
"""

import sys
from pathlib import Path

from planners import Study, UsageError
from scaling import cli, fit
from scaling.api import compare_studies, reproduce, write_gallery, write_report
from scaling.flags import add_flags

EXAMPLE = "python -m scaling.report studies/x"
OUT = (
    "folder of the report (default: report/ of the study, versus-B/ of the first of two, TABLE-report/,"
    " reproduced/NAME, gallery/)"
)


def arguments() -> cli.Parser:
    """Return the parser of this command."""
    parser = cli.parser("report", EXAMPLE)
    add = parser.add_argument
    add("study", nargs="?", help="folder of the study")
    add("other", nargs="?", metavar="study_b", help="folder of a second study to compare with the first")
    add("--reproduce", metavar="NAME", help="a published study from its own numbers: li2025, chinchilla, …")
    add("--gallery", action="store_true", help="every figure that a report can show")
    add("-o", "--out", metavar="DIR", help=OUT)
    add_flags(
        parser.add_argument_group("a table of runs, fitted as scaling.fit does"), (*fit.TABLE_FLAGS, *fit.OPTIONS)
    )
    return parser


def act(flags: cli.Flags) -> int:
    """Write the report that the flags name."""
    asked = [flags.study is not None, flags.reproduce is not None, flags.gallery, flags.runs is not None]
    if sum(asked) != 1:
        raise UsageError("give one of: a study (or two), --runs TABLE, --reproduce NAME, --gallery")
    out = Path(flags.out) if flags.out else None
    if flags.runs is not None:
        flags.report = flags.out or f"{Path(flags.runs).with_suffix('')}-report"
        return fit.report(flags)
    if flags.reproduce is not None:
        report = reproduce(flags.reproduce, out)
    elif flags.gallery:
        report = write_gallery(out)
    elif flags.other is not None:
        report = compare_studies(Study(flags.study), Study(flags.other), out)
    else:
        report = write_report(Study(flags.study), out)
    return cli.show_report(report, flags)


if __name__ == "__main__":
    sys.exit(cli.run(act, arguments()))
