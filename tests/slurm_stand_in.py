"""A stand-in for Slurm: its commands are shell scripts, its queue is a file."""

from pathlib import Path

from jobs.sweep.cluster import Cluster

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
    """A scheduler that never starts a job. The files `down`, `refuse` and `late` in its folder change its answers."""

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
