"""When blocks are compiled, and with what settings."""

import os
import shutil
import sysconfig
from functools import cache
from pathlib import Path

import torch

from jobs.execution import Execution
from planners.records.errors import UsageError, warn
from planners.spec import RunSpec

GRAPHS = 64
"""Most graphs of one function: one for every kind of block, mode and batch; beyond it torch gives up."""


def compiles(execution: Execution, spec: RunSpec, device: torch.device) -> bool:
    """Return whether blocks are compiled: where asked, else on a GPU if they can be.

    Blocks with experts can where the grouped product takes bf16 rows of whole 16 bytes: the compiler knows no other
    type of it. Raises UsageError where it is asked for and cannot be.
    """
    shape, wanted = spec.shape, execution.compile
    widths = (shape.d_model, shape.d_expert)
    able = shape.is_dense or (spec.training.precision == "bf16" and not any(width % 8 for width in widths))
    if wanted and not able:
        raise UsageError(
            f"experts of width {shape.d_expert} in {spec.training.precision} cannot be compiled, only those in bf16"
            " with widths that are multiples of 8; leave --compile out"
        )
    if wanted is not None:
        return wanted
    return able and device.type == "cuda" and not lacks()


@cache
def lacks() -> str | None:
    """Return what this machine lacks to compile for its GPU, or None; it is said once."""
    from torch.utils._triton import has_triton

    header = Path(sysconfig.get_paths()["include"]) / "Python.h"
    lacking = None
    if not has_triton():
        lacking = "Triton"
    elif not (os.environ.get("CC") or shutil.which("gcc") or shutil.which("clang")):
        lacking = "a C compiler"
    elif not header.is_file():
        lacking = f"Python's headers ({header})"
    if lacking:
        warn(f"blocks are not compiled and training is slower, because this machine lacks {lacking}")
    return lacking


def start_afresh() -> None:
    """Forget what earlier runs of this process compiled, and set what torch.compile does otherwise by default."""
    torch.compiler.reset()
    torch._dynamo.config.recompile_limit = GRAPHS
    torch._dynamo.config.optimize_ddp = False  # it would cut blocks, which are compiled one by one, at its buckets
    # else products in the router's backward pass run in bf16, though its forward pass is fp32 whatever the autocast
    torch._functorch.config.backward_pass_autocast = "off"
