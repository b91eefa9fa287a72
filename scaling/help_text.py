"""The order of flags in the help, words that people try instead of a flag, and lines that fit a terminal."""

import difflib
import os
import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping

FIRST = "what most people need"
WHERE = (
    "cluster", "profile", "parallel", "gpus-per-run", "runs-per-gpu", "attempts", "max-jobs", "max-device-hours",
    "flops-per-s",
)  # fmt: skip
SLURM = ("pack", "partition", "account", "qos", "constraint", "nodes", "timeout-min", "setup", "slurm", "srun")
EXECUTION = ("devices", "micro-batch", "compile", "recompute", "shard", "deterministic")
JOBS: Mapping[str, tuple[str, ...]] = {"where": WHERE, "Slurm": SLURM, "how a run is executed": EXECUTION}
GROUPS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "plan": {
        FIRST: (
            "preset", "budget", "total-params", "activation", "top-k", "seeds", "data", "seq-len", "device", "out",
        ),
        "more runs": (
            "add", "reuse", "controls", "repeat", "lr-check", "tune", "tune-at", "tune-seeds", "vary", "own-seeds",
        ),
        "what is compared": (
            "match", "hold", "tokens", "unique-tokens", "grid", "flops", "margin", "loss-slope", "vocab-size",
        ),
        "shapes": (
            "d-model", "n-layers", "n-heads", "d-expert", "dense-d-model", "dense-n-layers", "dense-n-heads", "align",
            "router",
        ),
        "training": (
            "recipe", "lr", "batch-tokens", "schedule", "weight-decay", "precision", "threads", "eval-windows",
            "eval-steps", "patience",
        ),
        "forecast": ("mfu", "tokens-per-s", "price", "count", "devices", "shard"),
        "output": ("wide", "json", "export", "changed", "weights", "version", "help"),
    },
    "sweep": {
        FIRST: ("go", "status", "log", "retry", "cancel", "cluster", "parallel", "gpus-per-run", "partition", "wait"),
        **JOBS,
    },
    "study": {FIRST: ("out", "budget", "data", "cluster", "parallel", "gpus-per-run", "partition"), **JOBS},
    "fit": {
        FIRST: (
            "runs", "columns", "law", "over", "where", "margin", "bootstrap", "at", "unit", "out",
        ),
        "the table": ("from", "embeddings", "learning-rates"),
        "the fit": ("delta", "fixed", "block", "resampling", "slope", "seed"),
        "predictions": ("register", "score"),
    },
}  # fmt: skip
"""Verb -> heading -> flags in their order; flags that are not listed come last."""
OTHER = {
    "dry-run": "nothing is trained without --go, so no flag is needed for a dry run",
    "params": "did you mean --total-params",
    "flops-budget": "did you mean --budget",
    "compute": "did you mean --budget",
    "gpus": "did you mean --gpus-per-run, --devices or --count",
    "gpu": "did you mean --device",
    "rates": "did you mean --activation",
    "experts": "did you mean --top-k or --vary n_experts=",
    "context": "did you mean --seq-len",
    "learning-rate": "did you mean --lr",
    "output": "did you mean -o",
    "run": "did you mean --go",
    "csv": "did you mean --runs",
}
"""Words that people try, and what to say to them."""


def ordered(verb: str, names: Iterable[str]) -> dict[str, list[str]]:
    """Return the flags of a verb by heading, each flag once."""
    left, found = dict.fromkeys(names), dict[str, list[str]]()
    for heading, wanted in GROUPS.get(verb, {}).items():
        found[heading] = [name for name in wanted if name in left]
        left = dict.fromkeys(name for name in left if name not in found[heading])
    return {heading: own for heading, own in {**found, "others" if found else "options": list(left)}.items() if own}


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return a sentence on a word that is not known, or an empty text."""
    name = word.lstrip("-").partition("=")[0]
    if name in OTHER:
        return OTHER[name]
    choices = {one.lstrip("-"): one for one in known}
    near = difflib.get_close_matches(name, choices, n=2, cutoff=0.6) or [one for one in choices if name in one][:2]
    return f"did you mean {' or '.join(choices[one] for one in near)}" if near and name else ""


def width() -> int:
    """Return the columns of the terminal; 80 where there is none and COLUMNS does not say."""
    return max(shutil.get_terminal_size().columns, 40)


def wrapped(text: str) -> str:
    """Return a text whose sentences are broken at the width of the terminal, in a file without a change.

    Lines of tables, which hold several spaces in a row, and commands to copy stay whole.
    """
    if not (sys.stdout.isatty() or os.environ.get("COLUMNS")):
        return text
    return "\n".join(_broken(line) for line in text.split("\n"))


def _broken(line: str) -> str:
    if len(line) <= width() or "  " in line.strip() or "python -m scaling." in line:
        return line
    return textwrap.fill(line, width(), subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
