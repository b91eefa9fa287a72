"""What is equal, near and different under each engine: the lines of `parity.csv`, each held by a test that runs."""

import csv
from dataclasses import dataclass
from functools import cache
from math import isnan
from pathlib import Path

from jobs.engines.engine import Engine, EngineRun, described

VERDICTS = ("equal", "near", "different")
READ = "read"
"""Stands for a test where only the source of the engine was read."""


@dataclass(frozen=True, kw_only=True)
class Parity:
    """One line of a parity note."""

    engine: str
    """Name of the engine."""
    what: str
    """What is compared."""
    verdict: str
    """equal, near or different."""
    seen: str
    """Largest difference that was measured; empty where none was."""
    bound: float | None
    """Largest relative difference that the test allows; null where none is measured."""
    test: str
    """Words in the name of the test that holds it, or `read`."""
    how: str
    """How far apart, and why."""


@cache
def parity() -> tuple[Parity, ...]:
    """Return all lines."""
    with (Path(__file__).parent / "parity.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    limits = [float(row.pop("bound") or "nan") for row in rows]
    return tuple(Parity(**row, bound=None if isnan(limit) else limit) for row, limit in zip(rows, limits, strict=True))


def bound(engine: str, what: str) -> float:
    """Return the difference that a line allows."""
    [found] = [line.bound for line in parity() if (line.engine, line.what) == (engine, what)]
    assert found is not None
    return found


def parity_table(engine: str) -> list[str]:
    """Return the lines of one engine as a Markdown table."""
    lines = [line for line in parity() if line.engine == engine]
    rows = [f"| {one.what} | {one.verdict} | {_how(one)} | {one.test} |" for one in lines]
    return ["| what | verdict | how far | test |", "|---|---|---|---|", *rows]


def _how(line: Parity) -> str:
    limit = "" if line.bound is None else f"{f'{line.seen} seen, ' if line.seen else ''}at most {line.bound:g}"
    return "; ".join(filter(None, (line.how, limit)))


def parity_note(engine: Engine, run: EngineRun) -> str:
    """Return PARITY.md: what of this run is equal, near or different under the engine."""
    spec = run.spec
    changed = [f"- Changed: {sentence}." for sentence in run.changed]
    lines = [
        f"# Run {spec.run_id} on {engine.name}",
        "",
        f"Checked against {engine.version}. Arm {spec.arm}, router: {described(spec.router)}.",
        "",
        *([*changed, ""] if changed else []),
        *parity_table(engine.name),
        "",
        f"A test `{READ}` means that the source of the engine was read and nothing was run.",
        "",
        f"The loss of this run comes back by its run_id: `scaling.fit STUDY --runs TABLE` with a row {spec.run_id}.",
        "",
    ]
    return "\n".join(lines)
