"""Fits of surfaces: recovery of known truths, what the runs cannot determine, intervals, and invariances."""

import sys
from dataclasses import replace

import numpy as np
import pytest

from fits import LAWS, fit_law, fit_with_draws, from_records, summary
from fits.surface.bootstrap import points
from fits.surface.fitting_problem import Problem
from fits.surface.search import SearchMethod, solve
from planners.records.errors import UsageError

TRUTH = {"A": 482.01, "B": 2085.43, "E": 1.8172, "alpha": 0.3478, "beta": 0.3658}  # arXiv 2404.10102


def simulated(noise=0.0, sizes=7, tokens=7, random=0, truth=None, repeats=1):
    """A grid of N and D whose losses follow the law exactly, up to `noise` in ln L."""
    E = {**TRUTH, **(truth or {})}
    rng = np.random.default_rng(random)
    rows = []
    for N in np.geomspace(5e7, 1e10, sizes):
        for D in np.geomspace(1e9, 3e11, tokens):
            loss = E["E"] + E["A"] / N ** E["alpha"] + E["B"] / D ** E["beta"]
            rows += [{"N": N, "D": D, "loss": loss * np.exp(noise * rng.standard_normal())} for _ in range(repeats)]
    return from_records(rows, source="simulated")


def values(result):
    return [param.value for param in result.params.values()]


def test_without_noise_the_truth_is_found():
    result = fit_law(simulated(), "chinchilla", bootstrap=0)
    assert result.status == "converged"
    assert list(result.params) == list(TRUTH)
    np.testing.assert_allclose(values(result), list(TRUTH.values()), rtol=1e-6)
    assert (result.n, result.dof) == (49, 44)
    assert result.residual_sd < 1e-8
    assert result.search.agreeing == result.search.starts


@pytest.mark.parametrize(
    "truth",
    [
        {"A": 50.0, "alpha": 0.2},
        {"alpha": 0.6, "A": 1e5},
        {"E": 0.3},
        {"beta": 0.15, "B": 30.0},
    ],
)
def test_other_truths_are_found(truth):
    result = fit_law(simulated(truth=truth), "chinchilla", bootstrap=0)
    np.testing.assert_allclose(values(result), list((TRUTH | truth).values()), rtol=1e-5)


def test_with_noise_the_truth_is_inside_the_intervals():
    result = fit_law(simulated(noise=0.004, random=1), "chinchilla", bootstrap=200)
    for name, truth in TRUTH.items():
        param = result.params[name]
        assert param.lo < min(truth, param.value), name
        assert max(truth, param.value) < param.hi, name
    assert result.params["alpha"].hi - result.params["alpha"].lo < 0.1
    assert result.residual_sd == pytest.approx(0.004, rel=0.3)


def test_intervals_of_published_points_contain_the_published_replication(chinchilla_points):
    result, draws = fit_with_draws(chinchilla_points, "chinchilla", bootstrap=100)
    for name, value in {**TRUTH, "alpha": 0.3478}.items():
        assert result.params[name].lo < value < result.params[name].hi, name
    assert result.params["alpha"].hi - result.params["alpha"].lo == pytest.approx(4 * 0.015, rel=0.5)
    assert draws.values.shape == (100, 5)
    assert np.isfinite(draws.values).all()
    np.testing.assert_allclose(result.covariance, np.cov(draws.values, rowvar=False))
    assert result.interval == "bootstrap with gamma weights of 234 points, 100 draws, seed 0, percentile 95 %"


def test_every_draw_is_a_minimum_of_its_own(chinchilla_points):
    """A separate search from all starts with the same weights finds the same minimum."""
    _, draws = fit_with_draws(chinchilla_points, "chinchilla", bootstrap=3, seed=8)
    N, D, loss = (chinchilla_points.numbers(name) for name in ("N", "D", "loss"))
    problem = Problem(law=LAWS["chinchilla"], columns={"N": N, "D": D}, loss=loss, delta=1e-3)
    weights = np.random.default_rng(8).standard_gamma(1 / (1 - 5 / 234), (3, len(loss)))[:, points(problem)]
    for draw, weight in zip(draws.values, weights / weights.mean(axis=1, keepdims=True), strict=True):
        found = solve(replace(problem, weights=weight))
        np.testing.assert_allclose(draw, problem.law.natural(found.theta), rtol=1e-4)


def test_draws_follow_the_seed(chinchilla_points):
    one, same, other = (
        fit_with_draws(chinchilla_points, "chinchilla", bootstrap=3, seed=seed)[1].values for seed in (1, 1, 2)
    )
    np.testing.assert_allclose(one, same, rtol=1e-9)
    assert not np.allclose(one, other)


