"""Predictions are registered once, before their runs, and scored against what came."""

import json

import pytest
from made_ladders import dense_runs

from fits import fit_study, from_records
from fits.predict.registered import Registration, fingerprint, register, score
from planners.records.errors import UsageError
from planners.records.json import from_json

TARGETS = [{"C": 1e21}, {"N": 1.4e9, "C": 1e21}, {"C": 1e25}]


@pytest.fixture
def small():
    return from_records(dense_runs(noise=0.004))


@pytest.fixture
def forecast(small, tmp_path):
    path = tmp_path / "forecast.json"
    register(path, fit_study(small, ["chinchilla"], at=TARGETS), small)
    return path


def test_a_registration_holds_targets_intervals_rows_and_date(forecast, small):
    read = from_json(Registration, json.loads(forecast.read_text()), "a test")
    assert [one.given for one in read.predictions] == TARGETS
    assert read.n == 27
    assert read.made.endswith("+00:00")
    assert read.fingerprint == fingerprint(from_records(list(reversed(dense_runs(noise=0.004)))))
    assert read.fingerprint != fingerprint(from_records(dense_runs(noise=0.004, seed=5)))
    assert all(one.lo < one.hi for each in read.predictions for one in each.values)


def test_a_registration_is_never_overwritten(forecast, small):
    before = forecast.read_text()
    with pytest.raises(UsageError, match="never overwritten"):
        register(forecast, fit_study(small, ["chinchilla"], at=TARGETS), small)
    assert forecast.read_text() == before


def test_predictions_without_targets_or_intervals_are_not_registered(small, tmp_path):
    with pytest.raises(UsageError, match="name a target"):
        register(tmp_path / "a.json", fit_study(small, ["chinchilla"]), small)
    with pytest.raises(UsageError, match="without intervals"):
        register(tmp_path / "a.json", fit_study(small, ["chinchilla"], at=TARGETS, bootstrap=0), small)


def test_the_score_says_what_came(forecast):
    """The nine sizes at 1e21 are runs of the truth: the best of them is near the prediction, and so is its size."""
    came = score(forecast, from_records(dense_runs(noise=0.004, budgets=(1e21,), seed=9)))
    assert {one.of for one in came.outcomes} == {"loss", "N", "D"}
    assert all(one.inside for one in came.outcomes if one.of == "loss")
    assert (
        came.open == ("C = 1e25 (chinchilla)", "N = 1.4B, C = 1e21 (chinchilla)")
        or "C = 1e25 (chinchilla)" in came.open
    )
    assert "inside their 95 % intervals" in str(came)


def test_a_run_far_from_its_prediction_is_outside(forecast):
    rows = [{**row, "loss": row["loss"] + 0.3} for row in dense_runs(budgets=(1e21,))]
    came = score(forecast, from_records(rows))
    losses = [one for one in came.outcomes if one.of == "loss"]
    assert losses
    assert not any(one.inside for one in losses)
    assert losses[0].error == pytest.approx(-0.3, abs=0.03)


def test_the_fitted_rows_are_recognised(forecast, small):
    assert "fitted to" in str(score(forecast, small))
