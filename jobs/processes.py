"""Processes of this machine by their command lines, in which each worker carries the id of its submission."""

import os
import platform
import subprocess
from pathlib import Path

PROC = Path("/proc")


def host() -> str:
    """Return the name of this machine."""
    return platform.node()


def boot() -> str | None:
    """Return what names this start of the system, or None where it has no such name."""
    try:
        return (PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None


def command_line(pid: int) -> str | None:
    """Return the command line of a process, or None where none with this number is alive."""
    if not (PROC / "self").exists():
        return _listed().get(pid)
    try:
        state = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[0]
        command = (PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return None
    return None if state in "ZX" else command.replace(b"\0", b" ").decode(errors="replace").strip()


def environment(pid: int) -> dict[str, str]:
    """Return the variables that a process was started with; none where they cannot be read."""
    try:
        entries = (PROC / str(pid) / "environ").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return {}
    return dict(entry.split("=", 1) for entry in entries if "=" in entry)


def processes_with(*marks: str) -> list[int]:
    """Return the processes whose command line holds all `marks`, of those that this one can see.

    Arguments are separated by one space each.
    """
    if not (PROC / "self").exists():
        return [pid for pid, command in _listed().items() if all(mark in command for mark in marks)]
    found, wanted = [], [mark.encode() for mark in marks]
    for name in os.listdir(PROC):
        if name.isdigit():
            try:
                with open(f"{PROC}/{name}/cmdline", "rb", buffering=0) as file:
                    command = file.read().replace(b"\0", b" ")
            except OSError:
                continue
            if all(mark in command for mark in wanted) and command_line(int(name)) is not None:
                found.append(int(name))
    return found


def _listed() -> dict[int, str]:
    """Return the same where there is no /proc, from ps; nothing where that is missing too."""
    try:
        listed = subprocess.run(["ps", "-axo", "pid=,command="], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return {}
    rows = (line.split(None, 1) for line in listed.stdout.splitlines())
    return {int(row[0]): row[1] for row in rows if len(row) == 2}
