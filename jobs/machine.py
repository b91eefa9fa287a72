"""This machine: its name, its clock, the GPUs that this process may use, and its cores."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from planners.records.errors import UsageError


def host() -> str:
    """Return the name of this machine."""
    return platform.node()


def boot_id() -> str | None:
    """Return the id of the current boot of the system, or None where the system has no such id.

    Process ids repeat after a reboot; a recorded process can be alive only if its boot id is the current one.
    """
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None


def utc_now() -> str:
    """Return the current time in UTC, to the second, as 2026-01-31T09:00:00Z."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def visible_gpus() -> list[int]:
    """Return the numbers of the GPUs that this process may use, without loading torch.

    Raises UsageError if CUDA_VISIBLE_DEVICES names GPUs other than by number.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        names = [name.strip() for name in visible.split(",") if name.strip() not in ("", "-1")]
        if not all(name.isascii() and name.isdigit() for name in names):
            raise UsageError(f"CUDA_VISIBLE_DEVICES {visible!r} does not list numbers; set it as 0,1")
        return [int(name) for name in names]
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return []
    lines = [line for line in listed.stdout.splitlines() if line.startswith("GPU ")]
    return list(range(len(lines))) if listed.returncode == 0 else []


def core_count() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def places(threads: int, devices: int = 1) -> int:
    """Return how many runs this machine can train at once: one per `devices` GPUs, or per cores for its threads."""
    gpus = len(visible_gpus())
    return max(1, gpus // devices if gpus else core_count() // (threads * devices))


def check_devices(count: int) -> None:
    """Raise UsageError if `count` processes exceed the GPUs of this machine, or its cores if it has no GPU."""
    if count == 1:
        return
    gpus, cores = len(visible_gpus()), core_count()
    if count > (gpus or cores):
        has = f"{gpus} GPUs" if gpus else f"{cores} cores and no GPU"
        raise UsageError(f"{count} processes would share this machine, which has {has}; give --devices {gpus or cores}")
