"""The flags that say where jobs run. The user's `cluster.toml` gives defaults; a flag wins."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

from jobs.sweep.cluster import CLUSTERS, Cluster
from jobs.sweep.cluster_file import read_cluster_file
from planners import Study, UsageError
from planners.records.errors import warn
from planners.records.quantity import parse_count, parse_quantity
from scaling import cli


class Flag(NamedTuple):
    """One flag that sets a field of `Cluster`."""

    metavar: str
    parse: Callable[[Any, str], Any]
    """From the text (for a list: the texts) and the flag's name to the value."""
    help: str
    is_for_slurm: bool = False


def _count(least: int) -> Callable[[str, str], int]:
    return lambda text, flag: parse_count(text, flag, least=least)


def _number(text: str, flag: str) -> float:
    return parse_quantity(text, flag, zero=True)


def _word(text: str, flag: str) -> str:
    return text


def _list(texts: list[str], flag: str) -> tuple[str, ...]:
    return tuple(texts)


SETTINGS = {
    "parallel": Flag("W", _count(1), "jobs at once (default: what this machine has devices for; on Slurm all)"),
    "gpus_per_run": Flag(
        "G", _count(0), "GPUs of a job (default: one per device, if any; on Slurm if the plan names a GPU)"
    ),
    "runs_per_gpu": Flag("R", _count(1), "small runs that share the GPUs of a job (default 1)"),
    "pack": Flag("MIN", _number, "Slurm: minutes of small runs in one job (default 30; 0: one run per job)", True),
    "partition": Flag("NAME", _word, "Slurm: partition", True),
    "account": Flag("NAME", _word, "Slurm: account", True),
    "qos": Flag("NAME", _word, "Slurm: quality of service", True),
    "constraint": Flag("NAME", _word, "Slurm: constraint on nodes", True),
    "nodes": Flag("N", _count(1), "Slurm: nodes of a job (default 1)", True),
    "timeout_min": Flag("MIN", _count(1), "Slurm: time limit, after which the job is requeued (default 60)", True),
    "setup": Flag("LINE", _list, "Slurm: shell line at the start of a job; may be repeated", True),
    "slurm": Flag("NAME=VALUE", _list, "Slurm: any other sbatch option, such as mem=16G or exclusive", True),
    "srun": Flag("ARG", _list, "Slurm: argument of srun, such as --srun=--container-image=IMAGE", True),
    "attempts": Flag("N", _count(1), "most attempts per run (default 3)"),
    "max_jobs": Flag("N", _count(1), "most jobs submitted at once"),
    "max_device_hours": Flag("H", _number, "most device-hours of the whole study"),
    "flops_per_s": Flag("F", _number, "FLOP/s of a device, to predict times until runs have finished"),
}
"""Field of `Cluster` to the flag that sets it. None has a default, because the user's file may set the field."""
FLAGS = ("cluster", "profile", *SETTINGS, *cli.EXECUTION)
"""All flags that say where and how runs are trained; the next command repeats them."""


def add_flags(made: cli.Parser) -> None:
    """Add the flags that `cluster` reads."""
    made.add_argument("--cluster", choices=CLUSTERS, help="where: this machine, Slurm, or this process (default local)")
    made.add_argument("--profile", metavar="NAME", help="profile of the user's cluster.toml (docs/cluster.md)")
    for name, flag in SETTINGS.items():
        action = "append" if flag.parse is _list else "store"
        made.add_argument(flag_name(name), metavar=flag.metavar, action=action, help=flag.help)
    cli.add_execution(made)


def flag_name(field: str) -> str:
    """Return the flag that sets a field: --max-jobs for max_jobs."""
    return f"--{field.replace('_', '-')}"


def cluster(flags: cli.Flags) -> Cluster:
    """Return where jobs run. Raises UsageError for a wrong flag or setting, and for a Slurm flag without Slurm."""
    settings = read_cluster_file(flags.profile)
    texts = {name: getattr(flags, name) for name in SETTINGS}
    given = {name: SETTINGS[name].parse(text, flag_name(name)) for name, text in texts.items() if text is not None}
    kind = flags.cluster or settings.get("kind", "local")
    useless = [flag_name(name) for name in given if SETTINGS[name].is_for_slurm and kind != "slurm"]
    if useless:
        raise UsageError(f"{useless[0]} needs --cluster slurm, but the cluster is {kind}; drop one or change the other")
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
