"""What the laws of a study predict: at the targets that were named, and the compute-optimal size at its largest C."""

from collections.abc import Mapping, Sequence

from fits.laws import LAWS
from fits.laws.law import Law
from fits.predict.prediction import Prediction, predict
from fits.predict.target import Target
from fits.result import FitResult
from planners.records.errors import UsageError


def predictions_of(
    fits: Sequence[FitResult], at: Sequence[Mapping[str, float]]
) -> tuple[tuple[Prediction, ...], dict[str, str]]:
    """Return the predictions of every law of several columns, and why some targets have none, by law and target."""
    found, refused = [], {}
    for fit in fits:
        if not isinstance(LAWS[fit.law], Law):
            continue
        for target in at:
            try:
                found.append(predict(fit, target))
            except UsageError as error:
                named = ",".join(f"{name}={value:g}" for name, value in target.items())
                refused[f"{fit.law} at {named}"] = str(error)
        if (one := _unasked(fit)) is not None:
            found.append(one)
    return tuple(found), refused


def _unasked(fit: FitResult) -> Prediction | None:
    """Return the compute-optimal size at the largest C of the runs; None for a law or runs that do not give it."""
    if fit.behind is None or "C" not in (ranges := Target(table=fit.behind.table).ranges):
        return None
    try:
        return predict(fit, {"C": ranges["C"][1]}, asked=False)
    except UsageError:
        return None
