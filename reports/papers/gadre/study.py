"""arXiv 2403.08540 done again: a law fitted to five small runs foretells the over-trained and the large ones."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fits import LAWS, RunTable
from fits.intervals import percentile
from fits.laws.law import Law
from fits.runs.table import Floats
from fits.surface.bootstrap import resample
from fits.surface.problem import Problem
from fits.surface.search import solve
from planners.records.quantity import format_quantity
from reports.page.number_text import general, listed
from reports.page.page import Page
from reports.page.picture import Picture
from reports.page.table import Column, Table
from reports.papers.claim import Claim, either
from reports.papers.coefficients import page_of, rows_of
from reports.papers.reproduction import Reproduction

DATASETS = {"c4_original": "C4", "rpj": "RedPajama"}
"""Training set in the table -> its name."""
SMALLEST = "d=96_l=8_h=4"
USUAL, MORE = 20.0, 320.0
"""Tokens per parameter of the runs that are fitted: of all small models, and of the smallest beside that."""
DRAWS = 400
PUBLISHED_ERRORS = {("rpj", "open_lm_1b", 640.0): 0.7103, ("rpj", "open_lm_7b", 20.0): 0.7320}
"""(training set, model, tokens per parameter) -> relative error of the paper's prediction, per cent."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Trained:
    """The runs on one training set and the law fitted to five of them."""

    name: str
    """Training set as the table calls it."""
    model: NDArray[np.str_]
    """Model of each run, shape (n,)."""
    N: Floats
    """Parameters, embeddings included."""
    D: Floats
    """Tokens."""
    M: Floats
    """Tokens per parameter as the table has it."""
    loss: Floats
    """Validation loss on C4, nats per token."""
    params: dict[str, float]
    """Coefficients of the law fitted to the five runs: four coefficients, so they have no interval."""
    whole: dict[str, float]
    """Coefficients of the law fitted to all runs from 20 tokens per parameter on."""
    ends: dict[str, tuple[float, float]]
    """95 % interval of each of those."""

    @property
    def fitted(self) -> NDArray[np.bool_]:
        """Which runs are the five, shape (n,)."""
        return five(self.model, self.M)

    @property
    def foretold(self) -> Floats:
        """Loss by the five, shape (n,)."""
        return law().loss(self.params, {"N": self.N, "D": self.D})

    @property
    def errors(self) -> Floats:
        """Relative error of it in per cent, shape (n,)."""
        return np.asarray(100 * (self.foretold / self.loss - 1))

    @property
    def smallest(self) -> NDArray[np.bool_]:
        """Which runs are of the smallest model, shape (n,)."""
        return np.asarray(self.model == SMALLEST)


@dataclass(frozen=True, kw_only=True, eq=False)
class Gadre:
    """Both training sets."""

    trained: tuple[Trained, ...]
    """C4, RedPajama."""
    source: str = "published: runs of arXiv 2403.08540 (MIT); our fit"
    """Where the numbers come from."""


def law() -> Law:
    """Return L = E + (a M^eta + b M^-eta) C^-eta."""
    found = LAWS["gadre"]
    assert isinstance(found, Law)
    return found


def five(model: NDArray[np.str_], M: Floats) -> NDArray[np.bool_]:
    """Return which runs the paper fits, shape (n,): small models at 20 tokens per parameter, the smallest at 320."""
    small = np.char.startswith(model, "d=")
    return np.asarray((small & (M == USUAL)) | ((model == SMALLEST) & (M == MORE)))


def read() -> RunTable:
    """Return the shipped rows."""
    return rows_of("gadre2024_overtraining")


def build(table: RunTable, draws: int = DRAWS) -> Gadre:
    """Return the study computed from its rows."""
    return Gadre(trained=tuple(_trained(table.where(f"dataset={name}"), name, draws) for name in DATASETS))


def _trained(table: RunTable, name: str, draws: int) -> Trained:
    N, D, M, loss = (table.numbers(column) for column in ("N", "D", "tok_mult", "loss"))
    model = table.frame["model"].astype(str).to_numpy(str)
    few, many = (_problem(N[rows], D[rows], loss[rows]) for rows in (five(model, M), M >= USUAL))
    whole = solve(many)
    drawn = resample(many, whole, draws, seed=0)
    return Trained(
        name=name, model=model, N=N, D=D, M=M, loss=loss, params=_named(solve(few).theta), whole=_named(whole.theta),
        ends={key: percentile(drawn.values[:, at]) for at, key in enumerate(drawn.parameters)},
    )  # fmt: skip


def _problem(N: Floats, D: Floats, loss: Floats) -> Problem:
    """Return the fit by least squares of the loss itself, as the paper has it."""
    return Problem(law=law(), columns={"N": N, "D": D}, loss=loss, delta=math.inf, in_nats=True)


def _named(theta: Floats) -> dict[str, float]:
    return dict(zip(law().parameters, map(float, law().natural(theta)), strict=True))


