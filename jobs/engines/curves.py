"""The same run for some steps in another engine and here: two loss curves from equal weights and data."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from jobs.engines.engine import Engine, EngineRun, prepared
from jobs.engines.export import write_run
from planners.records.errors import UsageError
from planners.spec import RunSpec


def smallest(engine: Engine, runs: Iterable[RunSpec]) -> EngineRun:
    """Return the run that costs least to train by token, among those that the engine can train; others are changed."""
    found, reasons = [], []
    for changed in (False, True):
        for spec in runs:
            try:
                found.append(prepared(engine, spec, devices=1, changed=changed))
            except UsageError as error:
                reasons.append(f"{spec.arm}: {error}")
        if found:
            return min(found, key=lambda run: run.spec.C / run.spec.training.D)
    raise UsageError(f"{engine.name} can train no run of this study: {reasons[0]}")


def lacking(engine: Engine, run: EngineRun) -> str | None:
    """Return why the engine cannot train the run here, or None."""
    missing = [name for name in engine.needs if not _is_installed(name)]
    if missing:
        return f"{' and '.join(missing)} is not installed"
    if not engine.on_cpu(run.spec):
        return "it needs a GPU for this run"
    return None


def _is_installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def curves(engine: Engine, run: EngineRun, folder: Path, steps: int) -> tuple[list[float], list[float]]:
    """Return the training losses of the first `steps` steps, theirs and ours, in nats per token.

    The exported run is written to `folder` with our initial weights and trained there in a process of its own. Raises
    UsageError if that process fails.
    """
    from jobs.training.loss_curve import loss_curve

    shutil.rmtree(folder, ignore_errors=True)  # checkpoints of an earlier comparison would be continued
    folder.parent.mkdir(parents=True, exist_ok=True)
    write_run(engine, replace(run, stop_after=steps), folder, weights=True)
    places = dict.fromkeys(("MASTER_ADDR",), "127.0.0.1") | {"MASTER_PORT": "29541", "RANK": "0", "LOCAL_RANK": "0"}
    alone = (
        {**places, "WORLD_SIZE": "1", "LOCAL_WORLD_SIZE": "1", "NUM_NODES": "1"} if engine.name == "olmo-core" else {}
    )
    roots = os.pathsep.join(str(Path(path).resolve()) for path in sys.path if path)
    environment = {**os.environ, **alone, "PYTHONPATH": roots}
    log = folder / "log.txt"
    with log.open("w") as file:
        ended = subprocess.run([sys.executable, "train.py"], cwd=folder, env=environment, stdout=file, stderr=file)
    if ended.returncode or not (folder / "curve.json").is_file():
        raise UsageError(f"{engine.name} failed to train the run; its output is in {log}")
    return json.loads((folder / "curve.json").read_text())[:steps], loss_curve(run.spec, steps)
