"""Processes of this machine, found by their command lines: each worker's contains the id of its submission."""

import os
import subprocess
from pathlib import Path

PROC = Path("/proc")


def command_line(pid: int) -> str | None:
    """Return the command line of a process, or None if no process with this id is alive."""
    if not (PROC / "self").exists():
        return _ps().get(pid)
    try:
        # the name in parentheses may itself contain spaces and parentheses, so the state follows the last one
        state = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[0]
        command = (PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return None
    # a zombie (Z) or dead (X) process still has its entry
    return None if state in "ZX" else command.replace(b"\0", b" ").decode(errors="replace").strip()


def start_of(pid: int) -> str | None:
    """Return when a process started, in a form that only this boot of this machine can compare; None without it.

    A process id is given again, but not with the same start.
    """
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        pass
    try:
        shown = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return shown.stdout.strip() or None


def environment(pid: int) -> dict[str, str]:
    """Return the variables that a process was started with; empty if they cannot be read."""
    try:
        entries = (PROC / str(pid) / "environ").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return {}
    return dict(entry.split("=", 1) for entry in entries if "=" in entry)


def processes_with(*marks: str) -> list[int]:
    """Return the processes visible to this one whose command line contains all `marks`.

    A single space separates the arguments of a command line.
    """
    if not (PROC / "self").exists():
        return [pid for pid, command in _ps().items() if all(mark in command for mark in marks)]
    found, wanted = [], [mark.encode() for mark in marks]
    for name in os.listdir(PROC):
        if name.isdigit():
            try:
                with open(f"{PROC}/{name}/cmdline", "rb", buffering=0) as file:
                    command = file.read().replace(b"\0", b" ")
            except OSError:  # the process ended meanwhile
                continue
            if all(mark in command for mark in wanted) and command_line(int(name)) is not None:
                found.append(int(name))
    return found


def _ps() -> dict[int, str]:
    """Return the command lines by process id from ps, for systems without /proc; empty if ps is missing too."""
    try:
        listed = subprocess.run(["ps", "-axo", "pid=,command="], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return {}
    rows = (line.split(None, 1) for line in listed.stdout.splitlines())
    return {int(row[0]): row[1] for row in rows if len(row) == 2}
