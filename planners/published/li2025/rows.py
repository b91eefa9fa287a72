"""The runs of tables 9 to 17 of arXiv 2506.12119 as records, with their architecture where the table file has it.

The paper counts parameters and FLOPs by the conventions `li2025` and `li2025+router` (`planners.architecture.flops`).
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from planners.architecture.shape import Shape
from planners.published import published

SEQ_LEN = 2048
"""Context length of the runs in tables 9 to 17; batches are printed in sequences of it."""
VOCAB_SIZE = 65_536
"""Vocabulary of its models; its N, M and C leave it out."""
FOLDER = Path(__file__).parent
"""Folder of its tables."""


@dataclass(frozen=True, kw_only=True)
class Li2025Run:
    """One printed run. Null: the table file leaves it out."""

    table: int
    """Number of the table in the paper."""
    scale: str
    """2B, 3B or 7B."""
    arm: str
    """What the table varies: dense_C1, dense_C2, moe_fixed_C, moe_fixed_r_a, moe_fixed_D, moe_strict_reuse,
    moe_loose_reuse."""
    shape: Shape | None
    """The architecture."""
    N: float
    """Parameters without vocabulary, norms and router."""
    r_a: float
    """Activation rate, to the digits of the printed percentage."""
    N_a: float | None
    """Active parameters."""
    M: float | None
    """Training FLOPs per token."""
    D: float
    """Tokens consumed."""
    U: float
    """Unique tokens among them."""
    C: float | None
    """Training FLOPs."""
    lr: float | None
    """Peak learning rate."""
    batch_tokens: int | None
    """Tokens per optimizer step."""
    steps: int | None
    """Optimizer steps."""
    bpc: float
    """Validation loss in bits per character, on data of another distribution than the training data."""


def li2025_runs(folder: Path = FOLDER) -> tuple[Li2025Run, ...]:
    """Return the 80 runs in the order of the table file in `folder`."""
    with (folder / published("li2025").path.name).open(encoding="utf-8", newline="") as file:
        return tuple(_run(row) for row in csv.DictReader(file))


@cache
def li2025_shape(run: Li2025Run) -> Shape:
    """Return the architecture of a run. Runs of tables 15 and 16 get the experts of the table 10 run nearest in rate.

    The table file has the rates of those runs but not their experts. On 24 layers these experts give the printed rates
    to 0.03 percentage points.
    """
    if run.shape is not None:
        return run.shape
    shapes = [replace(known.shape, n_layers=24) for known in li2025_runs() if known.table == 10 and known.shape]
    return min(shapes, key=lambda shape: abs(shape.r_a - run.r_a))


def _run(row: Mapping[str, str]) -> Li2025Run:
    batch = _number(row["batch_seqs"])
    steps = _number(row["steps"])
    return Li2025Run(
        table=int(row["table"]),
        scale=row["scale"],
        arm=row["arm"],
        shape=_shape(row),
        N=float(row["N"]),
        r_a=float(row["r_a"]),
        N_a=_number(row["N_a"]),
        M=_number(row["M"]),
        D=float(row["D"]),
        U=float(row["U"]),
        C=_number(row["C"]),
        lr=_number(row["lr"]),
        batch_tokens=None if batch is None else int(batch) * SEQ_LEN,
        steps=None if steps is None else int(steps),
        bpc=float(row["bpc"]),
    )


def _shape(row: Mapping[str, str]) -> Shape | None:
    """Return the architecture of a row; None for rows of tables 15 and 16, whose experts the file leaves out."""
    if row["n_experts"] != "0" and not row["d_expert"]:
        return None
    d_model, n_heads = int(row["d_model"]), int(row["n_heads"])
    return Shape(
        d_model=d_model,
        n_layers=int(row["n_layers"]),
        n_dense_layers=int(row["n_dense_layers"]),
        n_heads=n_heads,
        n_kv_heads=n_heads,
        head_dim=d_model // n_heads,
        d_ff=int(row["d_ff"]),
        n_experts=int(row["n_experts"]),
        top_k=int(row["top_k"]),
        d_expert=int(row["d_expert"] or 0),
        d_shared=int(row["d_shared"] or 0),
        vocab_size=VOCAB_SIZE,
        positions="alibi",
    )


def _number(text: str) -> float | None:
    return float(text) if text else None
