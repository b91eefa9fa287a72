"""The laws: printed values, derivatives against finite differences, recovery of a known truth, and changes of units."""

import dataclasses

import numpy as np
import pytest

from fits import LAWS
from fits.laws import kaplan2020, ling_leverage, muennighoff, zhao2025
from fits.laws.law import Law
from fits.surface.fitting_problem import Problem
from fits.surface.huber_objective import local_model
from fits.surface.search import SearchMethod, solve, solve_many
from planners.records.errors import UsageError

SURFACES = [law for law in LAWS.values() if isinstance(law, Law)]
RANGES = {
    "N": (5e7, 1e10),
    "N_a": (2e7, 5e9),
    "D": (1e9, 3e11),
    "C": (1e18, 1e22),
    "r_a": (0.05, 0.9),
    "A_e": (0.02, 1.0),
    "G": (1.0, 30.0),
    "S": (0.02, 0.8),
    "granularity": (2.0, 16.0),
}
TRUTHS = {
    "chinchilla": {"A": 482.01, "B": 2085.43, "E": 1.8172, "alpha": 0.3478, "beta": 0.3658},
    "activation": {
        "A": 400.0,
        "B": 900.0,
        "E": 1.7,
        "alpha": 0.33,
        "beta": 0.32,
        "kappa": 0.06,
        "r_star": 0.2,
        "drift_N": -0.1,
        "drift_C": 0.05,
    },
    "activation_additive": {
        "A": 400.0,
        "B": 900.0,
        "E": 1.7,
        "alpha": 0.33,
        "beta": 0.32,
        "kappa": 0.06,
        "r_star": 0.2,
        "drift_N": -0.1,
        "drift_C": 0.05,
    },
    "activation_reuse": {
        "A": 400.0,
        "B": 900.0,
        "E": 1.7,
        "alpha": 0.33,
        "beta": 0.32,
        "kappa": 0.06,
        "r_star": 0.2,
        "drift_N": -0.1,
        "drift_C": 0.05,
        "R_D": 15.0,
    },
    "clark": {"a": -0.082, "b": -0.108, "c": 0.009, "d": 1.104, "E_start": 1.847, "E_max": 314.478},
    "muennighoff": {**muennighoff.PUBLISHED, "beta": 0.36},
    "gadre": {"a": 141.0, "b": 190.0, "E": 1.51, "eta": 0.121},
    "abnar": dict(LAWS["abnar"].examples[0].params),
    "ludziejewski": dict(LAWS["ludziejewski"].examples[0].params),
    "power_sum": {"a": 0.01, "c": 0.4, "E": 2.0, "alpha": 1.5, "beta": 0.8},
    "skaling": {"A": 4e4, "B": 2e6, "E": 1.5, "alpha": 0.7, "beta": 0.8, "k": 0.4},
    "activation_powers": {"A": 200.0, "B": 900.0, "E": 1.7, "alpha": 0.33, "beta": 0.32, "gamma": 0.2},
    "zhao2025": zhao2025.PUBLISHED,
    "ling_leverage": {**ling_leverage.PUBLISHED, "A_max": 4.0},
    "kaplan2020": kaplan2020.PUBLISHED,
    "kaplan": {"N_c": 3.568e13, "alpha_N": 0.078},
    "allocation": {"G": 0.1, "a": 0.5},
}


def runs_of(law, count=400, seed=0):
    """Return columns that cover the range of the law."""
    rng = np.random.default_rng(seed)
    columns = {name: np.exp(rng.uniform(*np.log(RANGES[name]), count)) for name in law.columns if name in RANGES}
    if "n_experts" in law.columns:
        columns["n_experts"] = rng.choice([1.0, 2, 4, 8, 16, 32, 64, 128, 256, 512], count)
    if "U" in law.columns:
        columns["U"] = columns["D"] / rng.uniform(1, 60, count)
    return columns


def problem_of(law, noise=0.0, delta=1e-3):
    columns = runs_of(law)
    loss = law.loss(TRUTHS[law.name], columns)
    return Problem(
        law=law, columns=columns, loss=loss * np.exp(noise * np.random.default_rng(1).standard_normal(400)), delta=delta
    )


laws = pytest.mark.parametrize("law", SURFACES, ids=lambda law: law.name)


