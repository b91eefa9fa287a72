"""OLMo-core: what it prints on standard output, and its columns in Weights & Biases and Comet.

Source: allenai/OLMo-core, `olmo_core/train/callbacks/console_logger.py` and `olmo_core/utils.py` (June 2026).
"""

import re
from pathlib import Path

from fits.runs.sources.log_text import last, number, text_of
from fits.runs.sources.source import Run, Source, progress

_METRIC = re.compile(r"^    ([^=\n]+)=([-+.,\dE]+)([TBPE]?)\s*$", re.MULTILINE)
_SUFFIXES = {"": 1.0, "B": 1e9, "T": 1e12, "P": 1e15, "E": 1e18}


def _is_log(content: bytes) -> bool:
    return bool(re.search(rb"\[step=\d+/[\d?]+,epoch=", content))


def _read(path: Path, content: bytes) -> list[Run]:
    """Return the last value of every metric, and the parameters without the embedding."""
    text = text_of(content)
    run: Run = {"run": str(path.with_suffix(""))}
    for name, value, suffix in _METRIC.findall(text):
        found = number(value)
        run[name] = None if found is None else found * _SUFFIXES[suffix]
    held_out = [name for name in run if name.endswith("/CE loss") and not name.startswith("train/")]
    if len(held_out) == 1:
        run["validation CE loss"] = run[held_out[0]]
    run["non-embedding parameters"] = last(r"([\d,]+) non-embedding params", text) or last(
        r"Non-embedding parameters: +([\d,]+)", text
    )
    return [run | progress(last(r"\[step=(\d+)/", text), last(r"\[step=\d+/(\d+)", text))]


SOURCE = Source(
    what="a log of OLMo-core",
    columns={
        "N": ("non-embedding parameters",),
        "D": ("throughput/total tokens",),
        "C": ("throughput/total petaflops*1e15",),
        "loss": ("validation CE loss", "train/CE loss"),
    },
    marks=("train/CE loss", "throughput/total tokens"),
    files=("*.log", "*.out", "*.txt"),
    is_log=_is_log,
    read=_read,
    training=("train/CE loss",),
)
