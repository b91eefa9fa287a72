"""The flags that say where jobs run. The user's `cluster.toml` gives defaults; a flag wins."""

from dataclasses import replace
from functools import partial

from jobs.sweep.cluster import CLUSTERS, Cluster
from jobs.sweep.cluster_file import read_cluster_file
from planners import Study, UsageError
from planners.records.errors import warn
from planners.records.quantity import parse_count, parse_quantity
from scaling import cli
from scaling.flags import REPEATED, Flag, values


def _list(texts: list[str], flag: str) -> tuple[str, ...]:
    return tuple(texts)


_number = partial(parse_quantity, zero=True)
ANYWHERE = (
    Flag(
        name="parallel",
        read=parse_count,
        metavar="W",
        help="jobs at once (default: what this machine has devices for; on Slurm all)",
    ),
    Flag(
        name="gpus-per-run",
        read=partial(parse_count, least=0),
        metavar="G",
        help="GPUs of a job (default: one per device, if any; on Slurm if the plan names a GPU)",
    ),
    Flag(
        name="runs-per-gpu", read=parse_count, metavar="R", help="small runs that share the GPUs of a job (default 1)"
    ),
    Flag(name="attempts", read=parse_count, metavar="N", help="most attempts per run (default 3)"),
    Flag(name="max-jobs", read=parse_count, metavar="N", help="most jobs submitted at once"),
    Flag(name="max-device-hours", read=_number, metavar="H", help="most device-hours of the whole study"),
    Flag(
        name="flops-per-s",
        read=_number,
        metavar="F",
        help="FLOP/s of a device, to predict times until runs have finished",
    ),
)
"""Flags that set a field of `Cluster`."""
ON_SLURM = (
    Flag(
        name="pack",
        read=_number,
        metavar="MIN",
        help="Slurm: minutes of small runs in one job (default 30; 0: one run per job)",
    ),
    Flag(name="partition", metavar="NAME", help="Slurm: partition"),
    Flag(name="account", metavar="NAME", help="Slurm: account"),
    Flag(name="qos", metavar="NAME", help="Slurm: quality of service"),
    Flag(name="constraint", metavar="NAME", help="Slurm: constraint on nodes"),
    Flag(name="nodes", read=parse_count, metavar="N", help="Slurm: nodes of a job (default 1)"),
    Flag(
        name="timeout-min",
        read=parse_count,
        metavar="MIN",
        help="Slurm: time limit, after which the job is requeued (default 60)",
    ),
    Flag(
        name="setup",
        read=_list,
        metavar="LINE",
        extra=REPEATED,
        help="Slurm: shell line at the start of a job; may be repeated",
    ),
    Flag(
        name="slurm",
        read=_list,
        metavar="NAME=VALUE",
        extra=REPEATED,
        help="Slurm: any other sbatch option, such as mem=16G or exclusive",
    ),
    Flag(
        name="srun",
        read=_list,
        metavar="ARG",
        extra=REPEATED,
        help="Slurm: argument of srun, such as --srun=--container-image=IMAGE",
    ),
)
"""The same for flags that only Slurm knows."""
WHERE = (
    Flag(
        name="cluster", extra={"choices": CLUSTERS}, help="where: this machine, Slurm, or this process (default local)"
    ),
    Flag(name="profile", metavar="NAME", help="profile of the user's cluster.toml (docs/cluster.md)"),
)
FLAGS = (*WHERE, *ANYWHERE, *ON_SLURM, *cli.EXECUTION)
"""All flags that say where and how runs are trained; the next command repeats them."""


def cluster(flags: cli.Flags) -> Cluster:
    """Return where jobs run. Raises UsageError for a wrong flag or setting, and for a Slurm flag without Slurm."""
    settings = read_cluster_file(flags.profile)
    given = values(flags, (*ANYWHERE, *ON_SLURM))
    kind = flags.cluster or settings.get("kind", "local")
    useless = [flag.name for flag in ON_SLURM if flag.field in given and kind != "slurm"]
    if useless:
        raise UsageError(
            f"--{useless[0]} needs --cluster slurm, but the cluster is {kind}; drop one or change the other"
        )
    for name in ("setup", "slurm", "srun"):  # lists add up; any other flag replaces the setting of the file
        given[name] = (*settings.get(name, ()), *given.get(name, ()))
    return Cluster(**{**settings, **given, "kind": kind, "execution": cli.execution(flags)})


def with_planned_gpus(study: Study, cluster: Cluster) -> Cluster:
    """Return the cluster with one GPU for each device of a run, where nothing else is said and the plan names a GPU."""
    planned = study.forecast() if cluster.kind == "slurm" and not _requests_gpus(cluster) else None
    return replace(cluster, gpus_per_run=cluster.execution.devices) if planned and planned.device else cluster


def _requests_gpus(cluster: Cluster) -> bool:
    return cluster.gpus_per_run is not None or any(
        option.startswith(("gpu", "gres", "tres")) for option in cluster.slurm
    )


def warn_without_gpus(study: Study, cluster: Cluster) -> None:
    """Warn if runs in bf16, which is slow without a GPU, would go to Slurm without a request for GPUs."""
    if (
        cluster.kind == "slurm"
        and not _requests_gpus(cluster)
        and any(run.training.precision == "bf16" for run in study.runs())
    ):
        warn("the runs are planned in bf16 but no GPUs are requested; give --gpus-per-run 1, or 0 to train on CPUs")
