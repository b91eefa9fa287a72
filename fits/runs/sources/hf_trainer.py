"""The Hugging Face Trainer: `trainer_state.json` of a run, or of its last checkpoint."""

import json
from collections.abc import Mapping
from pathlib import Path

from fits.runs.sources.source import Run, Source, progress


def _is_log(content: bytes) -> bool:
    return content.lstrip().startswith(b"{") and b'"log_history"' in content


def _read(path: Path, content: bytes) -> list[Run]:
    """Return the last value that was logged of every metric; `config.json` next to the file gives the parameters."""
    state = json.loads(content)
    of_checkpoint = path.match("checkpoint-*/trainer_state.json")
    run: Run = {"run": str(path.parent.parent if of_checkpoint else path.parent)}
    for line in state.get("log_history") or ():
        if isinstance(line, Mapping):
            run |= {str(key): value for key, value in line.items() if isinstance(value, int | float)}
    stated = {key: state.get(key) or None for key in ("num_input_tokens_seen", "total_flos")}
    return [run | stated | _parameters(path.parent) | progress(state.get("global_step"), state.get("max_steps"))]


def _parameters(folder: Path) -> Run:
    """Return the parameters without the vocabulary, counted from the model's configuration where it is there."""
    from planners.model_count import count_model
    from planners.records.errors import UsageError

    try:
        shape = count_model(folder / "config.json").shape
    except UsageError:
        return {}
    return {"parameters": shape.N, "active parameters": shape.N_a, "embeddings": "excluded"}


SOURCE = Source(
    what="a log of the Hugging Face Trainer",
    columns={
        "N": ("parameters",),
        "N_a": ("active parameters",),
        "D": ("num_input_tokens_seen", "num_tokens"),
        "C": ("total_flos",),
        "loss": ("eval_ce", "eval_loss", "loss", "train_loss"),
    },
    files=("trainer_state.json",),
    is_log=_is_log,
    read=_read,
    training=("loss", "train_loss"),
)
