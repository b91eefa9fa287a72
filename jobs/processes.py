"""Processes of this machine, named so that a number used again is never taken for the process that had it before."""

import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True, kw_only=True)
class Process:
    """One process that is alive."""

    started: str
    """When, as the system counts it: with the process id it is unique since the machine was started."""
    command: str
    """Its command line."""


def host() -> str:
    """Return the name of this machine."""
    return platform.node()


def boot() -> str | None:
    """Return what names this start of the system, or None where it has no such name."""
    try:
        return (PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None


def process(pid: int) -> Process | None:
    """Return the process with this number, or None where none is alive."""
    if not PROC.joinpath("self").exists():
        return _listed().get(pid)
    try:
        stat = (PROC / str(pid) / "stat").read_text()
        command = (PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()  # the name before it may hold anything
    return None if fields[0] in "ZX" else Process(started=fields[19], command=command.strip())


def processes() -> dict[int, Process]:
    """Return all processes that this one can see, by number."""
    if not PROC.joinpath("self").exists():
        return _listed()
    pids = [int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit()]
    return {pid: found for pid in pids if (found := process(pid)) is not None}


def _listed() -> dict[int, Process]:
    """Return the same where there is no /proc, from ps; nothing where that is missing too."""
    try:
        listed = subprocess.run(["ps", "-axo", "pid=,lstart=,command="], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return {}
    rows = (line.split(None, 6) for line in listed.stdout.splitlines())
    return {int(row[0]): Process(started=" ".join(row[1:6]), command=row[6]) for row in rows if len(row) == 7}
