"""python -m scaling.report studies/x

Write a report: of one study, of two studies side by side, of a published study reproduced, or of all figures.
"""

import sys
from pathlib import Path

from planners import Study, UsageError
from scaling import cli
from scaling.api import compare_studies, reproduce, write_gallery, write_report

EXAMPLE = "python -m scaling.report studies/x"
OUT = "folder of the report (default: report/ of the study, versus-B/ of the first of two, reproduced/NAME, gallery/)"


def arguments() -> cli.Parser:
    """Return the parser of this command."""
    parser = cli.parser("report", EXAMPLE)
    add = parser.add_argument
    add("study", nargs="?", help="folder of the study")
    add("other", nargs="?", metavar="study_b", help="folder of a second study to compare with the first")
    add("--reproduce", metavar="NAME", help="a published study from its own numbers: li2025, chinchilla, …")
    add("--gallery", action="store_true", help="every figure that a report can show")
    add("-o", "--out", metavar="DIR", help=OUT)
    return parser


def act(flags: cli.Flags) -> int:
    """Write the report that the flags name."""
    asked = [flags.study is not None, flags.reproduce is not None, flags.gallery]
    if sum(asked) != 1:
        raise UsageError("give one of: a study (or two), --reproduce NAME, --gallery")
    out = Path(flags.out) if flags.out else None
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
