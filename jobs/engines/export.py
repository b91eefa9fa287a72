"""Writing the folders of exported runs: what the engine reads, `recipe.json`, and `PARITY.md`."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from jobs.engines.engine import Engine, EngineRun, prepared
from jobs.engines.parity import parity_note
from planners.records.errors import UsageError
from planners.records.files import read_json, write_json, write_text
from planners.records.registry import look_up
from planners.spec import RunSpec


@dataclass(frozen=True, kw_only=True)
class Export:
    """Runs that are ready to be written for an engine, and those that it cannot express."""

    engine: Engine
    """The engine."""
    runs: tuple[EngineRun, ...]
    """The runs that it can train."""
    refused: tuple[str, ...]
    """One sentence for each run that it cannot express."""

    @property
    def changed(self) -> tuple[str, ...]:
        """One sentence for each setting that is exported otherwise than planned."""
        return tuple(f"{run.spec.arm} ({run.spec.run_id}): changed: {one}" for run in self.runs for one in run.changed)

    def write(self, folder: str | Path, *, weights: bool = False) -> tuple[Path, ...]:
        """Write `folder`/ARM-RUN_ID/ for each run, with all that the engine reads, and return these folders.

        `weights` also writes our initial weights, which needs torch. Raises UsageError, and writes nothing, where one
        of the folders holds something else.
        """
        places = [Path(folder) / folder_name(run.spec) for run in self.runs]
        for run, place in zip(self.runs, places, strict=True):
            _check_free(place, run.recipe(self.engine))
        Path(folder).mkdir(parents=True, exist_ok=True)
        for run, place in zip(self.runs, places, strict=True):
            write_run(self.engine, run, place, weights=weights)
        return tuple(places)


def export_runs(runs: Iterable[RunSpec], engine: str, *, devices: int = 1, changed: bool = False) -> Export:
    """Return planned runs as recipes of another engine: hf, megatron, torchtitan or olmo-core; `write` writes them.

    `devices` GPUs share a run. With `changed`, settings that the engine lacks are replaced and listed; otherwise such
    a run is refused with the reason. Raises UsageError if the engine can express no run.

    >>> plan = make_plan(replace(preset("smoke"), data=None))
    >>> export_runs(plan.runs, "hf").write("exported")[0].name
    'dense-7205c1289668'
    """
    from jobs.engines import ENGINES

    chosen, made, refused = look_up(ENGINES, engine, "engine"), [], []
    for spec in runs:
        try:
            made.append(prepared(chosen, spec, devices=devices, changed=changed))
        except UsageError as error:
            refused.append(f"{spec.arm} ({spec.run_id}): {error}")
    if not made:
        raise UsageError(f"nothing can be exported: {refused[0] if refused else 'the plan has no run'}")
    return Export(engine=chosen, runs=tuple(made), refused=tuple(refused))


def folder_name(spec: RunSpec) -> str:
    """Return the name of the folder of a run: its arm, for a reader, and its id."""
    return f"{re.sub(r'[^A-Za-z0-9.=_-]+', '-', spec.arm)}-{spec.run_id}"


def write_run(engine: Engine, run: EngineRun, folder: Path, *, weights: bool) -> None:
    """Write the folder of one run; `recipe.json` comes last, so a folder with one is whole."""
    folder.mkdir(exist_ok=True)
    for name, text in engine.files(run).items():
        write_text(folder / name, text)
    write_text(folder / "PARITY.md", parity_note(engine, run))
    if weights:
        from jobs.engines.safetensors_file import write_safetensors
        from jobs.training.weights import initial_weights

        write_safetensors(folder / "model.safetensors", engine.weights(run.spec, initial_weights(run.spec)))
    write_json(folder / "recipe.json", run.recipe(engine))


def _check_free(folder: Path, recipe: object) -> None:
    """Raise UsageError for a folder that holds anything but this export."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    path = folder / "recipe.json"
    if not path.is_file() or read_json(path) != json.loads(json.dumps(recipe)):
        raise UsageError(f"{folder} exists with other content; remove it, or choose another folder")
