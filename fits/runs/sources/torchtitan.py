"""torchtitan: what it prints on standard output, and its columns in TensorBoard and Weights & Biases.

Source: pytorch/torchtitan, `torchtitan/components/metrics.py` and `trainer.py` (August 2026).
"""

import re
from pathlib import Path

from fits.runs.sources.log_text import last, text_of, times
from fits.runs.sources.source import Run, Source, progress


def _is_log(content: bytes) -> bool:
    return bool(re.search(rb"\[titan\]|step:.{1,24}loss:.{1,40}grad_norm:", content))


def _read(path: Path, content: bytes) -> list[Run]:
    """Return the last training and validation loss, all parameters, and the tokens up to the last step."""
    text = text_of(content)
    step = last(r"step: +(\d+) +loss:", text)
    if step is None:
        raise ValueError("it has no line of a step")
    batch = last(r"\b([\d,]+) tokens per train step", text)
    if batch is None:  # printed until 2026
        batch = times(last(r"global batch size ([\d,]+)", text), last(r"sequence length ([\d,]+)", text))
    run: Run = {
        "run": str(path.with_suffix("")),
        "total parameters": last(r"size: ([\d,]+) total parameters", text),
        "n_tokens_seen": times(batch, step),
        "loss_metrics/global_avg_loss": last(r"(?<!validate )step: +\d+ +loss: +([\d.]+|nan)", text),
        "validation_metrics/loss": last(r"validate step: +\d+ +loss: +([\d.]+|nan)", text),
    }
    return [run | progress(step, last(r"total steps (\d+)", text))]


SOURCE = Source(
    what="a log of torchtitan",
    columns={
        "N": ("total parameters",),
        "D": ("n_tokens_seen",),
        "loss": ("validation_metrics/loss", "loss_metrics/global_avg_loss"),
    },
    marks=("loss_metrics/global_avg_loss",),
    files=("*.log", "*.out", "*.txt"),
    is_log=_is_log,
    read=_read,
    training=("loss_metrics/global_avg_loss",),
)
