"""What arXiv 2403.08540 claims, what its rows say, and why they differ."""

from collections.abc import Sequence

import numpy as np

from fits.runs.table import Floats
from planners.records.quantity import format_quantity
from reports.page.number_text import listed, signed
from reports.papers.claim import Claim, either
from reports.papers.gadre.study import PUBLISHED_ERRORS, USUAL, Gadre, Trained, few_tokens

RELIABLE = 2.0
"""Largest error that counts as reliable scaling, per cent."""


def error_text(error: float) -> str:
    """Write one error in per cent with its sign: `−4.3 %`."""
    return f"{signed(1)(error)} %"


def error_range(errors: Floats) -> str:
    """Write the range of errors in per cent: `−14.7 to −4.7 %`."""
    low, high = (signed(1)(float(end)) for end in (errors.min(), errors.max()))
    return f"{low} %" if low == high else f"{low} to {high} %"


def errors_by_ratio(trained: Sequence[Trained]) -> str:
    """Write the errors at each number of tokens per parameter below USUAL, the smallest model apart, and from USUAL on.

    The law has no term for what makes the shortest runs differ, and they do not differ alike at every size.
    """
    errors, M, smallest, fitted, N = (
        np.concatenate([getattr(one, name) for one in trained]) for name in ("errors", "M", "smallest", "fitted", "N")
    )
    others = format_quantity(float(N[~smallest].min()))
    parts = [
        f"at {few:g}: {error_range(errors[(few == M) & smallest])} for the smallest model and "
        f"{error_range(errors[(few == M) & ~smallest])} from {others} on"
        for few in np.unique(M[M < USUAL])
    ]
    return f"{'; '.join(parts)}; from {USUAL:g} on: {error_range(errors[(M >= USUAL) & ~fitted])}"


def claims(data: Gadre) -> tuple[Claim, ...]:
    """Return four claims of the paper with their verdicts."""
    ours = {key: abs(data.error(*key)) for key in PUBLISHED_ERRORS}
    said = listed(
        f"{format_quantity(data.size(name, model))} at {M:g}: {ours[name, model, M]:.4f} % (printed {error:.4f} %)"
        for (name, model, M), error in PUBLISHED_ERRORS.items()
    )
    worst = {one.label: float(one.from_usual[np.argmax(np.abs(one.from_usual))]) for one in data.trained}
    worst_text = "; ".join(f"{label} {error_text(error)}" for label, error in worst.items())
    few = few_tokens(data.trained)
    as_good = listed(f"{M:g}" for M, no_larger in few.items() if no_larger)
    apart = [
        f"{one.label} {key}"
        for one in data.trained
        for key, (low, high) in one.ends.items()
        if not low <= one.params[key] <= high
    ]
    return (
        Claim(
            says="Five small runs predict a 1.4B model at 640 tokens per parameter and a 6.9B model at 20 within "
            "0.7 %.",
            where="figure 1, text",
            found=f"On RedPajama {said}.",
            verdict=either(all(abs(ours[key] - error) < 1e-3 for key, error in PUBLISHED_ERRORS.items())),
        ),
        Claim(
            says="Loss scales reliably with over-training, whatever the training set.",
            where="title, text",
            found=f"On C4 the prediction for the 6.9B model is off by {error_text(c4_7b_error(data))}. Largest error "
            f"from {USUAL:g} tokens per parameter on: {worst_text}.",
            verdict=either(all(abs(error) < RELIABLE for error in worst.values())),
        ),
        Claim(
            says="At any number of tokens per parameter the loss falls with one exponent of compute.",
            where="equation 4",
            found=f"Errors by tokens per parameter: {errors_by_ratio(data.trained)}. The errors are as small as from "
            f"{USUAL:g} on at {as_good or 'no smaller number'}.",
            verdict=either(all(few.values())),
        ),
        Claim(
            says="A fit of five small runs determines the law.",
            where="text",
            found=f"We fitted all runs from {USUAL:g} on. These coefficients of the five runs lie outside the 95 % "
            f"interval: {listed(apart)}."
            if apart
            else "Every coefficient of the five runs lies in the interval of the fit to all.",
            verdict=either(not apart),
        ),
    )


def c4_7b_error(data: Gadre) -> float:
    """Return the relative error of the prediction for the 6.9B model on C4, per cent."""
    return data.error("c4_original", "open_lm_7b", USUAL)


def reasons(data: Gadre) -> tuple[str, ...]:
    """Return why numbers differ, as far as it is known."""
    digits = max(abs(abs(data.error(*key)) - error) for key, error in PUBLISHED_ERRORS.items())
    scatter = "; ".join(f"{one.label} {one.between_sizes:.1f}" for one in data.trained)
    return (
        f"The two predictions are reproduced to {digits:.0e} percentage points from the same five runs. The paper "
        "prints them for RedPajama. One fit of four coefficients to five runs says nothing about its own error.",
        "In these rows a model has one learning rate and one batch size, however many tokens it sees. The law has no "
        "term for the effect of that on the shortest runs.",
        f"From {USUAL:g} tokens per parameter on, the errors of models of neighbouring sizes, at equal tokens per "
        f"parameter, differ by up to this many percentage points: {scatter}. Each run has one seed.",
        "The shipped table leaves out RefinedWeb, the third training set of the paper.",
    )
