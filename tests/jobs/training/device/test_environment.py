"""How a process keeps its memory with glibc."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

SAYS = r"""
import re
from pathlib import Path

import torch

from jobs.training.device.environment import keep_freed_memory, reset_peak_memory


def large(x):
    '''Whether the pages of a tensor are to be large.'''
    for area in re.split(r"(?m)^(?=[0-9a-f]+-[0-9a-f]+ )", Path("/proc/self/smaps").read_text()):
        first, _, last = area.partition(" ")[0].partition("-")
        if last and int(first, 16) <= x.data_ptr() + x.nbytes // 2 < int(last, 16):
            return "hg" in area.partition("VmFlags:")[2].split()


def resident():
    return int(re.search(r"VmRSS:\s+(\d+)", Path("/proc/self/status").read_text())[1]) * 1024


def kept():
    '''How many more times 64 MB are held after they were used and freed.'''
    before = resident()
    torch.zeros(2**24)
    return round((resident() - before) / 2**26)


print(large(torch.empty(2**22)), large(torch.empty(2**10)), kept())
for _ in range(2):  # as two runs of one worker do
    reset_peak_memory(torch.device("cpu"))
    keep_freed_memory()
    print(large(torch.empty(2**22)), kept(), sum(kept() for _ in range(8)) <= 2)  # a small block may lie in the way
"""


def python(code: str) -> list[str]:
    """Return the lines that a program prints."""
    called = [sys.executable, "-c", code]
    done = subprocess.run(called, capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": "."})
    return done.stdout.splitlines()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is another")
@pytest.mark.skipif(not Path("/sys/kernel/mm/transparent_hugepage").exists(), reason="the system has no large pages")
def test_memory_is_kept_and_its_pages_are_large():
    assert python(SAYS) == ["False False 0", "True 1 True", "True 1 True"]


def test_missing_memory_does_not_raise():
    limited = "import resource\nresource.setrlimit(resource.RLIMIT_AS, (2**33, 2**33))\n"
    tried = (
        "from jobs.training.device import environment\n"
        "environment.LARGE_PAGES = 2**34\nenvironment.keep_freed_memory()\n"
    )
    assert python(limited + tried) == []
