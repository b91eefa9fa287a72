"""The quadratic in ln r_a: known values, every status, blocks, coverage and invariances."""

import dataclasses
import math

import numpy as np
import pytest
from scipy import stats

from fits import curve, fit_law, from_records, summary
from fits.curve.fit_curve import optimum_of
from fits.curve.least_squares import CurveData
from fits.laws import curves
from fits.runs.select_arms import seed_blocks
from planners.records.errors import UsageError

SEVEN = (0.04, 0.07, 0.11, 0.18, 0.29, 0.47, 0.8)

# arXiv 2506.12119: (r_a in %, validation bits per character) of the runs of one budget, tables 10 and 12.
FINE_2B = [
    (8.74, 0.5048),
    (10.82, 0.4967),
    (15.04, 0.4896),
    (17.11, 0.4874),
    (18.06, 0.4871),
    (19.12, 0.4872),
    (19.94, 0.4857),
    (34.96, 0.4892),
    (50.80, 0.4933),
]
COARSE_2B = [(27.46, 0.4907), (44.11, 0.4899), (57.73, 0.4934)]
UNIQUE_7B = [
    (8.97, 0.4665),
    (11.19, 0.4624),
    (13.41, 0.4580),
    (15.63, 0.4571),
    (20.07, 0.4543),
    (26.18, 0.4580),
    (30.07, 0.4588),
    (53.38, 0.4670),
]


def table(pairs, **columns):
    return from_records([{"r_a": rate, "loss": loss, **columns} for rate, loss in pairs])


def shaped(loss_of, rates=(0.05, 0.1, 0.2, 0.35, 0.6), repeats=(0.001, -0.001)):
    """Two runs at each rate, symmetric about `loss_of(ln r_a)`: the fit has degrees of freedom and a known curve."""
    return table([(rate, loss_of(math.log(rate)) + off) for rate in rates for off in repeats])


@pytest.mark.parametrize(
    ("runs", "optimum", "sd"),
    [
        (FINE_2B + COARSE_2B, 0.260, 0.0020),
        (FINE_2B, 0.249, 0.0010),
        (UNIQUE_7B, 0.213, 0.0013),
    ],
)
def test_published_runs_give_the_minimum_found_independently(runs, optimum, sd):
    result = fit_law(table([(rate / 100, loss) for rate, loss in runs]), "quadratic")
    assert result.optimum.status == "converged"
    assert result.optimum.value == pytest.approx(optimum, abs=6e-4)
    assert result.residual_sd == pytest.approx(sd, abs=2.5e-4)
    assert result.optimum.lo < optimum < result.optimum.hi + 1e-3  # the cubic of all twelve would have it lower


def test_coefficients_and_intervals_are_those_of_ordinary_regression(sweep):
    runs = sweep(noise=0.004, rates=(0.05, 0.08, 0.1, 0.2, 0.35, 0.6), random=3)
    result = fit_law(runs, "quadratic")
    x, y = np.log(runs.rates()), runs.numbers("loss")
    c, b, a = np.polyfit(x, y, 2)
    covariance = np.polyfit(x, y, 2, cov=True)[1][::-1, ::-1]
    assert [result.params[name].value for name in "abc"] == pytest.approx([a, b, c], rel=1e-9)
    np.testing.assert_allclose(result.covariance, covariance, rtol=1e-8)
    half = stats.t.ppf(0.975, 3) * math.sqrt(covariance[2, 2])
    assert result.params["c"].hi - result.params["c"].value == pytest.approx(half, rel=1e-8)
    assert (result.n, result.dof, result.status) == (6, 3, "converged")
    assert result.domain == {"r_a": (pytest.approx(0.05), pytest.approx(0.6))}


def test_without_noise_the_truth_is_found_exactly(sweep):
    result = fit_law(sweep(best=0.17, bend=0.03, rates=SEVEN), "quadratic", margin=0.005)
    assert result.optimum.value == pytest.approx(0.17, rel=1e-9)
    assert result.optimum.lo <= result.optimum.value <= result.optimum.hi
    width = math.sqrt(0.005 / 0.03)
    assert result.optimum.region == pytest.approx((0.17 * math.exp(-width), 0.17 * math.exp(width)), rel=1e-9)


def test_region_beyond_the_sampled_rates_is_open(sweep):
    region = fit_law(sweep(best=0.4, bend=0.03), "quadratic", margin=0.02).optimum.region
    assert region[1] is None
    assert 0.05 < region[0] < 0.4