def error_of(data: Gadre, name: str, model: str, M: float) -> float:
    """Return the relative error of one prediction, per cent."""
    one = next(one for one in data.trained if one.name == name)
    return float(one.errors[(one.model == model) & (one.M == M)][0])


def ends(errors: Floats) -> str:
    """Write the range of errors in per cent: `−14.7 to −4.7 %`."""
    low, high = (off(float(end)) for end in (errors.min(), errors.max()))
    return low if low == high else f"{low.removesuffix(' %')} to {high}"


def off(error: float) -> str:
    """Write one error in per cent with its sign; a minus is a minus and no hyphen."""
    return f"{error:+.1f} %".replace("-", "−")


def by_ratio(trained: Sequence[Trained]) -> str:
    """Say the errors at each number of tokens per parameter below USUAL, the smallest model apart, and from it on.

    The law has no part for what makes the fewest tokens differ, and they do not differ alike at every size.
    """
    errors, M, smallest, fitted, N = (
        np.concatenate([getattr(one, name) for one in trained]) for name in ("errors", "M", "smallest", "fitted", "N")
    )
    others = format_quantity(float(N[~smallest].min()))
    parts = [
        f"at {few:g}: {ends(errors[(few == M) & smallest])} for the smallest model and "
        f"{ends(errors[(few == M) & ~smallest])} from {others} on"
        for few in np.unique(M[M < USUAL])
    ]
    return f"{'; '.join(parts)}; from {USUAL:g} on: {ends(errors[(M >= USUAL) & ~fitted])}"


def few_tokens(data: Gadre) -> dict[float, bool]:
    """Return, for each number of tokens per parameter below USUAL, whether no error is larger than those from it on."""
    M = np.concatenate([one.M for one in data.trained])
    size = np.concatenate([np.abs(one.errors) * ~one.fitted for one in data.trained])
    return {float(few): bool(size[few == M].max() <= size[M >= USUAL].max()) for few in np.unique(M[M < USUAL])}


def coefficients(data: Gadre) -> Table:
    """Return the coefficients fitted to the five runs beside those of all runs from 20 tokens per parameter on."""
    columns = (
        Column(name="trained", head="trained on", text=True), Column(name="parameter", head="coefficient", text=True),
        Column(name="five", head="five runs", show=general(6)),
        Column(name="whole", head="all from 20", show=general(6)),
        Column(name="lo", head="95 % low", show=general(4)), Column(name="hi", head="95 % high", show=general(4)),
        Column(name="n", head="n"), Column(name="inside", head="five inside", text=True),
    )  # fmt: skip
    rows = []
    for one in data.trained:
        for key, value in one.params.items():
            low, high = one.ends[key]
            inside = "yes" if low <= value <= high else "no"
            n = int((one.M >= USUAL).sum())
            rows.append((DATASETS[one.name], key, value, one.whole[key], low, high, n, inside))
    note = (
        f"{law().formula}. Least squares of the loss in nats. Five runs leave four coefficients one degree of freedom "
        f"and no interval. All from 20: every run with {USUAL:g} tokens per parameter or more, bootstrap percentiles "
        f"of {DRAWS} draws."
    )
    return Table(name="coefficients", title="Coefficients", note=note, columns=columns, rows=tuple(rows))


def predictions(data: Gadre) -> Table:
    """Return what the five runs foretell for every other run."""
    columns = (
        Column(name="trained", head="trained on", text=True), Column(name="N", head="N", show=format_quantity),
        Column(name="tokens_per_parameter", head="D/N", show=general(4)),
        Column(name="loss", head="loss", unit="nats/token", show=general(5)),
        Column(name="foretold", head="foretold", unit="nats/token", show=general(5)),
        Column(name="error", head="error", unit="%", show=lambda error: f"{error:+.2f}".replace("-", "−")),
        Column(name="published", head="published error", unit="%", show=general(4)),
    )  # fmt: skip
    rows = []
    for one in data.trained:
        for i in np.lexsort([one.M, one.N]):
            if not one.fitted[i]:
                published = PUBLISHED_ERRORS.get((one.name, str(one.model[i]), float(one.M[i])))
                numbers = (one.N[i], one.M[i], one.loss[i], one.foretold[i], one.errors[i])
                rows.append((DATASETS[one.name], *map(float, numbers), published))
    note = "Loss foretold by the five runs. The paper gives the size of two of these errors."
    return Table(name="predictions", title="What five runs foretell", note=note, columns=columns, rows=tuple(rows))


