"""The environment of a run: versions, device, memory, peak FLOP/s."""

import ctypes
import gc
import mmap
import platform
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path

import torch

from jobs import snapshot
from jobs.machine import utc_now
from jobs.record import Environment
from planners.architecture.devices import peak_bf16
from planners.records.version import VERSION

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""Parameters of glibc's mallopt(3)."""
LARGE_PAGES = 2**29
"""Bytes of the heap for which large pages are requested, used or not."""


def device() -> torch.device:
    """Return the device for training: the first GPU that this process sees, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def environment(device: torch.device, started: str, sources: Sequence[str] = ()) -> Environment:
    """Return the environment of this process, which ends its run now; `sources` trained parts of the run."""
    now = Environment(
        version=VERSION,
        commit=snapshot.commit(),
        code=snapshot.code(),
        python=platform.python_version(),
        torch=torch.__version__,
        device=device_name(device),
        host=platform.node(),
        started=started,
        ended=utc_now(),
    )
    return replace(now, earlier=tuple(one for one in sources if one != now.sources))


def grouped_gradient_is_wrong(device: torch.device) -> bool:
    """Return whether torch's grouped product gives experts without tokens a gradient (pytorch issue 172439: B200)."""
    return device.type == "cuda" and torch.cuda.get_device_capability(device)[0] == 10


@cache
def device_name(device: torch.device) -> str:
    """Return the name of the GPU, or of the CPU according to Linux."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def peak_flops(device: torch.device, precision: str) -> float | None:
    """Return the peak in FLOP/s for MFU, or None if unknown."""
    if device.type != "cuda" or precision != "bf16":
        return None
    return peak_bf16(device_name(device))


def keep_freed_memory() -> None:
    """Let this process keep the memory that tensors free, instead of returning it to the system.

    By default glibc maps and unmaps each large block; touching the fresh pages then costs more than the arithmetic of
    an activation. Also requests large pages, 2 MB instead of 4 KB, because address translation of small pages costs
    several percent of a step. Does nothing with another C library or system.
    """
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        library.mallopt(M_MMAP_MAX, 0)
        library.mallopt(M_TRIM_THRESHOLD, -1)
        _ask_for_large_pages(library)


def _ask_for_large_pages(library: ctypes.CDLL) -> None:
    """Grow the heap by `LARGE_PAGES` untouched bytes and request large pages: madvise(2) needs an existing range."""
    library.malloc.restype, library.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    library.free.argtypes = [ctypes.c_void_p]
    library.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    if block := library.malloc(LARGE_PAGES):
        start = -(-block // mmap.PAGESIZE) * mmap.PAGESIZE
        library.madvise(start, LARGE_PAGES - mmap.PAGESIZE, mmap.MADV_HUGEPAGE)
        library.free(block)


def free_cached(device: torch.device) -> None:
    """Give unused GPU memory back. A compiled model holds memory until the garbage collector has run."""
    if device.type == "cuda":
        gc.collect()
        torch.cuda.empty_cache()


def reset_peak_memory(device: torch.device) -> bool:
    """Reset the count of peak memory; return whether that worked (on a CPU it needs Linux).

    Memory that earlier runs of this process freed is first returned to the system, so that it does not count.
    """
    if device.type == "cuda":
        free_cached(device)
        torch.cuda.reset_peak_memory_stats(device)
        return True
    try:
        gc.collect()
        if not gc.get_freeze_count():
            gc.freeze()  # imported modules stay, and scanning them again takes 0.12 s per run
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
        return True
    except (OSError, AttributeError):
        return False


def peak_memory(device: torch.device) -> int | None:
    """Return the peak bytes since the last reset: of the GPU allocator, or the resident set of this process."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    try:
        _, found, rest = Path("/proc/self/status").read_bytes().partition(b"VmHWM:")
    except OSError:
        return None
    return int(rest.split(maxsplit=1)[0]) * 1024 if found else None
