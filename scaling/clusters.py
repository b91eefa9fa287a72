"""Where jobs run, from the flags of a command and the user's own file; a flag wins."""

from typing import Any

from jobs.sweep.cluster import CLUSTERS, Cluster
from jobs.sweep.cluster_file import read_profile
from planners import Study, UsageError
from planners.records.errors import warn
from planners.records.quantity import parse_count, parse_quantity
from scaling import cli

COUNTS = {
    "parallel": 1,
    "gpus_per_run": 0,
    "runs_per_gpu": 1,
    "nodes": 1,
    "timeout_min": 1,
    "attempts": 1,
    "max_jobs": 1,
}
"""Flags that are whole numbers, with the least of each."""
NUMBERS = ("pack", "flops_per_s", "max_device_hours")
WORDS = ("partition", "account", "qos", "constraint")
LISTS = ("setup", "slurm")
FLAGS = ("cluster", "profile", *COUNTS, *NUMBERS, *WORDS, *LISTS, *cli.EXECUTION)
"""All that say where and how runs are trained: what the next command must say again."""
SLURM_ONLY = (*WORDS, "setup", "slurm", "nodes", "timeout_min", "pack")


def add_flags(made: cli.Parser) -> None:
    """Add the flags that `cluster` reads; without a default, because the user's file may have one."""
    add = made.add_argument
    add("--cluster", choices=CLUSTERS, help="where: this machine, Slurm, or this process (default local)")
    add("--profile", metavar="NAME", help="settings of the user's file ($SCALING_CLUSTER) under this name")
    add("--parallel", metavar="W", help="jobs at once (default: what this machine has devices for; all on Slurm)")
    add("--gpus-per-run", metavar="G", help="GPUs of a job (default: one a device here if any, none on Slurm)")
    add("--runs-per-gpu", metavar="R", help="small runs that share the GPUs of a job (default 1)")
    add("--pack", metavar="MIN", help="Slurm: minutes of small runs in one job (default 30; 0: one run a job)")
    add("--partition", metavar="NAME", help="Slurm: partition")
    add("--account", metavar="NAME", help="Slurm: account")
    add("--qos", metavar="NAME", help="Slurm: quality of service")
    add("--constraint", metavar="NAME", help="Slurm: constraint on nodes")
    add("--nodes", metavar="N", help="Slurm: nodes of a job (default 1)")
    add("--timeout-min", metavar="MIN", help="Slurm: time limit; the job is requeued and goes on (default 60)")
    add("--setup", metavar="LINE", action="append", help="Slurm: a shell line that jobs begin with; may be repeated")
    add("--slurm", metavar="NAME=VALUE", action="append", help="Slurm: any further sbatch option, such as mem=16G")
    add("--attempts", metavar="N", help="attempts that a run is given (default 3)")
    add("--max-jobs", metavar="N", help="jobs in flight at most")
    add("--max-device-hours", metavar="H", help="device-hours that the study may take in all")
    add("--flops-per-s", metavar="F", help="speed of a device, for times predicted before runs are done")
    cli.add_execution(made)


def cluster(flags: cli.Flags) -> Cluster:
    """Return where jobs run. Raises UsageError for a flag or a setting that is none, or that has no use there."""
    settings = read_profile(flags.profile)
    given = _given(flags)
    kind = flags.cluster or settings.get("kind", "local")
    useless = [name for name in SLURM_ONLY if name in given and kind != "slurm"]
    if useless:
        raise UsageError(f"--{useless[0].replace('_', '-')} is for --cluster slurm, and this is {kind}")
    for name in LISTS:
        given[name] = (*settings.get(name, ()), *given.get(name, ()))
    return Cluster(**{**settings, **given, "kind": kind, "execution": cli.execution(flags)})


def warn_without_gpus(study: Study, cluster: Cluster) -> None:
    """Say where a study in bf16, which is slow without a GPU, would be sent to Slurm without asking for any."""
    asked = cluster.gpus_per_run is not None or any(
        option.startswith(("gpu", "gres", "tres")) for option in cluster.slurm
    )
    if cluster.kind == "slurm" and not asked and any(run.training.precision == "bf16" for run in study.runs()):
        warn("the runs are planned in bf16 and no GPUs are asked for; give --gpus-per-run 1, or 0 where none is meant")


def _given(flags: cli.Flags) -> dict[str, Any]:
    """Return the flags that were given, by field of `Cluster`."""
    given: dict[str, Any] = {}
    for name in (*COUNTS, *NUMBERS, *WORDS, *LISTS):
        text = getattr(flags, name)
        if text is None:
            continue
        flag = f"--{name.replace('_', '-')}"
        if name in COUNTS:
            given[name] = parse_count(text, flag, least=COUNTS[name])
        elif name in NUMBERS:
            given[name] = float(text) if text in ("0", "0.0") else float(parse_quantity(text, flag))
        else:
            given[name] = tuple(text) if name in LISTS else text
    return given
