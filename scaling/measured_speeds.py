"""Utilisation that earlier studies reached on a device, for forecasts of new ones."""

import csv
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from planners.architecture.devices import Device


@dataclass(frozen=True, kw_only=True)
class MeasuredSpeeds:
    """What finished runs reached."""

    mfu: dict[str, float]
    """Median utilisation of dense and of MoE runs, by kind; a kind without runs is missing."""
    runs: int
    """Number of runs."""
    studies: tuple[str, ...]
    """Names of their studies."""

    def __str__(self) -> str:
        shares = ", ".join(f"{kind} {100 * share:.2g} %" for kind, share in sorted(self.mfu.items(), reverse=True))
        return f"{shares} ({self.runs} runs of {', '.join(self.studies)})"


def measured_speeds(device: Device, folder: Path) -> MeasuredSpeeds | None:
    """Return what the runs on `device` in the studies of `folder` reached; None without such runs."""
    found: dict[str, list[float]] = {"dense": [], "MoE": []}
    studies: dict[str, None] = {}
    for path in sorted(folder.glob("*/runs.csv")):
        for kind, mfu in _utilisations(path, device):
            found[kind].append(mfu)
            studies[path.parent.name] = None
    medians = {kind: statistics.median(values) for kind, values in found.items() if values}
    return MeasuredSpeeds(mfu=medians, runs=sum(map(len, found.values())), studies=tuple(studies)) if medians else None


def _utilisations(path: Path, device: Device) -> Iterator[tuple[str, float]]:
    """Yield kind and utilisation of the finished runs of a table on a device; what is not a number is left out."""
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        for row in csv.DictReader(file):
            try:
                mfu, experts = float(row["mfu"]), int(row["n_experts"])
                where, state, precision = row["environment.device"], row["state"], row["precision"]
            except (KeyError, TypeError, ValueError):
                continue
            on_it = device.driver in where and "MIG" not in where
            if state == "done" and precision == "bf16" and on_it and 0 < mfu <= 1:
                yield "MoE" if experts else "dense", mfu