def test_without_a_margin_there_is_a_note_and_no_region(sweep):
    result = fit_law(sweep(), "quadratic")
    assert result.optimum.region is None
    assert result.optimum.margin is None
    assert any("no margin" in note for note in result.notes)


@pytest.mark.parametrize("margin", [0, -1, math.nan, math.inf])
def test_impossible_margin(sweep, margin):
    with pytest.raises(UsageError, match="margin"):
        fit_law(sweep(), "quadratic", margin=margin)


@pytest.mark.parametrize(("centre", "end", "known"), [(math.log(0.02), "low", "hi"), (math.log(1.5), "high", "lo")])
def test_minimum_beyond_the_grid_is_an_edge_with_one_bound(centre, end, known):
    optimum = fit_law(shaped(lambda x: 2.5 + 0.03 * (x - centre) ** 2), "quadratic", margin=0.01).optimum
    assert (optimum.status, optimum.edge, optimum.value, optimum.region) == ("edge", end, None, None)
    bound = getattr(optimum, known)
    assert bound == pytest.approx(0.05 if end == "low" else 0.6, rel=0.1)
    assert getattr(optimum, "lo" if known == "hi" else "hi") is None
    assert f"{end} end" in optimum.reason


def test_edge_bound_is_inside_the_grid_where_the_noise_is_large():
    runs = shaped(lambda x: 2.5 + 0.03 * (x - math.log(0.04)) ** 2, repeats=(0.01, -0.01))
    optimum = fit_law(runs, "quadratic").optimum
    assert optimum.status == "edge"
    assert 0.05 < optimum.hi < 0.2


@pytest.mark.parametrize(
    ("loss_of", "end"),
    [
        (lambda x: 2.5 - 0.02 * (x + 1.0) ** 2, "low"),
        (lambda x: 2.5 - 0.1 * x, "high"),
        (lambda x: 2.5 - 0.02 * (x + 2.5) ** 2, "high"),
        (lambda x: 2.5 + 0.0 * x, None),
    ],
)
def test_a_curve_that_does_not_bend_upwards_has_no_minimum(loss_of, end):
    optimum = fit_law(shaped(loss_of), "quadratic").optimum
    assert (optimum.status, optimum.value, optimum.lo, optimum.hi) == ("no_minimum", None, None, None)
    assert end is None or optimum.edge == end


@pytest.mark.parametrize(("best", "side"), [(0.5, "above"), (0.06, "below")])
def test_an_interval_may_be_open_at_one_end(best, side):
    runs = shaped(lambda x: 2.5 + 0.03 * (x - math.log(best)) ** 2, repeats=(0.01, -0.01))
    optimum = fit_law(runs, "quadratic").optimum
    assert optimum.status == "converged"
    assert f"from {side}" in optimum.reason
    assert optimum.value == pytest.approx(best)
    if side == "above":
        assert optimum.hi is None
        assert 0.05 < optimum.lo < best
    else:
        assert optimum.lo is None
        assert best < optimum.hi < 0.6


def test_both_ends_open_is_not_identified():
    runs = shaped(lambda x: 2.5 + 0.005 * (x - math.log(0.2)) ** 2, repeats=(0.1, -0.1))
    optimum = fit_law(runs, "quadratic").optimum
    assert (optimum.status, optimum.value, optimum.lo, optimum.hi) == ("not_identified", None, None, None)
    assert "0.2" in optimum.reason
    assert "add seeds" in optimum.reason


def test_an_edge_within_the_noise_is_not_identified():
    runs = shaped(lambda x: 2.5 + 0.005 * (x - math.log(0.03)) ** 2, repeats=(0.1, -0.1))
    optimum = fit_law(runs, "quadratic").optimum
    assert (optimum.status, optimum.edge, optimum.lo, optimum.hi) == ("not_identified", "low", None, None)


def test_three_runs_leave_no_estimate_of_the_noise():
    result = fit_law(table([(0.1, 2.6), (0.2, 2.5), (0.4, 2.55)]), "quadratic")
    assert (result.status, result.dof, result.covariance) == ("not_identified", 0, None)
    assert result.optimum.status == "not_identified"
    assert result.optimum.value is None
    assert "3 runs determine 3 coefficients" in result.reason
    assert "add seeds or rates" in result.optimum.reason
    assert all(param.value is not None and param.lo is None for param in result.params.values())


