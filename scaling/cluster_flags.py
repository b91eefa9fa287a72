"""The flags that say where jobs run. The user's `cluster.toml` gives defaults; a flag wins."""

from typing import Any

from jobs.sweep.cluster import CLUSTERS, Cluster
from jobs.sweep.cluster_file import read_cluster_file
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
"""Flags that take a whole number, each with its least value."""
NUMBERS = ("pack", "flops_per_s", "max_device_hours")
WORDS = ("partition", "account", "qos", "constraint")
LISTS = ("setup", "slurm")
FLAGS = ("cluster", "profile", *COUNTS, *NUMBERS, *WORDS, *LISTS, *cli.EXECUTION)
"""All flags that say where and how runs are trained; the next command repeats them."""
SLURM_ONLY = (*WORDS, "setup", "slurm", "nodes", "timeout_min", "pack")


def add_flags(made: cli.Parser) -> None:
    """Add the flags that `cluster` reads; none has a default, because the user's file may set one."""
    add = made.add_argument
    add("--cluster", choices=CLUSTERS, help="where: this machine, Slurm, or this process (default local)")
    add("--profile", metavar="NAME", help="profile of the user's cluster.toml (docs/cluster.md)")
    add("--parallel", metavar="W", help="jobs at once (default: what this machine has devices for; on Slurm all)")
    add("--gpus-per-run", metavar="G", help="GPUs of a job (default: here one per device, if any; on Slurm none)")
    add("--runs-per-gpu", metavar="R", help="small runs that share the GPUs of a job (default 1)")
    add("--pack", metavar="MIN", help="Slurm: minutes of small runs in one job (default 30; 0: one run per job)")
    add("--partition", metavar="NAME", help="Slurm: partition")
    add("--account", metavar="NAME", help="Slurm: account")
    add("--qos", metavar="NAME", help="Slurm: quality of service")
    add("--constraint", metavar="NAME", help="Slurm: constraint on nodes")
    add("--nodes", metavar="N", help="Slurm: nodes of a job (default 1)")
    add("--timeout-min", metavar="MIN", help="Slurm: time limit, after which the job is requeued (default 60)")
    add("--setup", metavar="LINE", action="append", help="Slurm: shell line at the start of a job; may be repeated")
    add("--slurm", metavar="NAME=VALUE", action="append", help="Slurm: any other sbatch option, such as mem=16G")
    add("--attempts", metavar="N", help="most attempts per run (default 3)")
    add("--max-jobs", metavar="N", help="most jobs submitted at once")
    add("--max-device-hours", metavar="H", help="most device-hours of the whole study")
    add("--flops-per-s", metavar="F", help="FLOP/s of a device, to predict times until runs have finished")
    cli.add_execution(made)


def cluster(flags: cli.Flags) -> Cluster:
    """Return where jobs run. Raises UsageError for a wrong flag or setting, and for a Slurm flag without Slurm."""
    settings = read_cluster_file(flags.profile)
    given = _given(flags)
    kind = flags.cluster or settings.get("kind", "local")
    useless = [name for name in SLURM_ONLY if name in given and kind != "slurm"]
    if useless:
        flag = f"--{useless[0].replace('_', '-')}"
        raise UsageError(
            f"{flag} needs --cluster slurm, but the cluster is {kind}; drop the flag or add --cluster slurm"
        )
    for name in LISTS:  # lists add up; any other flag replaces the setting of the file
        given[name] = (*settings.get(name, ()), *given.get(name, ()))
    return Cluster(**{**settings, **given, "kind": kind, "execution": cli.execution(flags)})


def warn_without_gpus(study: Study, cluster: Cluster) -> None:
    """Warn if runs in bf16, which is slow without a GPU, would go to Slurm without a request for GPUs."""
    requested = cluster.gpus_per_run is not None or any(
        option.startswith(("gpu", "gres", "tres")) for option in cluster.slurm
    )
    if cluster.kind == "slurm" and not requested and any(run.training.precision == "bf16" for run in study.runs()):
        warn("the runs are planned in bf16 but no GPUs are requested; give --gpus-per-run 1, or 0 to train on CPUs")


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
