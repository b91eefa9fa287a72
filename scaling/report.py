"""python -m scaling.report studies/x

Write a report: of a study, of two side by side, of a published study done again, or of all figures there are.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from planners import Study, UsageError
from planners.records.json import to_json
from reports import Report, write_report
from scaling import cli

EXAMPLE = "python -m scaling.report studies/x"


def arguments() -> cli.Parser:
    """Return the parser of this command."""
    parser = cli.parser("report", EXAMPLE)
    add = parser.add_argument
    add("study", nargs="?", help="folder of the study")
    add("other", nargs="?", metavar="study_b", help="folder of a second study, to stand beside the first")
    add("--reproduce", metavar="NAME", help="a published study from its own numbers: li2025, chinchilla, …")
    add("--gallery", action="store_true", help="every figure that a report can show")
    add(
        "-o", "--out", metavar="DIR",
        help="where it is written (default: report/ of the study, versus-B/ of the first of two, reproduced/NAME,"
        " gallery/)",
    )  # fmt: skip
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return cli.run(act, arguments(), argv)


def act(flags: cli.Flags) -> int:
    """Write the report that the flags name."""
    asked = [flags.study is not None, flags.reproduce is not None, flags.gallery]
    if sum(asked) != 1:
        raise UsageError("give one of: a study (or two), --reproduce NAME, --gallery")
    out = Path(flags.out) if flags.out else None
    if flags.reproduce is not None:
        from reports.papers import reproduce

        return show(reproduce(flags.reproduce, out or Path("reproduced") / flags.reproduce), flags)
    if flags.gallery:
        from reports.gallery.write_gallery import write_gallery

        return show(write_gallery(out or Path("gallery")), flags)
    study = Study(flags.study)
    if flags.other is None:
        return write(study, out or study.report, flags)
    from reports.versus.page import write_versus

    other = Study(flags.other)
    return show(write_versus(study, other, out or study.folder / f"versus-{other.folder.resolve().name}"), flags)


def write(study: Study, out: Path, flags: cli.Flags) -> int:
    """Write the report of `study` to `out`, show its answer and its checks, and return the exit code."""
    return show(write_report(study, out), flags)


def show(report: Report, flags: cli.Flags) -> int:
    """Show what a report says and where it is, and return the exit code."""
    if flags.json:
        cli.print_json({name: to_json(getattr(report, name)) for name in ("answer", "checks", "files")})
    cli.say(report.answer, flags)
    for check in report.checks:
        cli.say(f"  {check.verdict:4}  {check.name}: {check.evidence}", flags)
    cli.say(f"\nopen: {report.folder / 'report.html'}", flags)
    return cli.DONE if report.complete else cli.GAPS


if __name__ == "__main__":
    sys.exit(main())