def claims(data: Gadre) -> tuple[Claim, ...]:
    """Return what the paper says beside what its rows say."""
    ours = {key: abs(error_of(data, *key)) for key in PUBLISHED_ERRORS}
    names = {key: f"{key[1].removeprefix('open_lm_').upper()} at {key[2]:g}" for key in ours}
    said = listed(f"{names[key]}: {error:.4f} % (printed {PUBLISHED_ERRORS[key]:.4f} %)" for key, error in ours.items())
    far = {one.name: one.errors[~one.fitted & (one.M >= USUAL)] for one in data.trained}
    worst = {name: float(errors[np.argmax(np.abs(errors))]) for name, errors in far.items()}
    c4_7b = error_of(data, "c4_original", "open_lm_7b", USUAL)
    few = few_tokens(data)
    as_good = [f"{M:g}" for M, no_larger in few.items() if no_larger]
    apart = [
        f"{DATASETS[one.name]} {key}" for one in data.trained for key, (low, high) in one.ends.items()
        if not low <= one.params[key] <= high
    ]  # fmt: skip
    return (
        Claim(
            says="Five small runs foretell a 1.4B model at 640 tokens per parameter and a 6.9B at 20 within .7 %.",
            where="figure 1, text",
            found=f"On RedPajama {said}.",
            verdict=either(all(abs(ours[key] - error) < 1e-3 for key, error in PUBLISHED_ERRORS.items())),
        ),
        Claim(
            says="Loss scales reliably with over-training, whatever the training set.",
            where="title, text",
            found=f"On C4 the 6.9B model is foretold {off(c4_7b)}. Largest error from {USUAL:g} tokens per "
            "parameter on: "
            + "; ".join(f"{DATASETS[name]} {off(error)}" for name, error in worst.items())
            + ".",
            verdict=either(all(abs(error) < 2 for error in worst.values())),
        ),
        Claim(
            says="At any number of tokens per parameter the loss falls with one exponent of compute.",
            where="equation 4",
            found=f"Errors by tokens per parameter: {by_ratio(data.trained)}. None larger than the largest from "
            f"{USUAL:g} on: at {listed(as_good) or 'no smaller number'}.",
            verdict=either(all(few.values())),
        ),
        Claim(
            says="A fit of five small runs determines the law.",
            where="text",
            found=f"Fitted to all runs from {USUAL:g} on, these coefficients of the five lie outside the 95 % "
            "interval: "
            f"{listed(apart)}." if apart else "Every coefficient of the five lies in the interval of the fit to all.",
            verdict=either(not apart),
        ),
    )  # fmt: skip


def reasons(data: Gadre) -> tuple[str, ...]:
    """Return why numbers differ, as far as it is known."""
    digits = max(abs(abs(error_of(data, *key)) - error) for key, error in PUBLISHED_ERRORS.items())
    scatter = "; ".join(f"{DATASETS[one.name]} {between_sizes(one):.1f}" for one in data.trained)
    return (
        f"The two predictions come out to {digits:.0e} points from the same five runs: RedPajama is the set that the "
        "paper prints them for. One fit of four coefficients to five runs tells nothing of its own error.",
        "In the rows a model has one learning rate and one batch whatever its tokens. The law has no part for what "
        "that does to the shortest ones.",
        f"From {USUAL:g} tokens per parameter on, the errors of models that are neighbours in size, at equal tokens "
        f"per parameter, differ by as many points as: {scatter}. One seed each.",
        "The table here leaves out RefinedWeb, the third training set of the paper.",
    )


def between_sizes(one: Trained) -> float:
    """Return the largest difference of errors, in points, between neighbours in size at one M from USUAL on."""
    steps = [np.diff(one.errors[rows][np.argsort(one.N[rows])]) for rows in (one.M == M for M in np.unique(one.M))]
    usual = [step for step, M in zip(steps, np.unique(one.M), strict=True) if M >= USUAL and len(step)]
    return max(float(np.abs(step).max()) for step in usual)


def reproduction() -> Reproduction:
    """Return the study with its page."""
    data = build(read())
    ours = [abs(error_of(data, *key)) for key in PUBLISHED_ERRORS]
    c4 = error_of(data, "c4_original", "open_lm_7b", USUAL)
    answer = (
        f"The two published predictions come out again: {ours[0]:.4f} % and {ours[1]:.4f} % on RedPajama. The same "
        f"five runs on C4 miss the 6.9B model by {off(c4)}, so errors below one per cent are not to be counted on."
    )
    tables = (coefficients(data), predictions(data))
    n = sum(len(one.loss) for one in data.trained)

    def page(pictures: dict[str, Picture]) -> Page:
        return page_of(
            "gadre", pictures, title="Over-training: arXiv 2403.08540",
            question="Do a few small runs foretell the loss of large models and of models trained far past 20 tokens "
            "per parameter?",
            answer=answer, first="gadre_errors", claims=claims(data), reasons=reasons(data), tables=tables,
            footer=f"n = {n} runs on two training sets; {data.source}.",
        )  # fmt: skip

    return Reproduction(data=data, page=page, summary=_summary(data))


def _summary(data: Gadre) -> dict[str, Any]:
    return {
        "coefficients": {one.name: one.params for one in data.trained},
        "errors_per_cent": {f"{model} at {M:g}": error_of(data, name, model, M) for name, model, M in PUBLISHED_ERRORS},
    }