@laws
def test_every_law_has_a_formula_a_source_and_bounds(law):
    assert law.formula
    assert law.latex
    assert "arXiv" in law.source
    assert law.valid
    assert len(law.parameters) == len(law.bounds) == len(set(law.parameters))
    assert set(law.positive) <= set(law.parameters)
    assert law.name in LAWS
    assert set(TRUTHS) == {one.name for one in SURFACES}


@laws
def test_printed_values_are_reproduced_to_their_digits(law):
    for example in law.examples:
        assert law.loss(example.params, example.columns)[0] == pytest.approx(
            example.value, abs=0.5001 * 10**-example.digits
        )


def test_laws_with_printed_values():
    assert {law.name for law in SURFACES if law.examples} == {"clark", "abnar", "ludziejewski"}


def test_chinchilla_equals_its_formula():
    law, columns = LAWS["chinchilla"], {"N": np.array([1e8, 1e10]), "D": np.array([2e9, 1e12])}
    rounded = {"A": 406.4, "B": 410.7, "E": 1.69, "alpha": 0.34, "beta": 0.28}
    expected = 1.69 + 406.4 / columns["N"] ** 0.34 + 410.7 / columns["D"] ** 0.28
    np.testing.assert_allclose(law.loss(rounded, columns), expected, rtol=1e-13)
    np.testing.assert_allclose(law.natural(law.theta(rounded)), list(rounded.values()), rtol=1e-14)


@pytest.mark.parametrize(
    ("A", "B", "E", "alpha", "beta", "N", "ratio"),
    [
        (406.4, 410.7, 1.69, 0.34, 0.28, 3.219e10, 92.7),
        (406.4, 410.7, 1.6934, 0.3392, 0.2849, 4.031e10, 59.1),
        (482.01, 2085.43, 1.8172, 0.3478, 0.3658, 7.225e10, 18.4),
        (521, 1488, 1.87, 0.353, 0.353, 7.008e10, 19.6),
    ],
)
def test_optimal_sizes_at_the_chinchilla_budget(A, B, E, alpha, beta, N, ratio):
    """Optimal sizes of four published fits at C = 5.76e23, found as the minimum of the law over a fine grid."""
    sizes = np.geomspace(N / 2, N * 2, 20001)
    D = 5.76e23 / (6 * sizes)
    loss = LAWS["chinchilla"].loss({"A": A, "B": B, "E": E, "alpha": alpha, "beta": beta}, {"N": sizes, "D": D})
    best = int(np.argmin(loss))
    assert sizes[best] == pytest.approx(N, rel=1e-3)
    assert D[best] / sizes[best] == pytest.approx(ratio, rel=4e-3)


def test_the_law_of_zhao_2025_gives_the_statements_of_its_paper():
    """40 % at 30B and 22 % at 671B at fixed D, G about 7, S of 0.31; and rates at equal C that follow from it."""
    law, rates = LAWS["zhao2025"], np.geomspace(0.01, 1, 4001)

    def best(N, D, **other):
        columns = {"N": np.full(4001, N), "N_a": N * rates, "D": D, "G": np.full(4001, 7.0), "S": np.full(4001, 0.31)}
        return rates[np.argmin(law.loss(zhao2025.PUBLISHED, columns | other))]

    assert best(30e9, np.full(4001, 1e12)) == pytest.approx(0.40, abs=0.005)
    assert best(671e9, np.full(4001, 1e12)) == pytest.approx(0.22, abs=0.005)
    assert best(2.15e9, 9.2e20 / (6 * 2.15e9 * rates)) == pytest.approx(0.208, abs=0.001)
    values = np.geomspace(0.05, 20, 4001)
    sizes = {"N": np.full(4001, 1e10), "N_a": np.full(4001, 2e9), "D": np.full(4001, 1e11)}
    G = law.loss(zhao2025.PUBLISHED, sizes | {"G": values, "S": np.full(4001, 0.31)})
    S = law.loss(zhao2025.PUBLISHED, sizes | {"G": np.full(4001, 7.0), "S": values})
    assert values[np.argmin(G)] == pytest.approx(6.8, abs=0.05)
    assert values[np.argmin(S)] == pytest.approx(0.315, abs=0.005)


def test_the_printed_constants_of_the_leverage_law_do_not_give_the_printed_claim():
    """The paper states more than 7 there; base 10 gives 5.4."""
    at = {"A_e": 0.031, "granularity": 12, "C": 1e22}
    assert LAWS["ling_leverage"].loss(ling_leverage.PUBLISHED, at)[0] == pytest.approx(5.37, abs=0.01)