def test_without_a_bootstrap_there_are_no_intervals(chinchilla_points):
    result, draws = fit_with_draws(chinchilla_points, "chinchilla", bootstrap=0)
    assert draws is None
    assert result.covariance is None
    assert "no bootstrap" in result.interval
    assert all(param.lo is None and param.hi is None for param in result.params.values())
    assert "(no interval)" in summary(result)
    assert "16 of 16 starts agree" in summary(result)


def test_runs_at_one_point_are_drawn_together():
    result = fit_law(simulated(noise=0.004, repeats=3), "chinchilla", bootstrap=5)
    assert result.n == 147
    assert "49 points" in result.interval


def test_few_points_and_few_draws_are_marked():
    result = fit_law(simulated(noise=0.002, sizes=4, tokens=4), "chinchilla", bootstrap=20)
    assert any("16 distinct points are few" in note for note in result.notes)
    assert any("20 draws are few" in note for note in result.notes)


def test_few_points_still_determine_every_draw():
    """Resampling nine points would leave out too many in some replicates; weights never do."""
    result, draws = fit_with_draws(simulated(noise=1e-4, sizes=3, tokens=3), "chinchilla", bootstrap=30)
    assert np.isfinite(draws.values).all()
    assert any("few to resample" in note for note in result.notes)


# --- what the runs cannot determine


def without(result):
    """Assert that no value is given, and return the reason."""
    assert result.status == "not_identified"
    assert all(value is None for value in values(result))
    assert result.interval.startswith("none")
    assert {p.status for p in result.params.values()} == {"not_identified"}
    return result.reason


@pytest.mark.parametrize("rows", [0, 1, 5])
def test_too_few_runs(rows):
    table = simulated(sizes=3, tokens=3)
    result = fit_law(table.only(np.arange(9) < rows), "chinchilla")
    assert f"{rows} distinct points do not determine 5 parameters" in without(result)
    assert result.n == rows
    assert result.dof == rows - 5


def test_repeated_runs_do_not_add_points():
    table = from_records([{"N": N, "D": 20 * N**1.1, "loss": 3 + i} for i in range(9) for N in (1e8, 2e8, 3e8)])
    assert "3 distinct points" in without(fit_law(table, "chinchilla"))


@pytest.mark.parametrize("column", ["N", "D"])
def test_constant_column(column):
    frame = simulated().frame
    frame[column] = 1e9
    frame[{"N": "D", "D": "N"}[column]] = np.geomspace(1e8, 1e10, len(frame))
    assert f"{column} is nearly the same in every run" in without(fit_law(from_records(frame), "chinchilla"))


def test_constant_tokens_per_parameter():
    N = np.geomspace(1e8, 1e10, 20)
    table = from_records([{"N": n, "D": round(20 * n, -6), "loss": 2 + 400 / n**0.3} for n in N])
    assert "ln N and ln D lie on one line" in without(fit_law(table, "chinchilla"))


def test_two_sizes_do_not_separate_the_terms():
    """Two values of N give a single difference, which cannot determine both A and alpha."""
    result = fit_law(simulated(noise=0.001, sizes=2, tokens=9), "chinchilla")
    assert "do not tell the parameters apart" in without(result)


def test_a_vanished_term_has_no_exponent():
    D = np.geomspace(1e9, 1e12, 6)
    rows = [{"N": n, "D": d, "loss": 2 + 2000 / d**0.35 + 3e-10 * n} for n in (1e8, 1e9, 1e10) for d in D]
    result = fit_law(from_records(rows), "chinchilla", bootstrap=0)
    assert result.status == "not_identified"
    assert {result.params[name].value for name in ("A", "alpha")} == {None}


def test_an_unknown_parameter_leaves_no_covariance():
    rows = [
        {"N": n, "D": d, "loss": 3000 / d**0.35 + 300 / n**0.3}
        for n in np.geomspace(1e8, 1e10, 4)
        for d in np.geomspace(1e9, 1e12, 4)
    ]
    result = fit_law(from_records(rows), "chinchilla", bootstrap=8)
    assert result.params["E"].value is None
    assert result.covariance is None
    assert result.params["A"].value == pytest.approx(300, rel=1e-5)
    assert result.params["A"].lo is not None


