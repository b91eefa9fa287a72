"""Processes of this machine: found by command line until they end."""

import os
import subprocess
import sys
import time

from jobs.processes import command_line, processes_with


def test_a_process_is_found_by_its_command_line() -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", "a-mark-of-this-test"])
    try:
        deadline = time.monotonic() + 20
        while child.pid not in processes_with("a-mark-of-this-test"):  # a new process has no command line for a moment
            assert time.monotonic() < deadline
    finally:
        child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert command_line(child.pid) is None  # a zombie is dead
    assert processes_with("a-mark-of-this-test") == []
    child.wait()
    assert command_line(child.pid) is None
