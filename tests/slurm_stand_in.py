"""A scheduler that is a few shell scripts and a queue in a file, and what runs leave behind, made up."""

import json
from dataclasses import replace
from pathlib import Path

from jobs.record import Environment, RunRecord
from jobs.run.attempts import path_of
from jobs.sweep.cluster import Cluster
from planners import RunSpec, Study

SBATCH = """
test -e refuse && { echo "sbatch: error: invalid partition" >&2; exit 1; }
env > environment; cp "$1" script
name=$(sed -n 's/^#SBATCH --job-name=//p' "$1"); last=$(sed -n 's/^#SBATCH --array=0-\\([0-9]*\\).*/\\1/p' "$1")
id=$(($(cat count 2>/dev/null || echo 10) + 1)); echo $id > count
if test -z "$last"; then echo "$id|$name|PENDING" >> queue
else for i in $(seq 0 $last); do echo "${id}_$i|$name|PENDING" >> queue; done; fi
test -e late && { echo "sbatch: error: Socket timed out on send/recv operation" >&2; exit 1; }
echo "Submitted batch job $id"
"""
SQUEUE = """
echo squeue >> asked; test -e down && { echo "slurm_load_jobs error: Unable to contact controller" >&2; exit 1; }
test -e queue && cat queue; true
"""
SACCT = """
echo sacct >> asked; test -e accounts || { echo "Slurm accounting storage is disabled" >&2; exit 1; }; cat accounts
"""
SCONTROL = """
echo "MaxArraySize            = 6"
"""
SCANCEL = """
for id in "$@"; do sed -i "/^$id[_|]/d" queue; done
"""


class StandIn:
    """A scheduler that never starts anything: its queue is a file, `down`, `refuse` and `late` are files too."""

    def __init__(self, folder: Path):
        self.folder = folder
        for name, text in (("sbatch", SBATCH), ("squeue", SQUEUE), ("sacct", SACCT), ("scontrol", SCONTROL)):
            self._script(name, text)
        self._script("scancel", SCANCEL)
        self._script("srun", "")

    def _script(self, name: str, text: str) -> None:
        path = self.folder / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\ncd {self.folder}\n{text}")
        path.chmod(0o755)

    @property
    def queue(self) -> list[list[str]]:
        path = self.folder / "queue"
        return [line.split("|") for line in path.read_text().splitlines()] if path.exists() else []

    def set(self, name: str, text: str = "") -> None:
        (self.folder / name).write_text(text)

    def unset(self, name: str) -> None:
        (self.folder / name).unlink()


ONE_EACH = Cluster(kind="slurm", pack=0)


def record_of(spec: RunSpec, state: str = "done", **fields: object) -> RunRecord:
    where = Environment(version="", commit=None, python="", torch="", device="", host="", started="", ended="")
    outcome = {"loss": 2.0, "bpb": 3.0} if state == "done" else {"error": "it broke", "failure": "exception"}
    fields = {"D_seen": spec.training.D, "wall_s": 1.0, "environment": where, **outcome, **fields}
    return RunRecord(spec=spec, state=state, **fields)  # type: ignore[arg-type]


def begun(study: Study, spec: RunSpec, times: int = 1, job: str | None = None, *, failed: bool = False) -> None:
    """Leave the traces of attempts that were killed, or that failed."""
    folder = study.run_folder(spec.run_id)
    folder.mkdir(parents=True, exist_ok=True)
    lines = [{"event": "started", "D": 0, "job": job}]
    if failed:
        lines.append({"event": "ended", "failure": "exception", "wall_s": 1.0})
    path_of(folder).write_text(times * "".join(json.dumps(line) + "\n" for line in lines))


def child_of(parent: RunSpec, like: RunSpec, seed: int = 7) -> RunSpec:
    names = ("study", "arm", "shape", "router", "data", "recipe", "flops_convention", "target")
    given = {name: getattr(like, name) for name in names}
    return RunSpec.build(**given, training=replace(like.training, init_from=parent.run_id, seed=seed))
