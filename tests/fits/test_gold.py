"""Published run tables fitted again: values of independent methods, listed in planners/published/*/SOURCE.md."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from fits import LAWS, fit_law, from_records, summary
from fits.laws import muennighoff
from fits.surface.fitting_problem import Problem
from fits.surface.identifiability import flat_parameters
from fits.surface.search import solve
from planners.published import published


def rows(name):
    runs = published(name)
    frame = pd.read_csv(runs.path)
    return frame.assign(**{ours: frame[theirs] for ours, theirs in runs.columns.items()})


def problem_of(law, frame, **options):
    columns = {name: frame[name].to_numpy(float) for name in LAWS[law].columns}
    options = {"delta": 1e-3, **options}
    return Problem(law=LAWS[law], columns=columns, loss=frame[LAWS[law].response].to_numpy(float), **options)


def params_of(problem, solution):
    return dict(zip(problem.law.parameters, problem.law.natural(solution.theta), strict=True))


def test_chinchilla_on_the_234_points():
    problem = problem_of("chinchilla", rows("chinchilla_kyotakano234"))
    found = solve(problem)
    assert found.objective == pytest.approx(0.000840093120, rel=1e-9)
    params = params_of(problem, found)
    np.testing.assert_allclose([params["A"], params["B"]], [442.164, 1271.808], atol=6e-4, rtol=0)
    expected = [1.783894, 0.342626, 0.342002]
    np.testing.assert_allclose([params[name] for name in ("E", "alpha", "beta")], expected, atol=6e-7, rtol=0)
    assert flat_parameters(problem, found) == ()


@pytest.mark.parametrize(
    ("router", "gold", "rmse"),
    [
        ("S-Base", (-0.083025, -0.118044, 0.009925, 1.113580, 2.07457, 238.675), 0.0032275),
        ("RL-R", (-0.082730, -0.123417, 0.011233, 1.107013, 1.72193, 470.053), 0.0032292),
        ("Hash", (-0.087357, -0.138364, 0.012635, 1.159531, 4.26877, 427.323), 0.0029817),
    ],
)
def test_clark_on_each_router(router, gold, rmse):
    frame = rows("clark2022_routed")
    kept = frame.query("routing_frequency == 0.5 and k == 1 and seed == 42 and router_type in ['Dense', @router]")
    problem = problem_of("clark", kept, delta=np.inf)
    found = solve(problem)
    np.testing.assert_allclose(problem.law.natural(found.theta), gold, rtol=1e-5, atol=6e-7)
    assert np.sqrt(2 * found.objective / len(kept)) / np.log(10) == pytest.approx(rmse, abs=5.1e-8)
    assert found.agreeing == found.starts


def test_dense_models_alone():
    frame = rows("clark2022_routed").query("router_type == 'Dense' and k == 1")
    dense = frame.groupby("N_a", as_index=False)["loss"].mean().rename(columns={"N_a": "N"})
    problem = problem_of("kaplan", dense, delta=np.inf)
    params = params_of(problem, solve(problem))
    assert params["alpha_N"] == pytest.approx(0.07862, abs=5.1e-6)
    assert params["N_c"] == pytest.approx(3.568e13, rel=2e-4)
    slope, height = np.polyfit(problem.logs["N"], problem.target, 1)
    assert params["alpha_N"] == pytest.approx(-slope, rel=1e-9)
    assert np.log(params["N_c"]) == pytest.approx(-height / slope, rel=1e-9)


@pytest.fixture(scope="module")
def reuse():
    held = {name: value for name, value in muennighoff.PUBLISHED.items() if name not in ("R_D", "R_N")}
    return problem_of("muennighoff", rows("muennighoff2023_reuse"), fixed=held)


def test_both_minima_of_the_reuse_law_are_found(reuse):
    found = solve(reuse)
    assert found.objective == pytest.approx(0.015804662, rel=1e-7)
    best = params_of(reuse, found)
    assert best["R_D"] == pytest.approx(95.365, abs=6e-4)
    assert best["R_N"] == pytest.approx(1.70591, abs=6e-6)
    near = [other for other in found.others if other.objective == pytest.approx(0.015825932, rel=1e-7)]
    assert len(near) == 1
    assert params_of(reuse, near[0])["R_D"] == pytest.approx(15.387756, rel=2e-3)
    assert params_of(reuse, near[0])["R_N"] == pytest.approx(5.309743, rel=2e-3)
    published = reuse.law.theta(muennighoff.PUBLISHED)
    assert near[0].objective <= reuse.objective(published) <= near[0].objective * (1 + 1e-6)


def test_the_decay_of_repeated_data_is_poorly_identified(reuse):
    found = solve(reuse)
    (flat,) = flat_parameters(reuse, found)
    assert flat.name == "R_D"
    assert (flat.lo, flat.hi) == (pytest.approx(31, abs=1), pytest.approx(215, abs=1))
    held = dict(reuse.fixed)
    result = fit_law(from_records(rows("muennighoff2023_reuse")), "muennighoff", bootstrap=0, fixed=held)
    assert result.status == "not_identified"
    assert "R_D is poorly identified: 31.4 to 215" in result.reason
    assert result.params["R_D"].status == "not_identified"
    assert result.params["R_D"].value == pytest.approx(95.365, abs=1e-3)
    assert result.params["A"].status == "fixed"
    assert result.dof == 180
    assert min(other.objective for other in result.search.others) > result.objective
    assert "4 within 1.05 times the objective, the lowest at 0.0158073" in summary(result)


def test_expm1_avoids_a_false_optimum():
    """At R_D = 1e14 repeated tokens are as good as new: 1 - exp(-x) is wrong by a tenth there, and expm1 is exact."""
    D = muennighoff.effective_tokens(3e9, 1e9, 1e14)
    assert pytest.approx(3e9, rel=1e-12) == D
    assert 1e9 + 1e9 * 1e14 * (1 - np.exp(-2 / 1e14)) != pytest.approx(3e9, rel=1e-4)


@pytest.mark.parametrize(
    ("dataset", "gold"),
    [
        ("c4_original", (141.277, 189.516, 1.50826, 0.12124)),
        ("rpj", (212.236, 366.687, 1.83665, 0.13643)),
    ],
)
def test_over_training_from_five_runs(dataset, gold):
    frame = rows("gadre2024_overtraining").query("dataset == @dataset")
    five = frame.query(
        "(tok_mult == 20 and model.str.startswith('d=')) or (tok_mult == 320 and model == 'd=96_l=8_h=4')"
    )
    assert len(five) == 5
    problem = problem_of("gadre", five, delta=np.inf, in_nats=True)
    found = solve(problem)
    np.testing.assert_allclose(problem.law.natural(found.theta), gold, rtol=4e-6, atol=5.1e-6)
    if dataset == "rpj":
        far = frame.query("model in ['open_lm_1b', 'open_lm_7b'] and not (model == 'open_lm_1b' and tok_mult == 20)")
        predicted = problem.law.loss(
            params_of(problem, found), {name: far[name].to_numpy(float) for name in ("N", "D")}
        )
        errors = 100 * np.abs(predicted / far["loss"].to_numpy() - 1)
        np.testing.assert_allclose(errors, [0.7103, 0.7320], atol=5.1e-5)


def test_allocation_exponents_in_every_setting():
    pairs = rows("porian2024_optimal_pairs").dropna(subset="N_opt")
    settings = pairs.groupby(["dataset", "hparams", "warmup", "decay", "param_count", "val"])
    assert len(settings) == 10
    for _, frame in settings:
        plain = problem_of("allocation", frame, delta=np.inf)
        weighted = dataclasses.replace(plain, weights=1 / frame["n_opt_logstd"].to_numpy() ** 2)
        for problem, column in ((plain, "basic"), (weighted, "weighted")):
            slope = params_of(problem, solve(problem))["a"]
            assert slope == pytest.approx(frame[f"published_n_exponent_{column}"].iloc[0], rel=1e-8)
