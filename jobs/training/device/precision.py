"""Arithmetic of a run: bf16 autocast over fp32 weights, and deterministic operations."""

import os
from contextlib import AbstractContextManager, nullcontext

import torch

from planners.records.errors import UsageError


def check_precision(precision: str, device: torch.device) -> None:
    """Raise UsageError if `device` does not support `precision`; every CPU does, if slowly."""
    if precision == "bf16" and device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        name = torch.cuda.get_device_name(device)
        raise UsageError(f"{name} does not compute in bf16; plan the study with --precision fp32, or use another GPU")


def autocast(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """Return the context of a forward pass. Weights, gradients, router and loss stay in fp32."""
    return torch.autocast(device.type, dtype=torch.bfloat16) if precision == "bf16" else nullcontext()


def set_deterministic(wanted: bool) -> None:
    """Restrict torch to deterministic operations if `wanted`. Call this before the first work on a GPU."""
    if wanted:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # CUDA reads this when it starts
    torch.use_deterministic_algorithms(wanted)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # nothing here reads such memory
