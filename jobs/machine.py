"""What this machine has to train on: GPUs that this process may use, and cores."""

import os
import subprocess

from planners.records.errors import UsageError


def visible_gpus() -> list[int]:
    """Return the numbers of the GPUs that this process may use, without loading torch.

    Raises UsageError where CUDA_VISIBLE_DEVICES names them otherwise than by number.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        names = [name.strip() for name in visible.split(",") if name.strip() not in ("", "-1")]
        if not all(name.isdigit() for name in names):
            raise UsageError(f"CUDA_VISIBLE_DEVICES {visible!r} does not list numbers; give them as 0,1")
        return [int(name) for name in names]
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return []
    lines = [line for line in listed.stdout.splitlines() if line.startswith("GPU ")]
    return list(range(len(lines))) if listed.returncode == 0 else []


def core_count() -> int:
    """Return the processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def places(threads: int, devices: int = 1) -> int:
    """Return how many runs this machine trains at once: one on each `devices` GPUs, else on cores for its threads."""
    gpus = len(visible_gpus())
    return max(1, gpus // devices if gpus else core_count() // (threads * devices))


def check_devices(count: int) -> None:
    """Raise UsageError where this machine has fewer GPUs than `count` processes, or fewer cores and no GPU."""
    if count == 1:
        return
    gpus, cores = len(visible_gpus()), core_count()
    if count > (gpus or cores):
        has = f"{gpus} GPUs" if gpus else f"{cores} cores and no GPU"
        raise UsageError(f"{count} processes would share this machine, which has {has}; give --devices {gpus or cores}")
