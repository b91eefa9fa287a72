"""make soak: a study ends with the same losses after kills, on any number of cores, and in one process."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jobs.record import collect
from jobs.sweep.status import status
from planners import Study
from scaling import cli

pytestmark = pytest.mark.soak


def processes_of(folder: Path) -> list[int]:
    """Return the processes whose command line names the study: sweeps, controllers and workers."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and str(folder) in (entry / "cmdline").read_text().replace("\0", " "):
                found.append(int(entry.name))
        except OSError:
            continue
    return [pid for pid in found if pid != os.getpid()]


def test_ten_kills_lose_nothing(tmp_path: Path) -> None:
    undisturbed, disturbed = Study(tmp_path / "undisturbed"), Study(tmp_path / "disturbed")
    command = [sys.executable, "-m", "scaling.study", "smoke", "-o"]
    subprocess.run([*command, str(undisturbed.folder)], check=True, capture_output=True)
    moments = random.Random(5)
    for _ in range(10):
        process = subprocess.Popen(
            [*command, str(disturbed.folder)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "SCALING_CHECKPOINT_S": "0.2"},
        )
        time.sleep(moments.uniform(2, 9))
        victims = processes_of(disturbed.folder)
        for pid in victims if moments.random() < 0.5 else moments.sample(victims, min(1, len(victims))):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(moments.uniform(0, 2))
        for pid in processes_of(disturbed.folder):
            os.kill(pid, signal.SIGKILL)
        process.wait()
    done = subprocess.run([*command, str(disturbed.folder)], capture_output=True, text=True)
    assert done.returncode == cli.DONE, done.stderr
    assert [run.state for run in status(disturbed)] == ["done"] * 4
    assert [row["loss"] for row in collect(disturbed)] == [row["loss"] for row in collect(undisturbed)]


def test_one_core_and_one_process_give_the_same_losses(tmp_path: Path) -> None:
    studies = {name: Study(tmp_path / name) for name in ("usual", "one-core", "debug")}
    study, plan = ([sys.executable, "-m", f"scaling.{verb}"] for verb in ("study", "plan"))
    subprocess.run([*study, "smoke", "-o", str(studies["usual"].folder)], check=True, capture_output=True)
    core = min(os.sched_getaffinity(0))
    subprocess.run(
        [*study, "smoke", "-o", str(studies["one-core"].folder)],
        check=True,
        capture_output=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    )
    folder = str(studies["debug"].folder)
    subprocess.run([*plan, "--preset", "smoke", "-o", folder], check=True, capture_output=True)
    sweep = [sys.executable, "-m", "scaling.sweep", folder, "--go", "--cluster", "debug"]
    subprocess.run(sweep, check=True, capture_output=True)
    usual, *others = ([(row["run_id"], row["loss"]) for row in collect(one)] for one in studies.values())
    assert len(usual) == 4
    assert all(rows == usual for rows in others)
