"""The lack-of-fit test: against statsmodels' nested comparison, its level, and its effect on the optimum."""

import numpy as np
import pandas as pd
import pytest

from fits import fit_law, from_records

RATES = (0.08, 0.12, 0.2, 0.35, 0.6)


def runs(truth, noise=0.0, seeds=3, random=0, shift=0.0):
    rng = np.random.default_rng(random)
    shifts = shift * rng.standard_normal(seeds)
    rows = [
        {"r_a": rate, "seed": seed, "n_experts": 8, "loss": truth(rate) + shifts[seed] + noise * rng.standard_normal()}
        for rate in RATES
        for seed in range(seeds)
    ]
    return from_records(rows)


def parabola(rate):
    return 2.5 + 0.05 * np.log(rate / 0.2) ** 2


def steep(rate):
    """A loss with its minimum at 0.215 that is far from a parabola in ln r_a."""
    return 0.1 * rate**-0.5 + 0.5 * rate + 2


@pytest.mark.parametrize("seeds", [2, 4])
def test_f_agrees_with_a_comparison_of_nested_models(seeds):
    import statsmodels.formula.api as smf
    from statsmodels.stats.anova import anova_lm

    table = runs(parabola, noise=0.01, seeds=seeds, random=3, shift=0.02)
    shape = fit_law(table, "quadratic").lack_of_fit
    frame = pd.DataFrame(table.frame).assign(x=np.log(table.rates()), rate=table.rates().astype(str))
    curve = smf.ols("loss ~ x + I(x**2) + C(seed)", frame).fit()
    means = smf.ols("loss ~ C(rate) + C(seed)", frame).fit()
    expected = anova_lm(curve, means).iloc[1]
    assert (shape.shape_dof, shape.error_dof) == (int(expected["df_diff"]), int(expected["df_resid"]))
    assert pytest.approx(expected["F"]) == shape.F
    assert pytest.approx(expected["Pr(>F)"]) == shape.p


def test_a_curve_that_misses_the_means_gives_no_optimum():
    fit = fit_law(runs(steep, noise=0.003), "quadratic")
    assert fit.lack_of_fit.p < 1e-3
    assert (fit.optimum.value, fit.optimum.status) == (None, "not_identified")
    assert "misses the mean losses" in fit.optimum.reason
    assert fit.status == "converged"  # the coefficients are what they are


def test_the_test_has_its_nominal_level():
    rejected = [fit_law(runs(parabola, noise=0.01, random=i), "quadratic").lack_of_fit.p < 0.05 for i in range(400)]
    assert 0.02 < np.mean(rejected) < 0.085  # 5 %, give or take three standard errors


def test_without_repeats_there_is_no_test():
    assert fit_law(runs(parabola, noise=0.01, seeds=1), "quadratic").lack_of_fit is None
    assert fit_law(runs(parabola), "quadratic").lack_of_fit is None  # without noise the misses cannot be tested


def test_an_edge_that_the_means_contradict_is_not_reported():
    """A measured case: the parabola still falls at the lowest rate, but the next rate has the lowest mean."""
    means = {0.110: 2.2637, 0.131: 2.2462, 0.172: 2.3333, 0.254: 2.4069, 0.419: 2.5483}
    noise = (-0.03, 0.0, 0.03)  # the same at every rate, so that the means stay what they are
    rows = [
        {"r_a": rate, "n_experts": 8, "seed": seed, "loss": mean + noise[(seed + index) % 3]}
        for index, (rate, mean) in enumerate(means.items())
        for seed in range(3)
    ]
    optimum = fit_law(from_records(rows), "quadratic").optimum
    assert (optimum.status, optimum.edge, optimum.lo, optimum.hi) == ("not_identified", "low", None, None)
    assert "curve and means disagree" in optimum.reason
    falling = [row | {"loss": row["loss"] - 0.03 * (row["r_a"] == 0.110)} for row in rows]
    assert fit_law(from_records(falling), "quadratic").optimum.status == "edge"
