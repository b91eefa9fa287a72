"""nanochat: the table of its script of scaling laws, and what it prints on standard output.

Source: karpathy/nanochat, `runs/scaling_laws.sh` and `scripts/base_train.py` (July 2026). The loss is in bits per byte.
"""

import re
from pathlib import Path

from fits.runs.sources.log_text import last, text_of
from fits.runs.sources.source import Run, Source, progress


def _is_log(content: bytes) -> bool:
    return bool(re.search(rb"Step \d{5,} \| Validation bpb: ", content))


def _read(path: Path, content: bytes) -> list[Run]:
    """Return the last validation loss with the parameters, tokens and FLOPs that the log states."""
    text = text_of(content)
    run: Run = {
        "run": str(path.with_suffix("")),
        "params_total": last(r"^total +: ([\d,]+)", text),
        "tokens_trained": last(r"Total number of training tokens: ([\d,]+)", text),
        "flops_budget": last(r"Total training FLOPs estimate: ([-+.\de]+)", text),
        "val_bpb": last(r"Validation bpb: ([\d.]+)", text),
    }
    step = last(r"^Step (\d+) \| Validation bpb", text)
    return [run | progress(step, last(r"number of iterations[^:\n]*: ([\d,]+)", text))]


SOURCE = Source(
    what="the scaling laws of nanochat",
    columns={"N": ("params_total",), "D": ("tokens_trained",), "C": ("flops_budget",), "loss": ("val_bpb",)},
    marks=("flops_budget", "params_total", "tokens_trained", "val_bpb"),
    files=("*.log", "*.out", "*.txt"),
    is_log=_is_log,
    read=_read,
)
