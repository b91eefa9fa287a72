"""Whether the blocks of a model are compiled, and the settings of the compiler."""

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
"""Most graphs per function (one per kind of block, mode and batch size); beyond this torch stops compiling."""


def compiles(execution: Execution, spec: RunSpec, device: torch.device) -> bool:
    """Return whether blocks are compiled: as `execution.compile` says, by default on a GPU if possible.

    Blocks with experts can be compiled in bf16 if their rows are multiples of 16 bytes: the compiler supports no other
    form of the grouped matrix product. Raises UsageError if compilation is requested but not possible.
    """
    shape, wanted = spec.shape, execution.compile
    widths = (shape.d_model, shape.d_expert)
    able = shape.is_dense or (spec.training.precision == "bf16" and not any(width % 8 for width in widths))
    if wanted and not able:
        raise UsageError(
            f"experts of width {shape.d_expert} in {spec.training.precision} cannot be compiled, only those in bf16"
            " with widths that are multiples of 8; omit --compile"
        )
    if wanted is not None:
        return wanted
    return able and device.type == "cuda" and not lacks()


@cache
def lacks() -> str | None:
    """Return the missing requirement for compilation on this machine's GPU, or None; warns once."""
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
        warn(f"this machine lacks {lacking}, so blocks are not compiled and training is slower; install it to compile")
    return lacking


def start_afresh() -> None:
    """Drop graphs that earlier runs of this process compiled, and change three defaults of torch.compile."""
    torch.compiler.reset()
    torch._dynamo.config.recompile_limit = GRAPHS
    torch._dynamo.config.optimize_ddp = False  # it would split blocks at DDP's buckets
    # By default the router's backward pass would run in bf16, although its forward pass is in fp32 under autocast.
    torch._functorch.config.backward_pass_autocast = "off"
