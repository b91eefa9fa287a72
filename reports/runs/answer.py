"""The answer of a fitted table in one plain sentence, and what it rests on."""

from collections.abc import Iterator
from pathlib import Path

from fits.isoflop import Exponents, Isoflop
from fits.predict.prediction import Predicted, Prediction
from fits.result import FitResult, Optimum
from planners.records.quantity import format_quantity
from reports.page.number_text import counted, flops, general, percent, sentence
from reports.runs.fitted_runs import FittedRuns

QUESTIONS = {
    "r_a": "Which share of the parameters should be active per token?",
    "N": "How large a model, on how many tokens, gives the lowest loss for its compute?",
    "C": "How does the best size grow with compute?",
}
"""Column of the figures -> the question."""
SHORT = general(3)


def question_of(data: FittedRuns) -> str:
    """Return the question that the runs are fitted for."""
    return QUESTIONS.get(data.axis, f"How does the loss depend on {data.axis}?")


def answer_of(data: FittedRuns) -> str:
    """Return the answer in one sentence."""
    found = data.found
    if found.isoflop and (said := _of_sizes(found.isoflop)):
        return said
    if data.lead.optimum is not None:
        return " ".join(_of_curve(fit) for fit in found.fits if fit.law == data.lead.law)
    asked = next((one for one in found.predictions if one.law == data.lead.law), None)
    return (_of_target(asked) if asked else None) or _of_law(data.lead)


def more_of(data: FittedRuns) -> Iterator[str]:
    """Yield what the answer rests on, a paragraph each."""
    lead, n = data.lead, sum(len(group.x) for group in data.groups)
    yield (
        f"{counted(n, 'run')} of {Path(data.table.source).name}, law {lead.law}: {lead.formula}; "
        f"status: {lead.status.words}; losses in {data.unit}."
    )
    if data.table.dropped:
        yield f"{counted(len(data.table.dropped), 'row')} are in no fit; they are listed below with the reason."


def _of_sizes(found: Isoflop) -> str | None:
    """Return how the best size grows, and the best size of the largest budget."""
    known = [each for each in found.budgets if each.N and each.D]
    if not known or not found.exponents:
        return None
    last, (one, *_) = known[-1], found.exponents
    N, D = last.N or 0.0, last.D or 0.0
    grows = f"The best model size grows as C^{SHORT(one.N)}{_ends(one)}, its tokens as C^{SHORT(one.D)}"
    best = f"{format_quantity(N)} parameters on {format_quantity(D)} tokens, {SHORT(D / N)} tokens per parameter"
    return f"{grows}; at C = {flops(last.C)}, the largest budget with a minimum, {best} do best."


def _ends(one: Exponents) -> str:
    return "" if one.N_ends is None else f" (95 %: {SHORT(one.N_ends[0])} to {SHORT(one.N_ends[1])})"


def _of_curve(fit: FitResult) -> str:
    """Return where one curve is lowest, in words."""
    best = fit.optimum
    assert best is not None
    at = f"At {fit.series.heading}: " if fit.series and fit.series.heading else ""
    if best.value is None:
        return sentence(f"{at}no optimum is claimed, because {best.reason}")
    value, between = _amount(best, best.value), _between(best)
    what = {"r_a": f"best with about {value} of the parameters active", "N": f"best with about {value} parameters"}
    said = f"{at}{what.get(best.of, f'best at {best.of} = {value}')} ({between})"
    if best.region and None not in best.region:
        low, high = (_amount(best, end) for end in best.region if end is not None)
        said += f"; anything from {low} to {high} does as well within the margin"
    return sentence(said)


def _amount(best: Optimum, value: float) -> str:
    if best.of == "r_a":
        return percent(value)
    return format_quantity(value) if best.of == "N" else SHORT(value)


def _between(best: Optimum) -> str:
    lo, hi = (None if end is None else _amount(best, end) for end in (best.lo, best.hi))
    if lo and hi:
        return f"95 %: {lo} to {hi}"
    return f"95 %: above {lo}" if lo else f"95 %: below {hi}" if hi else "no bound on either side"


def _of_target(one: Prediction) -> str | None:
    """Return what a law predicts at its first target: the best size, or the loss."""
    given = ", ".join(f"{name} = {flops(value)}" for name, value in one.given.items())
    given += "" if one.asked else ", the largest compute of the runs"
    far = f"; this is {one.extrapolation}" if one.extrapolation else ""
    ratio, N, D, loss = (one.of(name) for name in ("D_per_N", "N", "D", "loss"))
    if ratio and ratio.value and N and N.value and D and D.value:
        size = f"{format_quantity(N.value)} parameters on {format_quantity(D.value)} tokens"
        return f"At {given}: the loss is lowest at {_with_ends(ratio)} tokens per parameter, {size}{far}."
    if loss and loss.value:
        return f"At {given}: the predicted loss is {_with_ends(loss)}{far}."
    return None


def _with_ends(one: Predicted) -> str:
    value = general(4)(one.value)
    return (
        value if one.lo is None or one.hi is None else f"{value} (95 %: {general(4)(one.lo)} to {general(4)(one.hi)})"
    )


def _of_law(fit: FitResult) -> str:
    """Return the coefficients that matter, where there is nothing to choose."""
    known = [f"{name} {SHORT(param.value)}" for name, param in fit.params.items() if param.value is not None]
    if not known:
        return sentence(f"The runs do not determine the law {fit.law}: {fit.reason}")
    spread = (
        "" if fit.residual_sd is None else f", which misses the runs by {SHORT(fit.residual_sd)} (SD of the residuals)"
    )
    return f"The law {fit.formula} has {', '.join(known)}{spread}."