def test_kaplans_joint_law_becomes_its_two_limits():
    law, params = LAWS["kaplan2020"], kaplan2020.PUBLISHED
    assert law.loss(params, {"N": 1e9, "D": 1e30})[0] == pytest.approx((6.4e13 / 1e9) ** 0.076, rel=1e-9)
    assert law.loss(params, {"N": 1e30, "D": 1e10})[0] == pytest.approx((1.8e13 / 1e10) ** 0.103, rel=1e-6)


def test_skaling_is_chinchilla_at_k_one():
    values = TRUTHS["chinchilla"]
    at = {"N": np.array([1e8, 1e10]), "D": np.array([2e9, 1e12])}
    expected = LAWS["chinchilla"].loss(values, at)
    np.testing.assert_allclose(LAWS["skaling"].loss({**values, "k": 1.0}, at), expected, rtol=1e-13)


@pytest.mark.parametrize(("epochs", "unique"), [(2, 1.968), (4, 3.726), (8, 6.62), (16, 10.58), (40, 15.17)])
def test_effective_tokens_agree_with_the_paper(epochs, unique):
    assert muennighoff.effective_tokens(epochs * 1e9, 1e9, 15.387756) / 1e9 == pytest.approx(unique, abs=5.1e-3)


def test_effective_tokens_for_one_epoch_and_for_many():
    assert muennighoff.effective_tokens(1e9, 4e9, 15.4) == pytest.approx(1e9)  # less than one epoch: nothing repeats
    assert muennighoff.effective_tokens(4e9, 1e9, 1e9) == pytest.approx(4e9, rel=1e-8)  # no fading: as good as fresh
    assert muennighoff.effective_tokens(1e15, 1e9, 15.4) == pytest.approx(16.4e9)


def test_the_compute_optimal_size_for_unique_tokens_agrees_with_the_paper():
    theta = LAWS["muennighoff"].theta(muennighoff.PUBLISHED)
    assert np.exp(muennighoff.log_size_for(list(theta), np.log(1e11)) - np.log(1e11)) == pytest.approx(0.051, abs=5e-4)


def test_the_activation_law_is_lowest_at_its_optimum():
    law, params = LAWS["activation"], TRUTHS["activation"]
    rates = np.geomspace(0.02, 1, 4001)
    for N, C in ((1e8, 1e18), (1e9, 1e20), (7e9, 3e21)):
        loss = law.loss(params, {"N": np.full(4001, N), "C": np.full(4001, C), "r_a": rates})
        optimum = params["r_star"] * (N / 1e9) ** params["drift_N"] * (C / 1e20) ** params["drift_C"]
        assert rates[np.argmin(loss)] == pytest.approx(optimum, rel=2e-3)


def test_reused_tokens_move_the_lowest_loss_to_denser_models():
    """At one epoch both activation laws agree; at fixed U, sparser models repeat more and lose more."""
    law, params = LAWS["activation_reuse"], TRUTHS["activation_reuse"]
    rates = np.geomspace(0.05, 1, 2001)
    columns = {"N": np.full(2001, 1e9), "C": np.full(2001, 1e20), "r_a": rates, "D": 1e20 / (6e9 * rates)}
    plain = {name: value for name, value in params.items() if name != "R_D"}
    fresh = LAWS["activation"].loss(plain, columns)
    np.testing.assert_allclose(law.loss(params, columns | {"U": columns["D"]}), fresh, rtol=1e-12)
    few = law.loss(params, columns | {"U": np.full(2001, 1e10)})
    assert (few >= fresh * (1 - 1e-12)).all()
    assert rates[np.argmin(few)] > rates[np.argmin(fresh)] * 1.05


@laws
def test_gradient_and_hessian_equal_finite_differences(law):
    """Sum of squares and Huber loss, central differences, near the truth."""
    problem = problem_of(law, noise=0.01, delta=np.inf)
    theta = law.theta(TRUTHS[law.name]) * (1 + 0.003 * np.random.default_rng(3).standard_normal(len(law.parameters)))
    h = 1e-5 * np.maximum(np.abs(theta), 0.1)
    for delta in (np.inf, 0.02):

        def around(points, delta=delta):
            return local_model(problem, np.atleast_2d(points), problem.each, problem.observed, delta)

        here, up, down = around(theta), around(theta + np.diag(h)), around(theta - np.diag(h))
        scale = np.abs(here.gradient[0]) + 1e-6 * np.abs(up.value / h).max()
        np.testing.assert_allclose((up.value - down.value) / (2 * h) / scale, here.gradient[0] / scale, atol=1e-4)
        if delta == np.inf:  # Huber's second derivative jumps, so that a difference of gradients may miss it
            measured = (up.gradient - down.gradient) / (2 * h[:, None])
            spread = np.sqrt(np.diag(here.metric[0]))
            unit = np.outer(spread, spread)
            np.testing.assert_allclose(measured / unit, here.hessian[0] / unit, atol=2e-4)
            np.testing.assert_allclose(here.hessian[0], here.hessian[0].T, rtol=1e-9, atol=1e-9 * unit.max())


