"""Shared by all commands: exit codes, errors as one sentence, common flags, and the console script `scaling VERB …`."""

import argparse
import errno
import importlib
import io
import json
import os
import re
import shlex
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from jobs.execution import Execution
from planners.records.errors import UsageError
from planners.records.json import inert, to_json
from planners.records.quantity import parse_count
from planners.records.version import VERSION
from planners.spec import RunSpec
from planners.study import Study
from scaling.flags import SWITCH, Flag, values
from scaling.help_text import ordered, suggestion, wrapped

if TYPE_CHECKING:
    from reports import Report

DONE, FAILED, USAGE, GAPS = 0, 1, 2, 3
"""Exit codes: done; failed; a mistake of the user; done, but some runs or cells are missing and marked."""

VERBS = {
    "plan": "compute matched runs, such as equal N and equal C",
    "sweep": "train the runs of a study, on this machine or on a cluster",
    "train": "train one run on this machine",
    "next": "choose the runs that would shrink most what a study does not know yet",
    "simulate": "fill a plan with losses from a known law: will it answer the question?",
    "fit": "fit a curve or a law to a study or to any CSV",
    "report": "write the report of a study, of two studies compared, or of a published study",
    "export": "write a trained model as a Hugging Face folder, or runs as recipes of another training engine",
    "parity": "train some steps in another engine and here, and compare the losses",
    "count": "count the parameters and FLOPs of a model by part",
    "study": "plan, sweep, fit and report a preset",
}

Flags = argparse.Namespace
LONGEST = 1200
"""Most characters of an error message."""


class Parser(argparse.ArgumentParser):
    """A parser whose help is in groups, and that reports a mistake in one sentence, as UsageError."""

    verb = ""

    def format_help(self) -> str:
        """Return the help: the arguments, then the flags under headings, those that most people need first."""
        flags = {action.option_strings[-1].lstrip("-"): action for action in self._actions if action.option_strings}
        flags = {name.removeprefix("no-"): action for name, action in flags.items()}
        arguments = [action for action in self._actions if not action.option_strings]
        named = [str(action.metavar or action.dest) for action in arguments]
        self.usage = " ".join(["%(prog)s", *named, "[options]"])
        groups = {"arguments": arguments} | {
            heading: [flags[name] for name in names] for heading, names in ordered(self.verb, flags).items()
        }
        self._action_groups = []
        for heading, actions in groups.items():
            self.add_argument_group(heading)._group_actions = actions
        return super().format_help()

    def parse_known_args(self, args=None, namespace=None):  # type: ignore[no-untyped-def]
        """Parse; raise UsageError for --NAME=--, of which argparse makes an empty list."""
        flags, rest = super().parse_known_args(args, namespace)
        if empty := [word for word in (sys.argv[1:] if args is None else args) if re.fullmatch("--[a-z-]+=--", word)]:
            raise UsageError(f"{empty[0]} gives no value; see {self.prog} --help")
        return flags, rest

    def error(self, message: str) -> NoReturn:
        """Raise UsageError with the message, what may be meant, and the command that shows the help."""
        start, _, words = message.partition("unrecognized arguments: ")
        known = [name for action in self._actions for name in action.option_strings]
        hint = suggestion(words.split()[0], known) if words and not start else ""
        raise UsageError(f"{message}{f'; {hint}' if hint else ''}; see {self.prog} --help")


