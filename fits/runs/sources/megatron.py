"""Megatron-LM: what it prints on standard output, and its columns in TensorBoard and Weights & Biases.

Source: NVIDIA/Megatron-LM, `megatron/training/training.py` and `arguments.py` (December 2026).
"""

import re
from pathlib import Path

from fits.runs.sources.log_text import last, number, text_of, times
from fits.runs.sources.source import Run, Source, progress

_STEP = re.compile(r"iteration +(\d+)/ *(\d+) \|(.*consumed samples.*)")
_PAIR = re.compile(r" *([^|:]+): +([-+.\dEe]+)(?= *\|)")
_HELD_OUT = re.compile(r"(validation|test)[^|\n]* loss at ([^|\n]*)\|(.*)")
_VALUE = re.compile(r" *([^|]+?) (?:value|PPL): +([-+.\dEe]+)")
_SIZE = re.compile(r"number of parameters on .*?model parallel rank \(([\d, ]+)\): +(\d+)")


def _is_log(content: bytes) -> bool:
    return bool(re.search(rb"iteration +\d+/ *\d+ \|.*consumed samples:", content))


def _read(path: Path, content: bytes) -> list[Run]:
    """Return the last iteration, the last held-out losses, and N and D where the log states what they follow from."""
    text = text_of(content)
    step, steps, rest = list(_STEP.finditer(text))[-1].groups()
    run: Run = {
        "run": str(path.with_suffix("")),
        **{name.strip(): number(value) for name, value in _PAIR.findall(f"|{rest}")},
    }
    for found in _HELD_OUT.finditer(text):
        kind = "test" if "test set" in found[2] else found[1]
        run |= {
            f"{name.strip()} {kind}": number(value)
            for name, value in _VALUE.findall(found[3].split(" PPL:")[0].replace("|", " | "))
            if "PPL" not in name
        }
    sizes = {rank: int(size) for rank, size in _SIZE.findall(text)}
    length = last(r"^.*?\bseq_length \.+ (\d+)", text)
    tokens = times(run.get("consumed samples"), length)
    return [run | {"parameters": sum(sizes.values()) or None, "tokens": tokens} | progress(float(step), float(steps))]


SOURCE = Source(
    what="a log of Megatron-LM",
    columns={
        "N": ("parameters",),
        "D": ("tokens",),
        "loss": ("lm loss validation", "lm loss test", "lm loss"),
    },
    marks=("lm loss validation", "lm loss"),
    files=("*.log", "*.out", "*.txt"),
    is_log=_is_log,
    read=_read,
    training=("lm loss",),
)