def test_an_exponent_at_its_bound_has_that_status():
    """The loss falls as N^-8, steeper than the search allows."""
    rows = [
        {"N": n, "D": d, "loss": 2 + 2000 / d**0.35 + (1e8 / n) ** 8}
        for n in np.geomspace(1e8, 2e8, 5)
        for d in np.geomspace(1e9, 1e12, 6)
    ]
    result = fit_law(from_records(rows), "chinchilla", bootstrap=0)
    assert result.status == "at_bound"
    assert "alpha ended at a bound" in result.reason
    assert result.params["alpha"].status == "at_bound"
    assert result.params["alpha"].value == pytest.approx(5, abs=1e-4)


def test_a_search_with_too_few_steps_has_status_max_iter(monkeypatch):
    monkeypatch.setattr("fits.surface.fit_surface.solve", lambda problem: solve(problem, SearchMethod(steps=2)))
    result = fit_law(simulated(noise=0.004), "chinchilla", bootstrap=0)
    assert result.status == "max_iter"
    assert "short of a minimum" in result.reason
    assert {param.status for param in result.params.values()} == {"max_iter"}


# --- mistakes


@pytest.mark.parametrize(
    ("setting", "word"),
    [
        ({"fixed": {"gamma": 1.0}}, "no parameter 'gamma'"),
        ({"fixed": TRUTH}, "every parameter"),
        ({"delta": -1.0}, "delta"),
        ({"delta": float("nan")}, "delta"),
        ({"bootstrap": -1}, "bootstrap"),
    ],
)
def test_impossible_settings(chinchilla_points, setting, word):
    with pytest.raises(UsageError, match=word):
        fit_law(chinchilla_points, "chinchilla", **setting)


def test_unknown_law_lists_the_known(chinchilla_points):
    with pytest.raises(UsageError, match=r"'cubist'.*quadratic, .*chinchilla"):
        fit_law(chinchilla_points, "cubist")


def test_missing_and_impossible_columns():
    with pytest.raises(UsageError, match="no column D; it has N, loss"):
        fit_law(from_records([{"N": 1e8, "loss": 3.0}]), "chinchilla")
    with pytest.raises(UsageError, match="row 2 of table: D is 0"):
        fit_law(from_records([{"N": 1e8, "D": 1e9, "loss": 3}, {"N": 1e8, "D": 0, "loss": 3}]), "chinchilla")


# --- invariances


def test_order_of_the_runs_changes_nothing(chinchilla_points):
    mixed = from_records(chinchilla_points.frame.sample(frac=1, random_state=0), source=chinchilla_points.source)
    one, other = (fit_law(table, "chinchilla", bootstrap=4) for table in (chinchilla_points, mixed))
    assert replace(one, data_hash=None) == other


@pytest.mark.parametrize(
    ("column", "scale", "expected"),
    [
        ("N", 1e-6, {"A": 1e-6**0.342626043}),
        ("D", 1e3, {"B": 1e3**0.342001901}),
        ("loss", 0.4, {"A": 0.4, "B": 0.4, "E": 0.4}),
    ],
)
def test_units_transform_exactly(chinchilla_points, column, scale, expected):
    frame = chinchilla_points.frame.copy()
    frame[column] *= scale
    one, other = (fit_law(table, "chinchilla", bootstrap=0) for table in (chinchilla_points, from_records(frame)))
    assert other.objective == pytest.approx(one.objective, rel=1e-9)
    for name, param in one.params.items():
        assert other.params[name].value == pytest.approx(param.value * expected.get(name, 1.0), rel=1e-8), name


def test_pairs_of_runs_double_the_objective(chinchilla_points):
    twice = from_records([row for row in chinchilla_points.frame.to_dict("records") for _ in range(2)])
    one, other = (fit_law(table, "chinchilla", bootstrap=0) for table in (chinchilla_points, twice))
    assert other.objective == pytest.approx(2 * one.objective, rel=1e-9)
    np.testing.assert_allclose(values(other), values(one), rtol=1e-5)


def test_the_result_lists_the_rows_left_out(chinchilla_points):
    rows = [*chinchilla_points.frame.to_dict("records"), {"N": 1e9, "D": 1e10, "loss": None, "state": "diverged"}]
    rows = [{"state": "done", **row} for row in rows]
    result = fit_law(from_records(rows), "chinchilla", bootstrap=0)
    assert [(one.row, one.reason) for one in result.dropped] == [(235, "state is diverged")]
    assert result.n == 234


def test_a_quick_fit_shows_no_progress_bar(chinchilla_points, capsys):
    fit_law(chinchilla_points, "chinchilla", bootstrap=2)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.strip() == ""
    assert "tqdm" in sys.modules
