"""What a run ran on: versions, device, memory, peak."""

import ctypes
import gc
import mmap
import platform
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from jobs import snapshot
from jobs.record import Environment
from planners.architecture.devices import peak_bf16

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""Parameters of glibc's mallopt(3)."""
LARGE_PAGES = 2**29
"""Bytes of the heap, used or not, whose pages are to be large ones."""


def device() -> torch.device:
    """Return where runs are trained: the first GPU that this process sees, else the processor."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def now() -> str:
    """Return the time, UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def environment(device: torch.device, started: str) -> Environment:
    """Return where this process runs."""
    return Environment(
        version=_version(),
        commit=snapshot.commit(),
        code=snapshot.code(),
        python=platform.python_version(),
        torch=torch.__version__,
        device=device_name(device),
        host=platform.node(),
        started=started,
        ended=now(),
    )


def grouped_gradient_is_wrong(device: torch.device) -> bool:
    """Whether torch's grouped product gives experts without tokens a gradient there (pytorch issue 172439: B200)."""
    return device.type == "cuda" and torch.cuda.get_device_capability(device)[0] == 10


@cache
def device_name(device: torch.device) -> str:
    """Return the name of the GPU, or of the processor as Linux tells it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def peak_flops(device: torch.device, precision: str) -> float | None:
    """Return the peak in FLOP/s that MFU refers to, or None where it is unknown."""
    if device.type != "cuda" or precision != "bf16":
        return None
    return peak_bf16(device_name(device))


def keep_freed_memory() -> None:
    """Let this process keep the memory that tensors free, instead of giving it back and faulting it in again.

    glibc maps and unmaps every block beyond some megabytes at most; touching the fresh pages then costs more than
    the arithmetic of an activation. The pages are asked to be large, 2 MB instead of 4 KB, for looking up the places
    of small ones costs some percent of a step. Does nothing where the C library or the system is another.
    """
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        library.mallopt(M_MMAP_MAX, 0)
        library.mallopt(M_TRIM_THRESHOLD, -1)
        _ask_for_large_pages(library)


def _ask_for_large_pages(library: ctypes.CDLL) -> None:
    """Grow the heap by `LARGE_PAGES` bytes that nothing touches yet, as madvise(2) asks for ranges that are there."""
    library.malloc.restype, library.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    library.free.argtypes = [ctypes.c_void_p]
    library.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    if block := library.malloc(LARGE_PAGES):
        start = -(-block // mmap.PAGESIZE) * mmap.PAGESIZE
        library.madvise(start, LARGE_PAGES - mmap.PAGESIZE, mmap.MADV_HUGEPAGE)
        library.free(block)


def free_cached(device: torch.device) -> None:
    """Give memory of a GPU back that nothing holds any more; a compiled model does until the collector has run."""
    if device.type == "cuda":
        gc.collect()
        torch.cuda.empty_cache()


def reset_peak_memory(device: torch.device) -> bool:
    """Start counting peak memory anew; return whether that worked (on a CPU it needs Linux).

    What earlier runs of this process freed is given back to the system first, so that it does not count.
    """
    if device.type == "cuda":
        free_cached(device)
        torch.cuda.reset_peak_memory_stats(device)
        return True
    try:
        gc.collect()
        if not gc.get_freeze_count():
            gc.freeze()  # what was imported stays, and looking through it again takes .12 s a run
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
        return True
    except (OSError, AttributeError):
        return False


def peak_memory(device: torch.device) -> int | None:
    """Return the most bytes held since the last reset: of the GPU's allocator, or the resident set of this process."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    try:
        _, found, rest = Path("/proc/self/status").read_bytes().partition(b"VmHWM:")
    except OSError:
        return None
    return int(rest.split(maxsplit=1)[0]) * 1024 if found else None


@cache
def _version() -> str:
    try:
        return version("scaling")
    except PackageNotFoundError:
        return "0"
