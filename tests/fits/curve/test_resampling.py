"""Residual and wild bootstrap of a curve: covariance against theory, and the rows of a result."""

import math

import numpy as np
import pytest

from fits import fit_law, fit_with_draws, from_records
from fits.curve.least_squares import CurveData
from fits.curve.resampling import Resampling, resample_curve
from fits.laws.curve_basis import Powers
from planners.records.errors import UsageError
from scaling import cli

X = np.log(np.repeat([0.06, 0.1, 0.16, 0.25, 0.4, 0.6], 3))


def sample(noise=0.01, random=0):
    draw = np.random.default_rng(random)
    y = 2.5 + 0.06 * (X - math.log(0.2)) ** 2 + noise * draw.standard_normal(len(X))
    return CurveData(x=X, loss=y, blocks=np.empty((len(X), 0)))


def design():
    return np.vander(X, 3, increasing=True)


def draws_of(kind, runs, count=20000):
    line = runs.fit(Powers(3))
    how = Resampling(kind=kind, count=count, seed=1)
    return resample_curve(line, runs, ("a", "b", "c"), how).values


def test_the_wild_draws_have_the_leverage_corrected_sandwich_covariance():
    """Rademacher signs on e / (1 - h) give exactly HC3 (J. G. MacKinnon and H. White, 1985)."""
    import statsmodels.api as sm

    runs = sample()
    expected = sm.OLS(runs.loss, design()).fit(cov_type="HC3").cov_params()
    np.testing.assert_allclose(np.cov(draws_of("wild", runs).T), expected, rtol=0.06)


def test_the_residual_draws_have_the_covariance_of_the_regression():
    runs = sample()
    x, y = design(), runs.loss
    hat = x @ np.linalg.solve(x.T @ x, x.T)
    pool = (y - hat @ y) / np.sqrt(1 - np.diag(hat))
    expected = np.var(pool) * np.linalg.inv(x.T @ x)
    np.testing.assert_allclose(np.cov(draws_of("residual", runs).T), expected, rtol=0.06)


def test_a_bootstrap_interval_is_a_row_of_the_sensitivity_table():
    runs = sample()
    table = from_records([{"r_a": math.exp(x), "loss": y} for x, y in zip(X, runs.loss, strict=True)])
    result, draws = fit_with_draws(table, "cubic", resampling="wild", bootstrap=400, seed=3)
    row = result.sensitivity[-1]
    assert row.law == "cubic, wild bootstrap of 400"
    assert row.lo < result.optimum.value < row.hi
    assert draws.values.shape == (400, 4)
    again = fit_with_draws(table, "cubic", resampling="wild", bootstrap=400, seed=3)[1]
    np.testing.assert_allclose(draws.values, again.values, rtol=1e-9)
    assert fit_law(table, "cubic").optimum.value == pytest.approx(result.optimum.value, rel=1e-9)


def test_another_kind_and_a_spline_are_refused():
    table = from_records([{"r_a": math.exp(x), "loss": y} for x, y in zip(X, sample().loss, strict=True)])
    with pytest.raises(UsageError, match="'cases' is not one of residual, wild"):
        fit_law(table, "cubic", resampling="cases")
    with pytest.raises(UsageError, match="resample the cubic"):
        fit_law(table, "spline", resampling="wild")


def test_the_command_prints_the_bootstrap_interval(tmp_path, capsys):
    rows = [f"{math.exp(x)},{y}" for x, y in zip(X, sample().loss, strict=True)]
    (tmp_path / "runs.csv").write_text("\n".join(["r_a,loss", *rows]))
    assert cli.main(["fit", "--runs", str(tmp_path / "runs.csv"), "--resampling", "wild", "-o", str(tmp_path)]) == 0
    assert "cubic, wild bootstrap of 200" in capsys.readouterr().out
    assert (tmp_path / "cubic.draws.csv").read_text().startswith("a,b,c,d\n")