@pytest.mark.parametrize("pairs", [[], [(0.1, 2.5)], [(0.1, 2.5), (0.2, 2.4)], [(0.1, 2.5), (0.2, 2.4)] * 4])
def test_fewer_than_three_rates_give_no_coefficients(pairs):
    dense = [(1.0, 2.7)]
    result = fit_law(table(pairs + dense), "quadratic")
    assert result.status == "not_identified"
    assert result.n == len(pairs)
    assert all(param.value is None for param in result.params.values())
    assert "need at least 3 different rates" in result.reason


def test_three_rates_with_seeds_are_fitted_with_a_note(sweep):
    result = fit_law(sweep(rates=(0.1, 0.2, 0.5), seeds=3, noise=0.001), "quadratic")
    assert result.status == "converged"
    assert result.dof == 9 - 3 - 2
    assert any("assumed, not tested" in note for note in result.notes)


@pytest.mark.parametrize("experts", [True, False])
def test_the_dense_arm_is_not_on_the_curve(experts):
    rows = [{"r_a": rate, "loss": 2.5 + 0.02 * math.log(rate / 0.2) ** 2} for rate in (0.05, 0.1, 0.2, 0.4, 0.6)]
    rows += [{"r_a": 1.0, "loss": 9.0}, {"r_a": 1.0, "loss": 9.1}]
    if experts:
        rows = [{**row, "n_experts": 64 if row["r_a"] < 1 else 0} for row in rows]
    result = fit_law(from_records(rows), "quadratic")
    assert result.optimum.value == pytest.approx(0.2)
    assert result.n == 5
    assert any(note.startswith("2 dense runs left out") for note in result.notes)


def test_a_router_with_all_experts_active_is_on_the_curve():
    rows = [
        {"r_a": rate, "loss": 2.5 + 0.02 * math.log(rate / 0.2) ** 2, "n_experts": 8} for rate in (0.1, 0.2, 0.5, 1)
    ]
    assert fit_law(from_records(rows), "quadratic").n == 4


def test_an_unstated_number_of_experts_is_refused():
    rows = [{"r_a": 0.1, "loss": 2.5, "n_experts": 8}, {"r_a": 1.0, "loss": 2.5, "n_experts": None}]
    with pytest.raises(UsageError, match=r"row 2 .* n_experts"):
        fit_law(from_records(rows), "quadratic")


# --- seeds as blocks


def test_blocks_remove_the_shift_of_a_seed(sweep):
    result = fit_law(sweep(noise=0.001, shift=0.02, seeds=4), "quadratic")
    assert result.blocks.n == 4
    assert result.dof == 20 - 3 - 3
    assert result.residual_sd == result.blocks.sd < 0.002 < 0.005 < result.blocks.plain_sd
    wide, narrow = result.blocks.plain, result.optimum
    assert narrow.value == pytest.approx(wide.value)  # a balanced plan: the estimate is the same, the interval is not
    assert math.log(narrow.hi / narrow.lo) < 0.5 * math.log((wide.hi or 0.6) / (wide.lo or 0.05))


def test_the_blocked_curve_describes_the_average_seed(sweep):
    runs = sweep(shift=0.05, seeds=3)
    result = fit_law(runs, "quadratic")
    mean = runs.frame.groupby("r_a")["loss"].mean()
    np.testing.assert_allclose(curve(result, mean.index.to_numpy())[0], mean, rtol=1e-10)


def test_blocks_agree_with_a_regression_on_seed_indicators(sweep):
    runs = sweep(noise=0.003, shift=0.02, seeds=3, random=5)
    runs = runs.only(np.arange(len(runs)) != 4)  # unbalanced
    result = fit_law(runs, "quadratic")
    x, y, seed = np.log(runs.rates()), runs.numbers("loss"), runs.frame["seed"].to_numpy()
    design = np.column_stack([x, x**2, *[(seed == s).astype(float) for s in range(3)]])
    solution, residual, rank, _ = np.linalg.lstsq(design, y, rcond=None)
    assert rank == 5
    assert result.dof == 14 - 5
    assert [result.params[name].value for name in "bc"] == pytest.approx(solution[:2], rel=1e-8)
    assert result.params["a"].value == pytest.approx(solution[2:].mean(), rel=1e-10)
    assert result.objective == pytest.approx(residual[0], rel=1e-8)


