"""Tables 2, 5, 6 and 7 of arXiv 2506.12119 as records: ablations, and accuracies after fine-tuning."""

import csv
from dataclasses import dataclass
from pathlib import Path

from planners.published.li2025.rows import FOLDER


@dataclass(frozen=True, kw_only=True)
class Ablation:
    """One run of tables 5 to 7; losses are comparable only within a group."""

    table: int
    """Number of the table in the paper."""
    compared: str
    """What the group compares."""
    group: str
    """What the runs of the group share."""
    setting: str
    """What distinguishes this run."""
    top_k: int | None
    """Routed experts per token; null where the table file leaves it out."""
    loss: float
    """Training cross-entropy, nats per token."""
    balance_loss: float | None
    """Logged balance loss; null where it is not printed."""


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """One row of table 2: accuracies (%) of three 7B models after supervised fine-tuning."""

    group: str
    """Group of benchmarks, as in the paper's Fig. 3."""
    name: str
    """The benchmark."""
    dense: float
    """Dense model, at about twice the compute."""
    fresh: float
    """MoE model on fresh data."""
    strict: float
    """MoE model on the unique tokens of the dense model of equal compute."""


def li2025_ablations(folder: Path = FOLDER) -> tuple[Ablation, ...]:
    """Return the runs of tables 5 to 7 in the order of the table file in `folder`."""
    return tuple(
        Ablation(
            table=int(row["table"]),
            compared=row["compared"],
            group=row["group"],
            setting=row["setting"],
            top_k=int(row["top_k"]) if row["top_k"] else None,
            loss=float(row["loss"]),
            balance_loss=float(row["balance_loss"]) if row["balance_loss"] else None,
        )
        for row in _rows(folder / "li2025_ablations.csv")
    )


def li2025_benchmarks(folder: Path = FOLDER) -> tuple[Benchmark, ...]:
    """Return the rows of table 2 in the order of the table file in `folder`."""
    return tuple(
        Benchmark(
            group=row["group"],
            name=row["benchmark"],
            dense=float(row["dense_C2"]),
            fresh=float(row["moe_fresh"]),
            strict=float(row["moe_strict"]),
        )
        for row in _rows(folder / "li2025_downstream.csv")
    )


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
