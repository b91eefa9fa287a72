"""Units that cannot be right: N in millions, D in billions or as a ratio, mixed units, a perplexity as loss.

    check_units(table, {"N": "params"})
    unit_of("val_bpb")  # bpb, by its name

Every error names the `--columns` that repairs it. Nothing is converted without being asked.
"""

import math
import re
from collections.abc import Mapping

import numpy as np

from fits.runs.columns import guesses
from fits.runs.table import UNITS, Floats, RunTable
from planners.records.errors import UsageError
from planners.records.registry import look_up

FEWEST_PARAMETERS = 100.0
"""If no N is above this, N is given in millions or billions."""
FEWEST_OF_BOTH = 3e4
"""If the medians of N and D are below this, both are given in millions or billions."""
FEWEST_TOKENS = 1e-3
"""If no D / N is above this, D is given in billions or per parameter."""
MOST_PER_BILLION = 3e-6
"""If the median of D / N is above this and D is too small, D is given in millions: in billions it would be absurd."""
MOST_TOKENS = 1e6
"""If the median of D / N is above this, N is given in millions or billions: no run sees so many tokens."""
MIXED = 1e4
"""Ratio of neighbouring values above which a column mixes units, if the smaller one is below FEWEST_OF_BOTH."""
MOST_NATS = 12.5
"""Loss in nats above which it cannot be a cross-entropy: the logarithm of the largest vocabulary (268k)."""
_BITS = {"bpb": r"bpb|bits?[ _./-]*per[ _./-]*byte", "bpc": r"bpc|bits?[ _./-]*per[ _./-]*char(acter)?"}
"""Unit -> the names of columns that state it."""


def unit_of(name: str, given: str | None = None) -> tuple[str, list[str]]:
    """Return the unit of a loss and what to say about it: as given, or as the name of its column says, else nats.

    Raises UsageError for an unknown unit.
    """
    if given is not None:
        look_up(UNITS, given, "unit")
        return given, []
    for unit, pattern in _BITS.items():
        if re.fullmatch(rf"(.*[^a-z])?({pattern})([^a-z].*)?", name.lower()) and not re.search(r"[*(]", name):
            return unit, [f"the loss is taken to be in {UNITS[unit]}, as its column {name} says (--unit {unit})"]
    return "nats", []


def check_units(table: RunTable, columns: Mapping[str, str]) -> None:
    """Raise UsageError if N, D or the loss seem to be in other units; `columns` are the names that the user gave.

    Tables of our own records, which have N_vocab, are exempt.
    """
    if table.has("N_vocab") or not len(table):
        return
    name = {ours: columns.get(ours, ours) for ours in ("N", "D", "loss")}
    found = {ours: values for ours in ("N", "D") if (values := _positive(table, ours)) is not None}
    sizes = _wrong_sizes(found, name, columns)
    what = sizes or _mixed(found) or _perplexity(table, name["loss"], columns)
    if what:
        raise UsageError(f"{table.source}: {what}")


def _wrong_sizes(found: Mapping[str, Floats], name: Mapping[str, str], given: Mapping[str, str]) -> str:
    N, D = found.get("N"), found.get("D")
    n, d = name["N"], name["D"]
    if N is not None and D is not None:
        if max(np.median(N), np.median(D)) < FEWEST_OF_BOTH:
            text = f"half of the runs have N below {np.median(N):.3g} and D below {np.median(D):.3g}"
            return f"{text}; if they are given in millions or billions: {_columns(given, N=f'{n}*1e6', D=f'{d}*1e9')}"
        ratio = D / N
        if np.median(ratio) > MOST_TOKENS:
            unit, factor = ("billions", "1e9") if np.median(ratio) > 3e8 and N.max() < 1e3 else ("millions", "1e6")
            text = f"N is {N.min():.3g} to {N.max():.3g}, with {np.median(ratio):.2g} tokens per parameter"
            return f"{text}; if N is in {unit}: {_columns(given, N=f'{n}*{factor}')}"
        if ratio.max() < FEWEST_TOKENS:
            text = f"D is at most {ratio.max():.2g} tokens per parameter"
            unit, factor = ("millions", "1e6") if np.median(ratio) > MOST_PER_BILLION else ("billions", "1e9")
            per, scaled = _columns(given, D=f"{d}*N"), _columns(given, D=f"{d}*{factor}")
            if guesses.is_ratio(d):
                return f"{text}; if it is given per parameter: {per}"
            return f"{text}; if D is given in {unit}: {scaled}, and if it is given per parameter: {per}"
    if N is not None and N.max() < FEWEST_PARAMETERS:
        billions = _columns(given, N=f"{n}*1e9")
        millions = _columns(given, N=f"{n}*1e6")
        return f"no model has N = {N.max():g}; if N is in billions: {billions}, in millions: {millions}"
    return ""


def _mixed(found: Mapping[str, Floats]) -> str:
    for ours, values in found.items():
        steps = np.sort(values)
        if len(steps) < 2:
            continue
        at = int(np.argmax(steps[1:] / steps[:-1]))
        low, high = steps[at], steps[at + 1]
        if high > MIXED * low and low < FEWEST_OF_BOTH:
            text = f"{ours} mixes units: {at + 1} of {len(steps)} values are at most {low:.3g}, the others at least"
            return f"{text} {high:.3g}; write all in one unit, or choose rows with --where '{ours}>={high:.3g}'"
    return ""


def _perplexity(table: RunTable, name: str, given: Mapping[str, str]) -> str:
    loss = _positive(table, "loss")
    if loss is None:
        return ""
    logarithm = _columns(given, loss=f"ln({name})")
    if guesses.is_perplexity(name) and "(" not in name.partition("ppl")[0]:
        return f"the column {name} is a perplexity by its name, and a law needs its logarithm: {logarithm}"
    most = MOST_NATS if table.unit == "nats" else round(MOST_NATS / math.log(2), 1)
    high = int((loss > most).sum())
    if not high:
        return ""
    text = f"{high} of {len(loss)} losses exceed {most} {table.unit} (up to {loss.max():.4g}), above any vocabulary's"
    cure = f"if they are perplexities: {logarithm}"
    return f"{text}; {cure}" + f", or leave the rows out: --where 'loss<={most}'" * (high < len(loss))


def _positive(table: RunTable, column: str) -> Floats | None:
    """Return the positive values of a column, shape (n,); None if a cell is not a number (a law reports it)."""
    if not table.has(column) or table.frame[column].dtype.kind not in "iuf":
        return None
    values = table.frame[column].to_numpy(float)
    return values if bool((np.isfinite(values) & (values > 0)).all()) else None


def _columns(given: Mapping[str, str], **pairs: str) -> str:
    return guesses.columns_flag({**given, **pairs})
