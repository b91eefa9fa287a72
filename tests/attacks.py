"""What the attacks of `make soak` share: a command in a process of its own, and what counts as a fault."""

import os
import re
import resource
import signal
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from planners.records import errors
from scaling import cli

MEMORY = 6 * 2**30
"""Bytes of address space that a command may take."""
LONGEST = 1500
"""Most characters of a message."""
CRASHED = 70
"""Exit code of a process whose command raised an exception."""


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def fault(self) -> str | None:
        """What is wrong with the way in which it ended; null for a result or one sentence."""
        if self.code < 0:
            return f"signal {signal.Signals(-self.code).name}"
        if self.code not in (cli.DONE, cli.FAILED, cli.USAGE, cli.GAPS) or "Traceback" in self.err:
            return f"traceback: {(self.err.strip().splitlines() or ['?'])[-1][:120]}"
        if re.search("[\x00-\x08\x0b-\x0c\x0e-\x1f\x7f]", self.out + self.err.replace("\r", "")):
            return "a control character reaches the terminal"
        said = [line for line in self.err.splitlines() if line.startswith("error:")]
        if len(said) > 1 or (self.code == cli.USAGE and len(said) != 1):
            return f"{len(said)} sentences instead of one"
        if any(len(line) > LONGEST for line in self.err.splitlines()):
            return "a message of more than 1,500 characters"
        return None


@dataclass
class Totals:
    """What was tried, and what went wrong."""

    name: str
    tried: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def add(self, kind: str, fault: str | None, case: object) -> None:
        """Count one case."""
        self.tried[kind] += 1
        if fault:
            self.faults.append(f"{fault}: {case!r}"[:400])

    def close(self) -> None:
        """Print the totals, and fail if there was a fault."""
        kinds = ", ".join(f"{count} {kind}" for kind, count in self.tried.most_common())
        print(f"\n{self.name}: {self.tried.total()} tried ({kinds}), {len(self.faults)} faults")
        assert not self.faults, "\n".join(self.faults[:20])


def command(*words: str, seconds: int = 60, before: Callable[[], object] = lambda: None) -> Outcome:
    """Run a command in a forked process, after `before` there; a process that hangs is ended with SIGALRM."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = os.fork()
        if not child:
            _run(words, out.fileno(), err.fileno(), seconds, before)
        _, status = os.waitpid(child, 0)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
    return Outcome(os.waitstatus_to_exitcode(status), *texts)


def _run(words: tuple[str, ...], out: int, err: int, seconds: int, before: Callable[[], object]) -> None:
    code = CRASHED
    try:
        os.setsid()
        os.dup2(out, 1)
        os.dup2(err, 2)
        sys.stdin = os.fdopen(os.open(os.devnull, os.O_RDONLY))
        sys.stdout, sys.stderr = (os.fdopen(number, "w", errors="backslashreplace") for number in (1, 2))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(seconds)
        errors.warn.cache_clear()
        before()
        code = cli.main(words)
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else cli.FAILED
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def files_below(folder: Path) -> dict[str, bytes]:
    """Return the content of the files below a folder, links included as such."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_symlink() or path.is_file())
    return {
        str(path.relative_to(folder)): os.readlink(path).encode() if path.is_symlink() else path.read_bytes()
        for path in found
    }


def count_of(default: int) -> int:
    """Return how many cases to try: ATTACKS of the environment, or the default."""
    return int(os.environ.get("ATTACKS", default))