def parser(verb: str, example: str) -> Parser:
    """Return the parser of `python -m scaling.VERB` with its example and --json."""
    made = Parser(
        prog=f"python -m scaling.{verb}",
        description=wrapped(VERBS[verb][0].upper() + VERBS[verb][1:] + ("" if VERBS[verb].endswith("?") else ".")),
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    made.verb = verb
    made.add_argument("--version", action="version", version=f"scaling {VERSION}")
    made.add_argument("--json", action="store_true", help="print one JSON object and nothing else on standard output")
    return made


EXECUTION = (
    Flag(
        name="devices",
        read=parse_count,
        metavar="W",
        help="processes that share a run, each with a GPU if there is one (default 1)",
    ),
    Flag(
        name="micro-batch",
        read=parse_count,
        metavar="S",
        help="sequences per forward pass (default: as many as fit in memory)",
    ),
    Flag(
        name="compile",
        extra={"action": argparse.BooleanOptionalAction},
        help="compile each block (default: only on a GPU)",
    ),
    Flag(name="recompute", extra=SWITCH, help="recompute activations in the backward pass to save memory"),
    Flag(name="shard", extra=SWITCH, help="shard weights and optimizer state over the devices (FSDP2)"),
    Flag(name="deterministic", extra=SWITCH, help="on a GPU: use only deterministic operations"),
)
"""Flags that say how a run is executed."""


def execution(flags: Flags) -> Execution:
    """Return how runs are executed. Raises UsageError for a value that is not a whole number."""
    return Execution(**values(flags, EXECUTION))


def run(act: Callable[[Flags], int], arguments: Parser, argv: Sequence[str] | None = None) -> int:
    """Parse `argv`, act, and return the exit code; a mistake of the user is one sentence on standard error."""
    try:
        if isinstance(sys.stdout, io.TextIOWrapper):  # file names may hold bytes that are not UTF-8
            sys.stdout.reconfigure(errors="backslashreplace")
        return act(arguments.parse_args(argv))
    except UsageError as error:
        return fail(str(error), USAGE)
    except BrokenPipeError:  # the reader of the pipe, such as head, has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except (FileExistsError, NotADirectoryError, IsADirectoryError, PermissionError) as error:
        return fail(f"{error.filename}: {error.strerror}; give another path", USAGE)
    except OSError as error:
        wrong_path = error.errno in (errno.EROFS, errno.ENAMETOOLONG, errno.ELOOP)
        return fail(f"{error.filename or 'file system'}: {error.strerror or error}", USAGE if wrong_path else FAILED)
    except KeyboardInterrupt as error:
        print("stopped; finished work is kept, and the same command continues from there", file=sys.stderr)
        return 128 + int(*error.args or (signal.SIGINT,))


def fail(sentence: str, code: int) -> int:
    """Print an error as one line on standard error, and return the exit code."""
    print(f"error: {_one_line(sentence)}", file=sys.stderr)
    return code


def _one_line(text: str) -> str:
    """Return a message on one line, without control characters, and without the middle of a very long argument."""
    line = inert(text).replace("\n", "\\n")
    return line if len(line) <= LONGEST else f"{line[: LONGEST // 2]}…{line[-LONGEST // 2 :]}"


def find_run(study: Study, start: str) -> RunSpec:
    """Return the only run whose id starts with `start`. Raises UsageError unless there is exactly one."""
    found = [spec for spec in study.runs() if spec.run_id.startswith(start)]
    if len(found) != 1:
        listed = command("sweep", study.folder, "--status")
        raise UsageError(f"{len(found)} run ids of {study.folder} start with {start!r}; list them with: {listed}")
    return found[0]


def command(verb: str, *words: object) -> str:
    """Return a command that a person can paste."""
    return shlex.join(["python", "-m", f"scaling.{verb}", *map(str, words)])


def spelled(flags: Flags, names: Iterable[str]) -> list[str]:
    """Return the command-line words that set these options to their values; options without a value are left out."""
    words: list[str] = []
    for name in names:
        value, flag = getattr(flags, name.replace("-", "_")), f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            words.append(flag if value else f"--no-{flag[2:]}")
            continue
        for item in value if isinstance(value, list) else [value] if value is not None else []:
            words += [flag, str(item)]
    return words


def numbers(text: str | None, flag: str, example: str) -> dict[str, float]:
    """Return the numbers of NAME=VALUE pairs, which may be zero or negative; empty for None.

    Raises UsageError, with the `example`, for a pair without a number.
    """
    pairs = [pair.partition("=") for pair in text.split(",")] if text else []
    try:
        return {name.strip(): float(value) for name, _, value in pairs}
    except ValueError:
        raise UsageError(f"{flag} {text!r} is not NAME=VALUE with numbers, such as {example}") from None


def say(text: str, flags: Flags) -> None:
    """Print text for a person, its sentences broken at the width of the terminal; nothing with --json."""
    if not flags.json:
        print(wrapped(text))


def print_json(data: Any) -> None:
    """Print the object of --json."""
    print(json.dumps(data, ensure_ascii=False, allow_nan=False))


def show_report(report: "Report", flags: Flags) -> int:
    """Print the answer, the checks and the path of a report; return the exit code."""
    if flags.json:
        names = ("answer", *(["claims"] if report.claims else []), "checks", "files")
        print_json({name: to_json(getattr(report, name)) for name in names})
    say(str(report), flags)
    return DONE if report.complete else GAPS


def main(argv: Sequence[str] | None = None) -> int:
    """Run `scaling VERB …`, the same as `python -m scaling.VERB …`."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    verbs = "\n".join(f"  {verb:{max(map(len, VERBS)) + 2}}{what}" for verb, what in VERBS.items())
    usage = f"usage: scaling VERB …\n\n{verbs}\n\nscaling VERB --help shows the options; --version the version"
    if not arguments or arguments[0] in ("-h", "--help"):
        print(usage)
        return DONE if arguments else USAGE
    if arguments[0] == "--version":
        print(f"scaling {VERSION}")
        return DONE
    if arguments[0] not in VERBS:
        hint = suggestion(arguments[0], VERBS) or f"it is not one of {', '.join(VERBS)}"
        return fail(f"{arguments[0]!r} is not a verb; {hint}; see scaling --help", USAGE)
    verb = importlib.import_module(f"scaling.{arguments[0]}")
    return run(verb.act, verb.arguments(), arguments[1:])
