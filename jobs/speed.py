"""How fast this machine trains: a probe on every worker's place at once, because cores share what they have."""

import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import fmean

from planners.records.errors import UsageError
from planners.records.files import write_json
from planners.spec import RunSpec

PROBE_S = 3.0
"""Seconds of training that a probe takes."""
LIMIT_S = 120.0
"""Seconds after which a probe has failed: loading torch from a cold disk takes some."""


def measured_speed(spec: RunSpec, count: int) -> float:
    """Return tokens per second of one of `count` processes that train `spec` at the same time, their mean.

    Raises UsageError where they cannot train.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spec.json"
        write_json(path, spec.to_line())
        command = [sys.executable, "-m", "jobs.training.speed", str(path), str(PROBE_S)]
        probes = [
            subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(count)
        ]
        try:
            return fmean(_outcome(probe) for probe in probes)
        except subprocess.TimeoutExpired:
            raise UsageError(f"measuring this machine's speed took over {LIMIT_S:g} s; give --budget") from None
        finally:
            for probe in probes:
                probe.kill()
                probe.communicate()


def _outcome(probe: "subprocess.Popen[str]") -> float:
    out, error = probe.communicate(timeout=LIMIT_S)
    if probe.returncode != 0:
        reason = (error.strip().splitlines() or ["no reason given"])[-1]
        raise UsageError(f"this machine's speed cannot be measured ({reason}); give --budget")
    return float(out)