@laws
def test_the_jacobian_equals_finite_differences(law):
    problem = problem_of(law)
    theta = law.theta(TRUTHS[law.name])
    written = problem.jacobian(theta)
    h = 1e-6 * np.eye(len(theta))
    measured = np.column_stack(
        [(problem.residuals(theta + each) - problem.residuals(theta - each)) / 2e-6 for each in h]
    )
    assert np.isfinite(written).all()
    np.testing.assert_allclose(written, measured, rtol=1e-4, atol=1e-7)


@laws
def test_starts_are_finite_and_within_the_bounds(law):
    problem = problem_of(law, noise=0.01)
    starts = law.starts(law, problem.logs, problem.target)
    lo, hi = np.array(law.bounds).T
    assert starts.shape == (len(starts), len(law.parameters))
    assert np.isfinite(starts).all()
    assert ((lo <= starts) & (starts <= hi)).all()


@laws
def test_without_noise_the_search_finds_the_truth(law):
    """The best objective is zero up to rounding."""
    problem = problem_of(law)
    found = solve(problem, SearchMethod(steps=2000))
    assert found.objective <= 1e-12
    assert found.converged


@pytest.mark.parametrize(
    "name", ["chinchilla", "activation", "activation_reuse", "clark", "gadre", "kaplan", "allocation"]
)
def test_the_parameters_of_the_truth_are_recovered(name):
    law = LAWS[name]
    found = solve(problem_of(law))
    np.testing.assert_allclose(law.natural(found.theta), list(TRUTHS[name].values()), rtol=1e-5)
    assert found.agreeing >= 1


@pytest.mark.parametrize("name", ["chinchilla", "gadre", "activation"])
def test_the_search_takes_the_same_path_in_other_units(name):
    """Another unit of N, D, C or the loss is a linear change of theta: the same objective, start by start."""
    problem = problem_of(LAWS[name], noise=0.005)
    one = solve(problem)
    scale = {"N": 1e-6, "D": 1e3, "C": 1e-18, "r_a": 1.0}
    columns = {key: values * scale[key] for key, values in problem.columns.items()}
    other = solve(dataclasses.replace(problem, columns=columns, loss=problem.loss * 0.37))
    assert other.objective == pytest.approx(one.objective, rel=1e-12)
    assert (other.agreeing, other.starts) == (one.agreeing, one.starts)
    place = [problem.law.parameters.index(each) for each in ("alpha", "beta") if each in problem.law.parameters]
    np.testing.assert_allclose(other.theta[place], one.theta[place], rtol=1e-8)


def test_impossible_names_and_values_are_refused():
    law = LAWS["chinchilla"]
    with pytest.raises(UsageError, match="has the parameters A, B, E, alpha, beta, not A"):
        law.theta({"A": 1.0})
    with pytest.raises(UsageError, match="no parameter 'gamma'"):
        law.coordinate("gamma", 1.0)
    with pytest.raises(UsageError, match=r"A of chinchilla is -1\.0; give a positive number"):
        law.coordinate("A", -1.0)


def test_replicates_of_a_power_law_equal_linear_regressions():
    """The law `kaplan` is a line in logarithms, so least squares has a closed form for every replicate."""
    problem = problem_of(LAWS["kaplan"], noise=0.02, delta=np.inf)
    weights = np.random.default_rng(0).multinomial(400, np.ones(400) / 400, size=20).astype(float)
    ends = solve_many(problem, solve(problem).theta, weights=weights)
    for row, theta in zip(weights, ends.theta, strict=True):
        slope, height = np.polyfit(problem.logs["N"], problem.target, 1, w=np.sqrt(row))
        assert theta[1] == pytest.approx(-slope, rel=1e-9)
        assert theta[0] == pytest.approx(-height / slope, rel=1e-9)
