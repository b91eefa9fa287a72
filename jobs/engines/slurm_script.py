"""The shell scripts that start an exported run, on one machine and on Slurm; more flags can follow them."""

import shlex

from jobs.engines.engine import NODE, EngineRun


def slurm_script(run: EngineRun, command: str, *, before: str = "") -> str:
    """Return a script that starts one torchrun on each node; `command` is what torchrun runs, after `before`."""
    nodes = -(-run.devices // NODE)
    each = run.devices // nodes
    return f"""#!/bin/bash
# {run.spec.study}, arm {run.spec.arm}: {run.devices} GPUs. Submit from this folder: sbatch run.sbatch
#SBATCH --job-name={shlex.quote(run.spec.run_id)}
#SBATCH --nodes={nodes}
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node={each}
#SBATCH --cpus-per-task={4 * each}
#SBATCH --output=%x-%j.log
set -euo pipefail
{before}
head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
srun torchrun --nnodes={nodes} --nproc-per-node={each} --rdzv-backend=c10d --rdzv-endpoint="$head:29500" \\
    {command} "$@"
"""


def local_script(run: EngineRun, command: str, *, before: str = "") -> str:
    """Return a shell script that runs the same on one machine."""
    return f"""#!/bin/bash
# {run.spec.study}, arm {run.spec.arm}: run it in this folder with: bash run.sh
set -euo pipefail
cd "$(dirname "$0")"
{before}
torchrun --standalone --nproc-per-node={min(run.devices, NODE)} \\
    {command} "$@"
"""
