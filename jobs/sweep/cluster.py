"""Where a sweep runs its jobs: this machine, Slurm or this process, and the limits that the user sets."""

from dataclasses import dataclass, field, replace

from jobs.execution import Execution
from jobs.failures import ATTEMPTS
from jobs.sweep.slurm import gpus_in
from planners.records.errors import UsageError

CLUSTERS = ("local", "slurm", "debug")


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Where jobs run, how many run at once, and at which cost a sweep stops.

    The user's `cluster.toml` (docs/cluster.md) sets the same names, with `cluster` for `kind`.
    """

    kind: str = "local"
    """local: processes on this machine; slurm: sbatch; debug: one run after another in this process."""
    parallel: int | None = None
    """Jobs at once; null: as many as this machine has devices for; on Slurm, as many as Slurm starts."""
    gpus_per_run: int | None = None
    """GPUs of a job; null: on this machine one per device of `execution`, if it has GPUs; on Slurm none."""
    runs_per_gpu: int = 1
    """Runs that share the GPUs of a job, each in its own process; for runs too small to fill a GPU."""
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
    timeout_min: int = 60
    """Time limit of a Slurm job, in minutes. The job is requeued and its run resumes from its checkpoint."""
    warn_s: int = 90
    """Seconds before the time limit at which Slurm signals the job."""
    setup: tuple[str, ...] = ()
    """Shell lines at the start of a Slurm job, such as module load cuda."""
    slurm: tuple[str, ...] = ()
    """Further sbatch options, each NAME=VALUE or NAME, such as mem=16G or exclusive."""
    srun: tuple[str, ...] = ()
    """Arguments of srun, which starts the worker in its job, such as --container-image=IMAGE."""
    pack: float = 30.0
    """Small runs share a Slurm job until it is predicted to take this many minutes; 0: one run per job."""
    flops_per_s: float | None = None
    """FLOP/s of a device, to predict times until runs have finished; null: the guess of `jobs.sweep.run_times`."""
    attempts: int = ATTEMPTS
    """Most attempts per run."""
    max_jobs: int | None = None
    """Most jobs submitted at once; null: no limit."""
    max_device_hours: float | None = None
    """Most device-hours of the study, used and submitted ones included; null: no limit."""
    execution: Execution = field(default_factory=Execution)
    """How each run is carried out."""

    def __post_init__(self) -> None:
        if self.kind not in CLUSTERS:
            raise UsageError(f"cluster {self.kind!r} is not one of {', '.join(CLUSTERS)}")
        self._check_options()
        self._check_numbers()
        self._check_devices()

    def _check_options(self) -> None:
        gpus = gpus_in(self.slurm)
        if self.gpus_per_run == 0 and gpus:
            raise UsageError(f"--gpus-per-run 0 asks for no GPU, but --slurm asks for {gpus}; drop one of the two")
        for argument in self.srun:
            if not argument.startswith("-"):
                raise UsageError(
                    f"srun argument {argument!r} does not begin with -; give --srun=--container-image=IMAGE"
                )

    def _check_numbers(self) -> None:
        for name in ("parallel", "nodes", "timeout_min", "warn_s", "runs_per_gpu", "attempts", "max_jobs"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise UsageError(f"{name} {value} must be at least 1")
        for name in ("gpus_per_run", "pack", "max_device_hours"):
            if (value := getattr(self, name)) is not None and value < 0:
                raise UsageError(f"{name} {value} must not be negative")
        if self.flops_per_s is not None and not self.flops_per_s > 0:
            raise UsageError(f"flops_per_s {self.flops_per_s} must be above 0")

    def _check_devices(self) -> None:
        devices = self.execution.devices
        if self.runs_per_gpu > 1 and devices > 1:
            raise UsageError(
                "--runs-per-gpu cannot be combined with --devices > 1: a multi-GPU run needs its GPUs to itself;"
                " drop one of the two flags"
            )
        if self.execution.runs_per_device > 1:
            raise UsageError("a cluster derives runs_per_device from runs_per_gpu; set runs_per_gpu only")
        if self.gpus_per_run and devices not in (1, self.gpus_per_run):
            raise UsageError(
                f"a run on {devices} devices cannot have {self.gpus_per_run} GPUs; give --gpus-per-run {devices}, or 0"
                " to train on CPUs"
            )
        if self.nodes and devices % self.nodes:
            raise UsageError(
                f"{devices} devices cannot be divided evenly among {self.nodes} nodes; choose --nodes that divides"
                f" {devices}"
            )

    @property
    def gpus_of_job(self) -> int:
        """GPUs that a job asks for, by `gpus_per_run` or by options of sbatch."""
        return self.gpus_per_run or gpus_in(self.slurm)

    @property
    def devices_of_job(self) -> int:
        """Devices that a job holds."""
        return self.gpus_of_job or self.execution.devices

    @property
    def devices_of_run(self) -> float:
        """Devices that a run occupies: a fraction where runs share a device."""
        return self.devices_of_job / self.runs_per_gpu

    @property
    def run_execution(self) -> Execution:
        """How each run is carried out, with the number of runs that share its device."""
        return replace(self.execution, runs_per_device=-(-self.runs_per_gpu // self.devices_of_job))

    @property
    def warned_after_s(self) -> float:
        """Seconds from the start of a Slurm job until Slurm warns it of its time limit."""
        return self.timeout_min * 60 - self.warn_s
