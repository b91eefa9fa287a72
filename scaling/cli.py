"""What the commands share: exit codes, errors as sentences, tables, and the console script `scaling VERB …`."""

import argparse
import errno
import importlib
import json
import os
import shlex
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from jobs.execution import Execution
from planners.records.errors import UsageError
from planners.records.json import to_json
from planners.records.quantity import parse_count
from planners.spec import RunSpec
from planners.study import Study

if TYPE_CHECKING:
    from reports import Report

DONE, FAILED, USAGE, GAPS = 0, 1, 2, 3
"""Exit codes: done; failed; the caller's mistake; done with gaps, which are marked."""

VERBS = {
    "plan": "compute matched runs: equal N, equal C",
    "sweep": "train the runs of a study, here or on a cluster",
    "train": "train one run, here",
    "simulate": "fill a plan with losses from a known law: will it answer the question?",
    "fit": "fit a curve or a law to a study or to any CSV",
    "report": "write the report of a study, of two side by side, or of a published one",
    "count": "count the parameters and FLOPs of a model by part",
    "study": "plan, sweep, fit and report a preset",
}

Flags = argparse.Namespace


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are one sentence, like every other mistake of the caller."""

    def error(self, message: str) -> NoReturn:
        """Raise UsageError with the message and where to look."""
        raise UsageError(f"{message}; see {self.prog} --help")


def parser(verb: str, example: str) -> Parser:
    """Return the parser of `python -m scaling.VERB` with its one example and --json."""
    made = Parser(
        prog=f"python -m scaling.{verb}",
        description=VERBS[verb][0].upper() + VERBS[verb][1:] + ("" if VERBS[verb].endswith("?") else "."),
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    made.add_argument("--json", action="store_true", help="print one JSON object on standard output and nothing else")
    return made


EXECUTION = ("devices", "micro_batch", "compile", "recompute", "shard", "deterministic")
"""Flags of how a run is carried out, none of which has a default, so that `spelled` tells those that were given."""


def add_execution(made: Parser) -> None:
    """Add the flags of how a run is carried out, which `execution` reads."""
    add = made.add_argument
    add("--devices", metavar="W", help="processes that share each run, a GPU each if any (default 1)")
    add("--micro-batch", metavar="S", help="sequences in one forward pass (default: what memory holds)")
    add("--compile", action=argparse.BooleanOptionalAction, help="compile each block (default: on a GPU)")
    add(
        "--recompute",
        action="store_true",
        default=None,
        help="recompute activations in the backward pass to save memory",
    )
    add("--shard", action="store_true", default=None, help="divide weights and optimizer among the devices (FSDP2)")
    add("--deterministic", action="store_true", default=None, help="on a GPU: only operations that repeat bit for bit")


def execution(flags: Flags) -> Execution:
    """Return how runs are to be carried out. Raises UsageError for numbers that are none."""
    micro_batch = flags.micro_batch
    return Execution(
        devices=parse_count(flags.devices or "1", "--devices", least=1),
        micro_batch=None if micro_batch is None else parse_count(micro_batch, "--micro-batch", least=1),
        compile=flags.compile,
        recompute=bool(flags.recompute),
        shard=bool(flags.shard),
        deterministic=bool(flags.deterministic),
    )


def run(act: Callable[[Flags], int], arguments: Parser, argv: Sequence[str] | None) -> int:
    """Parse `argv`, act, and return the exit code; a mistake of the caller is one sentence on standard error."""
    try:
        return act(arguments.parse_args(argv))
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return USAGE
    except BrokenPipeError:  # the reader of a pipe, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except (FileExistsError, NotADirectoryError, IsADirectoryError, PermissionError) as error:
        print(f"error: {error.filename}: {error.strerror}; give another place", file=sys.stderr)
        return USAGE
    except OSError as error:
        print(f"error: {error.filename or 'file system'}: {error.strerror or error}", file=sys.stderr)
        return USAGE if error.errno == errno.EROFS else FAILED
    except KeyboardInterrupt:
        print("stopped; what was finished is kept, and the same command continues from there", file=sys.stderr)
        return 130


def find_run(study: Study, start: str) -> RunSpec:
    """Return the only run whose id starts with `start`. Raises UsageError if there is none, or more than one."""
    found = [spec for spec in study.runs() if spec.run_id.startswith(start)]
    if len(found) != 1:
        listed = command("sweep", study.folder, "--status")
        raise UsageError(f"{len(found)} run ids of {study.folder} start with {start!r}; list them with: {listed}")
    return found[0]


def command(verb: str, *words: object) -> str:
    """Return a command for a person to paste."""
    return shlex.join(["python", "-m", f"scaling.{verb}", *map(str, words)])


def spelled(flags: Flags, names: Iterable[str]) -> list[str]:
    """Return the words that give these options their present values, those without one left out."""
    words: list[str] = []
    for name in names:
        value, flag = getattr(flags, name), f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            words.append(flag if value else f"--no-{flag[2:]}")
            continue
        for item in value if isinstance(value, list) else [value] if value is not None else []:
            words += [flag, str(item)]
    return words


def say(text: str, flags: Flags) -> None:
    """Print for a person, unless standard output belongs to --json."""
    if not flags.json:
        print(text)


def print_json(data: Any) -> None:
    """Print the one object of --json."""
    print(json.dumps(data, ensure_ascii=False, allow_nan=False))


def show_report(report: "Report", flags: Flags) -> int:
    """Show what a report says and where it is, and return the exit code."""
    if flags.json:
        print_json({name: to_json(getattr(report, name)) for name in ("answer", "checks", "files")})
    say(str(report), flags)
    return DONE if report.complete else GAPS


def main(argv: Sequence[str] | None = None) -> int:
    """Run `scaling VERB …`, the same as `python -m scaling.VERB …`."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    verbs = "\n".join(f"  {verb:8}{what}" for verb, what in VERBS.items())
    usage = f"usage: scaling VERB …\n\n{verbs}\n\nscaling VERB --help tells more"
    if not arguments or arguments[0] in ("-h", "--help"):
        print(usage)
        return DONE if arguments else USAGE
    if arguments[0] not in VERBS:
        print(f"error: {arguments[0]!r} is not one of {', '.join(VERBS)}; see scaling --help", file=sys.stderr)
        return USAGE
    code: int = importlib.import_module(f"scaling.{arguments[0]}").main(arguments[1:])
    return code
