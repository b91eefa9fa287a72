"""Predictions as text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from planners.records.quantity import format_flops, format_quantity

if TYPE_CHECKING:  # predictions import this module for their `str`
    from fits.predict.prediction import Predicted, Prediction

NAMES = {"D_per_N": "D / N", "r_a": "r_a*", "dense_minus_moe": "dense less MoE"}
"""How a predicted number is called."""
LOSSES = ("loss", "dense_minus_moe")
"""Predicted numbers in the unit of the loss."""


def prediction_text(one: Prediction) -> str:
    """Return a prediction as text: the target, a line for each number, and notes."""
    if not one.asked:
        return allocation_line(one)
    return "\n".join([f"[[Prediction]] {heading(one)}", *(f"    {line}" for line in _lines(one))])


def heading(one: Prediction) -> str:
    """Return the law and the target, with what was chosen for the lowest loss and how far it lies beyond the runs."""
    given = ", ".join(f"{name} = {amount(name, value)}" for name, value in one.given.items())
    chosen = f", {' and '.join(one.optimal)} chosen for the lowest loss" if one.optimal else ""
    far = f"; {one.extrapolation}" if one.extrapolation else "; inside the runs"
    return f"{one.law} at {given}{chosen}{far}"


def allocation_line(one: Prediction) -> str:
    """Return the compute-optimal tokens per parameter in one line."""
    found = one.of("D_per_N")
    C = format_flops(one.given["C"])
    if found is None or found.value is None:
        return f"[[Allocation]] {one.law}: no compute-optimal size at C = {C}"
    far = f"; {one.extrapolation}" if one.extrapolation else ""
    what = f"compute-optimal tokens per parameter at C = {C}, the largest here"
    return f"[[Allocation]] {what}: {value_text(found)}; {one.law}{far}"


def _lines(one: Prediction) -> Iterator[str]:
    for each in one.values:
        name = NAMES.get(each.of, each.of)
        unit = f" in {one.unit}" if one.unit != "nats" and each.of in LOSSES else ""
        yield f"{name + unit:<8} {value_text(each)}{_parts(each)}"
    if one.forms:
        yield f"forms    {', '.join(one.forms)} fit nearly as well"
    yield from (f"note     {note}" for note in one.notes)


def value_text(one: Predicted) -> str:
    """Return a predicted number with its interval, or why there is none."""
    if one.value is None:
        return f"not given: {one.reason}"
    if one.lo is None or one.hi is None:
        return f"{amount(one.of, one.value)} (no interval)"
    return f"{amount(one.of, one.value)} (95 %: {amount(one.of, one.lo)} to {amount(one.of, one.hi)})"


def _parts(one: Predicted) -> str:
    said = []
    if one.parameters is not None:
        said.append(f"parameters {_span(one, one.parameters)}")
    if one.form is not None:
        said.append(f"form {_span(one, one.form)}")
    if one.noise is not None:
        said.append(f"noise +-{one.noise:.2g}")
    return f"; {', '.join(said)}" if said else ""


def _span(one: Predicted, ends: tuple[float, float]) -> str:
    down, up = ends
    return f"-{_short(one.of, down)} +{_short(one.of, up)}"


def _short(of: str, value: float) -> str:
    return format_quantity(value, 2) if of in ("N", "D") else f"{value:.2g}"


def amount(of: str, value: float) -> str:
    """Return a number as the field writes it."""
    if of == "C":
        return format_flops(value)
    if of in ("N", "D", "N_a", "U"):
        return format_quantity(value)
    return f"{value:.4g}" if of in LOSSES else f"{value:.3g}"