def test_seeds_that_share_no_rate_do_not_become_blocks():
    rows = [
        {"r_a": rate, "loss": 2.5 + 0.02 * math.log(rate / 0.2) ** 2, "seed": seed}
        for seed, rate in enumerate((0.05, 0.1, 0.2, 0.3, 0.4, 0.6))
    ]
    result = fit_law(from_records(rows), "quadratic")
    assert result.blocks is None
    assert result.optimum.value == pytest.approx(0.2)
    assert any("separate 6 seeds from the curve" in note for note in result.notes)


def test_a_missing_seed_is_refused(sweep):
    frame = sweep(seeds=2).frame.astype({"seed": float})
    frame.loc[3, "seed"] = np.nan
    with pytest.raises(UsageError, match=r"row 3 .* no seed"):
        fit_law(from_records(frame), "quadratic")


def test_the_interval_holds_the_truth_and_is_not_much_wider_than_that_of_a_cubic(sweep):
    """120 studies of 5 rates and 3 seeds: the number that hold the truth is at least binomial(120, 0.95)."""
    studies, truth, covered, ratios = 120, 0.2, 0, []
    for study in range(studies):
        runs = sweep(best=truth, noise=0.004, shift=0.01, seeds=3, random=11000 + study)
        data = CurveData(x=np.log(runs.rates()), loss=runs.numbers("loss"), blocks=seed_blocks(runs))
        optimum = optimum_of(data, curves()["cubic"])
        covered += (optimum.lo or 0) <= truth <= (optimum.hi or 1)
        if study % 10 == 0:
            assumed = next(row for row in fit_law(runs, "cubic").sensitivity if row.law == "cubic")
            ratios.append(math.log(optimum.hi / optimum.lo) / math.log(assumed.hi / assumed.lo))
    assert covered >= stats.binom.ppf(0.005, studies, 0.95)
    assert 1 < np.median(ratios) < 1.6


# --- tables that mix what should be equal


def test_unequal_parameters_and_budgets_are_noted(sweep):
    frame = sweep().frame.drop(columns="r_a")
    frame["r_a"] = frame["N_a"] / frame["N"]
    frame.loc[1, "N"] *= 1.03
    frame.loc[2, "C"] *= 1.25
    notes = fit_law(from_records(frame), "quadratic").notes
    assert any(note.startswith("N differs by 3.0%") for note in notes)
    assert any(note.startswith("C differs by 25.0%") for note in notes)
    assert not any("differs" in note for note in fit_law(sweep(), "quadratic").notes)


def test_several_budgets_are_fitted_one_by_one(sweep):
    frames = [sweep(best=best).frame.assign(C=C) for best, C in ((0.1, 1e18), (0.3, 1e19))]
    both = from_records([row for frame in frames for row in frame.to_dict("records")])
    with pytest.raises(UsageError, match=r"several C 1e.18 to 1e.19; .*by_budget"):
        fit_law(both, "quadratic")
    sizes = [row | {"N": row["N"] * (1 + 9 * (row["C"] > 2e18)), "C": 1e18} for row in both.frame.to_dict("records")]
    with pytest.raises(UsageError, match=r"several N 1e.08 to 1e.09; .*on their own"):
        fit_law(from_records(sizes), "quadratic")
    kinds = [
        row | {"top_k": 2 if index % 2 else 8, "C": 1e18} for index, row in enumerate(frames[0].to_dict("records"))
    ]
    kinds = [*kinds, *(row | {"top_k": 10 - row["top_k"]} for row in kinds)]
    with pytest.raises(UsageError, match=r"several top_k 2 to 8"):
        fit_law(from_records(kinds), "quadratic")
    found = {C: fit_law(part, "quadratic").optimum.value for C, part in both.by_budget().items()}
    assert found == {1e18: pytest.approx(0.1), 1e19: pytest.approx(0.3)}


# --- the curve


def test_the_band_agrees_with_ordinary_regression(sweep):
    runs = sweep(noise=0.004, random=2, rates=(0.05, 0.08, 0.1, 0.2, 0.35, 0.6))
    result = fit_law(runs, "quadratic")
    mean, lo, hi = curve(result, [0.07, 0.3])
    x, y = np.log(runs.rates()), runs.numbers("loss")
    fitted, covariance = np.polyfit(x, y, 2, cov=True)
    powers = np.vander(np.log([0.07, 0.3]), 3)
    half = stats.t.ppf(0.975, 3) * np.sqrt(np.diag(powers @ covariance @ powers.T))
    np.testing.assert_allclose(mean, powers @ fitted, rtol=1e-10)
    np.testing.assert_allclose(hi - mean, half, rtol=1e-7)
    np.testing.assert_allclose(mean - lo, half, rtol=1e-7)


