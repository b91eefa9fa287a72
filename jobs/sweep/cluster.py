"""Where jobs run: this machine, Slurm or this process, with the limits that a user sets."""

from dataclasses import dataclass, field, replace

from jobs.execution import Execution
from jobs.failures import ATTEMPTS
from planners.records.errors import UsageError

CLUSTERS = ("local", "slurm", "debug")


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Where jobs run, how many at once, and at which cost a sweep stops. A user file may hold the same names."""

    kind: str = "local"
    """local: processes on this machine; slurm: sbatch; debug: in this process, one after the other."""
    parallel: int | None = None
    """Jobs at once; null: as many as this machine has devices for; on Slurm, as many as it starts."""
    gpus_per_run: int | None = None
    """GPUs of a job; null: one a device of `execution` where this machine has any, none on Slurm."""
    runs_per_gpu: int = 1
    """Runs that share the devices of a job, each in a process of its own; for runs too small to fill one."""
    nodes: int | None = None
    """Nodes of a Slurm job; null: one."""
    partition: str | None = None
    """Slurm partition."""
    account: str | None = None
    """Slurm account."""
    qos: str | None = None
    """Slurm quality of service."""
    constraint: str | None = None
    """Slurm constraint on nodes."""
    timeout_min: int | None = None
    """Time limit of a Slurm job, in minutes; null: 60. The job is requeued and its run goes on from its checkpoint."""
    warn_s: int | None = None
    """Seconds before the time limit at which Slurm warns the job; null: 90."""
    setup: tuple[str, ...] = ()
    """Shell lines that a Slurm job begins with, such as module load."""
    slurm: tuple[str, ...] = ()
    """Further Slurm options, each NAME=VALUE, such as mem=16G."""
    pack: float = 30.0
    """Minutes of training, as predicted, that small runs are packed into one Slurm job for; 0: one run a job."""
    flops_per_s: float | None = None
    """FLOP/s of a device, for the time of runs unlike any that is done; null: the guess of `jobs.sweep.packing`."""
    attempts: int = ATTEMPTS
    """Attempts that a run is given."""
    max_jobs: int | None = None
    """Jobs in flight at most; null: no bound."""
    max_device_hours: float | None = None
    """Device-hours that the study may take, those spent and those in flight included; null: no bound."""
    execution: Execution = field(default_factory=Execution)
    """How each run is carried out."""

    def __post_init__(self) -> None:
        if self.kind not in CLUSTERS:
            raise UsageError(f"cluster {self.kind!r} is not one of {', '.join(CLUSTERS)}")
        for option in self.slurm:
            if "=" not in option:
                raise UsageError(f"Slurm option {option!r} is not NAME=VALUE, such as mem=16G")
            name, _, value = option.partition("=")
            if name.replace("-", "_") == "cpus_per_task" and not value.isdigit():
                raise UsageError(f"Slurm option {option!r} must be a number of cores, such as cpus_per_task=8")
        for name in ("parallel", "nodes", "timeout_min", "warn_s", "runs_per_gpu", "attempts", "max_jobs"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise UsageError(f"{name} {value} must be at least 1")
        for name in ("gpus_per_run", "pack", "max_device_hours"):
            if (value := getattr(self, name)) is not None and value < 0:
                raise UsageError(f"{name} {value} must not be negative")
        if self.flops_per_s is not None and not self.flops_per_s > 0:
            raise UsageError(f"flops_per_s {self.flops_per_s} must be above 0")
        if self.runs_per_gpu > 1 and self.execution.devices > 1:
            raise UsageError("a run on several devices shares none of them; give --devices or --runs-per-gpu")
        if self.gpus_per_run and self.execution.devices not in (1, self.gpus_per_run):
            raise UsageError(
                f"a run on {self.execution.devices} devices cannot have {self.gpus_per_run} GPUs; give --gpus-per-run"
                f" {self.execution.devices}, or 0 to train on processors"
            )
        if self.nodes and self.execution.devices % self.nodes:
            raise UsageError(f"{self.execution.devices} devices cannot be spread evenly over {self.nodes} nodes")

    @property
    def devices_of_job(self) -> int:
        """Devices that a job holds."""
        return self.gpus_per_run or self.execution.devices

    @property
    def devices_of_run(self) -> float:
        """Devices of a run: a part of those of a job where runs share them."""
        return self.devices_of_job / self.runs_per_gpu

    @property
    def executed(self) -> Execution:
        """How each run is carried out, among the runs that share its device."""
        return replace(self.execution, runs_per_device=-(-self.runs_per_gpu // self.devices_of_job))

    @property
    def limit_min(self) -> int:
        """Time limit of a Slurm job, in minutes."""
        return self.timeout_min or 60
