"""The page of arXiv 2203.15556: its answer, its tables and the key numbers."""

import numpy as np

from reports.page.number_text import flops, general
from reports.page.table import TOKENS_PER_PARAMETER, Table, estimate, number, text
from reports.papers.chinchilla.claims import REASONS, claims
from reports.papers.chinchilla.figures import FIGURES
from reports.papers.chinchilla.study import (
    CHINCHILLA,
    PRINTED,
    ROUNDED,
    Chinchilla,
    build,
    exponent,
    read,
    tokens_per_parameter,
)
from reports.papers.coefficients import coefficient_table, fit_note
from reports.papers.reproduction import Reproduction, with_usual_page

COLUMNS = (
    text("coefficients"),
    *estimate(number("a", "a of N ∝ C^a", general(3)), "a"),
    *estimate(TOKENS_PER_PARAMETER.named("tokens_per_parameter", f"D/N at {flops(CHINCHILLA)}")),
    number("rms", "RMS of ln L", general(3)),
    number("bias", "mean of ln L predicted - ln L", general(2)),
)


def optimum_table(data: Chinchilla) -> Table:
    """Return the optimum that each set of coefficients gives, and how well it describes the runs."""
    ours = (data.exponent_ends, data.ratio_ends(CHINCHILLA))
    rows = []
    for name, params in data.coefficients.items():
        misses, (a_ends, ends) = data.misses(params), ours if name == "our fit" else ((None, None), (None, None))
        a, ratio = float(exponent(params)), float(tokens_per_parameter(params, CHINCHILLA))
        rows.append((name, a, *a_ends, ratio, *ends, float(np.sqrt(np.mean(misses**2))), float(misses.mean())))
    note = "At C = 6 N D. Intervals: percentiles of the bootstrap draws of our fit; printed coefficients have none."
    return Table(name="optimum", title="What the coefficients say", note=note, columns=COLUMNS, rows=tuple(rows))


def reproduction() -> Reproduction:
    """Return the study refitted from the shipped rows."""
    data = build(read())
    low, high = data.ratio_ends(CHINCHILLA)
    ours, rounded = (float(tokens_per_parameter(params, CHINCHILLA)) for params in (data.params, ROUNDED.params))
    answer = (
        f"Refitted to {len(data.loss)} points of the paper's figure, the law predicts the lowest loss at {ours:.1f} "
        f"tokens per parameter (95 % interval {low:.1f} to {high:.1f}) for the compute of the 70B model; the "
        f"coefficients as printed say {rounded:.0f}."
    )
    return with_usual_page(
        data,
        FIGURES,
        title="Chinchilla: arXiv 2203.15556",
        question="How does the loss of a dense model depend on parameters and tokens, and how to split a budget?",
        answer=answer,
        claims=claims(data),
        reasons=REASONS,
        tables=(
            coefficient_table({"all runs": data.fit}, {"all runs": PRINTED}, note=fit_note(data.fit)),
            optimum_table(data),
        ),
        footer=f"n = {len(data.loss)} runs; {data.source}.",
        summary={
            "n": len(data.loss),
            "coefficients": data.params,
            "objective": data.fit.objective,
            "tokens_per_parameter": {"C": CHINCHILLA, "value": ours, "lo": low, "hi": high},
        },
    )