def test_curve_without_dof_has_no_band():
    result = fit_law(table([(0.1, 2.6), (0.2, 2.5), (0.4, 2.55)]), "quadratic")
    mean, lo, hi = curve(result, 0.2)
    assert mean == pytest.approx([2.5])
    assert lo is None
    assert hi is None


def test_curve_of_unknown_coefficients_is_refused(chinchilla_points):
    for result in (fit_law(table([(0.1, 2.6)]), "quadratic"), fit_law(chinchilla_points, "chinchilla", bootstrap=0)):
        with pytest.raises(UsageError, match="not a curve of r_a"):
            curve(result, 0.2)


# --- invariances

EVERY = pytest.mark.parametrize("law", ["quadratic", "cubic", "spline"])


@EVERY
def test_order_of_the_runs_changes_nothing(sweep, law):
    runs = sweep(noise=0.004, shift=0.01, seeds=3)
    mixed = from_records(runs.frame.sample(frac=1, random_state=1), source="simulated")
    one, other = fit_law(runs, law, margin=0.01), fit_law(mixed, law, margin=0.01)
    assert one.optimum.value == pytest.approx(other.optimum.value, rel=1e-8)
    assert one.optimum.region == pytest.approx(other.optimum.region, rel=1e-8)
    np.testing.assert_allclose(one.covariance, other.covariance, rtol=1e-6, atol=1e-12)


@EVERY
@pytest.mark.parametrize(("scale", "offset"), [(3.0, 0.0), (1.0, 5.0), (0.25, 1.0)])
def test_linear_change_of_the_loss_leaves_the_optimum(sweep, scale, offset, law):
    runs = sweep(noise=0.004, seeds=2)
    changed = from_records(runs.frame.assign(loss=scale * runs.frame["loss"] + offset))
    one = fit_law(runs, law, margin=0.01)
    other = fit_law(changed, law, margin=0.01 * scale)
    for field in ("value", "lo", "hi", "region"):
        assert getattr(other.optimum, field) == pytest.approx(getattr(one.optimum, field), rel=1e-4)
    assert other.optimum.loss == pytest.approx(scale * one.optimum.loss + offset, rel=1e-9)
    assert other.params["c"].value == pytest.approx(scale * one.params["c"].value, rel=1e-6)
    assert other.residual_sd == pytest.approx(scale * one.residual_sd, rel=1e-6)


@EVERY
def test_scaling_all_rates_scales_the_optimum(sweep, law):
    runs = sweep(noise=0.004, seeds=2)
    halved = from_records(runs.frame.assign(r_a=runs.frame["r_a"] / 2))
    one, other = fit_law(runs, law).optimum, fit_law(halved, law).optimum
    assert (2 * other.value, 2 * other.lo, 2 * other.hi) == pytest.approx((one.value, one.lo, one.hi), rel=1e-4)


# --- text


def test_summary_names_what_is_missing_and_why(sweep):
    text = summary(fit_law(sweep(noise=0.004, shift=0.02, seeds=3), "quadratic", margin=0.01))
    for part in ("[[quadratic]]", "n = 15, dof = 10", "r_a = 0.", "within 0.01 nats", "[[Blocks]] 3 values of seed"):
        assert part in text
    text = summary(fit_law(table([(0.1, 2.6), (0.2, 2.5), (0.4, 2.55)]), "quadratic"))
    assert "r_a = not given" in text
    assert "leave no estimate of the noise" in text
    assert "(no interval)" in text
    edge = fit_law(shaped(lambda x: 2.5 + 0.03 * (x - math.log(0.02)) ** 2), "quadratic")
    assert "below 0.05" in summary(edge)
    assert "add rates below it" in summary(edge)
    lost = from_records([{"r_a": 0.1, "loss": None, "state": "failed"}])
    assert "[[Left out]] row 1: state is failed" in summary(fit_law(lost, "quadratic"))


def test_results_are_frozen(sweep):
    with pytest.raises(dataclasses.FrozenInstanceError):
        fit_law(sweep(), "quadratic").status = "converged"
