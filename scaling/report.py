"""python -m scaling.report studies/x

Write the report of a study: the answer first, then what it rests on.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from planners import Study
from planners.records import to_json
from reports import write_report
from scaling import cli

EXAMPLE = "python -m scaling.report studies/x"


def arguments() -> cli.Parser:
    """Return the parser of this command."""
    parser = cli.parser("report", EXAMPLE)
    parser.add_argument("study", help="folder of the study")
    parser.add_argument(
        "-o", "--out", metavar="DIR", help="where the report is written (default: report/ of the study)"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return cli.run(act, arguments(), argv)


def act(flags: cli.Flags) -> int:
    """Write the report of the study that the flags name."""
    study = Study(flags.study)
    return write(study, Path(flags.out) if flags.out else study.report, flags)


def write(study: Study, out: Path, flags: cli.Flags) -> int:
    """Write the report to `out`, show its answer and its checks, and return the exit code."""
    report = write_report(study, out)
    if flags.json:
        cli.print_json({name: to_json(getattr(report, name)) for name in ("answer", "checks", "files")})
    cli.say(report.answer, flags)
    for check in report.checks:
        cli.say(f"  {check.verdict:4}  {check.name}: {check.evidence}", flags)
    cli.say(f"\nopen: {out / 'report.html'}", flags)
    return cli.DONE if report.complete else cli.GAPS


if __name__ == "__main__":
    sys.exit(main())
