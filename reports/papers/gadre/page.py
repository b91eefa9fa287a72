"""The page of arXiv 2403.08540: its answer, its tables and the key numbers."""

import numpy as np

from reports.page.number_text import general, signed
from reports.page.table import COUNT, TOKENS_PER_PARAMETER, N, Table, interval, number, text
from reports.papers.gadre.claims import c4_7b_error, claims, error_text, reasons
from reports.papers.gadre.figures import FIGURES
from reports.papers.gadre.study import DRAWS, LAW, PUBLISHED_ERRORS, USUAL, Gadre, build, read
from reports.papers.reproduction import Reproduction, with_usual_page

TRAINED = text("trained", "trained on")


def coefficient_table(data: Gadre) -> Table:
    """Return the coefficients fitted to the five runs, and those of all runs from USUAL tokens per parameter on."""
    columns = (
        TRAINED,
        text("parameter", "coefficient"),
        number("five", "five runs", general(6)),
        number("whole", f"all from {USUAL:g}", general(6)),
        *interval(show=general(4)),
        COUNT,
        text("inside", "five inside"),
    )
    rows = []
    for one in data.trained:
        n = int((one.M >= USUAL).sum())
        for key, value in one.params.items():
            low, high = one.ends[key]
            inside = "yes" if low <= value <= high else "no"
            rows.append((one.label, key, value, one.whole[key], low, high, n, inside))
    note = (
        f"{LAW.formula}. Least squares of the loss in nats. Five runs leave four coefficients one degree of freedom "
        f"and no interval. All from {USUAL:g}: every run with {USUAL:g} tokens per parameter or more, bootstrap "
        f"percentiles of {DRAWS} draws."
    )
    return Table(name="coefficients", title="Coefficients", note=note, columns=columns, rows=tuple(rows))


def prediction_table(data: Gadre) -> Table:
    """Return what the five runs predict for every other run."""
    loss = number("loss", "loss", general(5), "nats/token")
    columns = (
        TRAINED,
        N,
        TOKENS_PER_PARAMETER,
        loss,
        loss.named("predicted"),
        number("error", "error", signed(2), "%"),
        number("published", "published error", general(4), "%"),
    )
    rows = []
    for one in data.trained:
        for i in np.lexsort([one.M, one.N]):
            if not one.fitted[i]:
                published = PUBLISHED_ERRORS.get((one.name, str(one.model[i]), float(one.M[i])))
                numbers = (one.N[i], one.M[i], one.loss[i], one.predicted[i], one.errors[i])
                rows.append((one.label, *map(float, numbers), published))
    note = "Loss predicted by the five runs. The paper gives the size of two of these errors."
    return Table(name="predictions", title="What five runs predict", note=note, columns=columns, rows=tuple(rows))


def reproduction() -> Reproduction:
    """Return the study refitted from the shipped rows."""
    data = build(read())
    ours = [abs(data.error(*key)) for key in PUBLISHED_ERRORS]
    answer = (
        f"The two published predictions are reproduced: {ours[0]:.4f} % and {ours[1]:.4f} % on RedPajama. The same "
        f"five runs on C4 miss the 6.9B model by {error_text(c4_7b_error(data))}, so do not count on errors below 1 %."
    )
    errors = {f"{model} at {M:g}": data.error(name, model, M) for name, model, M in PUBLISHED_ERRORS}
    return with_usual_page(
        data,
        FIGURES,
        title="Over-training: arXiv 2403.08540",
        question="Do a few small runs predict the loss of large models, and of models trained far past 20 tokens per "
        "parameter?",
        answer=answer,
        claims=claims(data),
        reasons=reasons(data),
        tables=(coefficient_table(data), prediction_table(data)),
        footer=f"n = {sum(len(one.loss) for one in data.trained)} runs on two training sets; {data.source}.",
        summary={"coefficients": {one.name: one.params for one in data.trained}, "errors_per_cent": errors},
    )
