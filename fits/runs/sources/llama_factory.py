"""LLaMA-Factory: `trainer_log.jsonl` of a run."""

import json
from pathlib import Path

from fits.runs.sources.source import Run, Source, progress


def _is_log(content: bytes) -> bool:
    first = content.lstrip().split(b"\n", 1)[0]
    return first.startswith(b"{") and b'"current_steps"' in first and b'"total_steps"' in first


def _read(path: Path, content: bytes) -> list[Run]:
    """Return the last value that was logged of every metric; a last line that was cut off is not read."""
    run: Run = {"run": str(path.parent)}
    lines = content.decode(errors="replace").splitlines()
    for at, line in enumerate(lines, 1):
        try:
            run |= json.loads(line) if line.strip() else {}
        except ValueError:
            if at < len(lines):
                raise
    return [run | progress(run.get("current_steps"), run.get("total_steps"))]


SOURCE = Source(
    what="a log of LLaMA-Factory",
    columns={"D": ("total_tokens",), "loss": ("eval_loss", "loss")},
    files=("trainer_log.jsonl",),
    is_log=_is_log,
    read=_read,
    training=("loss",),
)
