"""Intervals of a minimum against the profile F test, of L* and of the region; agreement of different curves."""

import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy import stats

from fits import fit_law, from_records
from fits.curve.least_squares import fit_basis
from fits.laws.curve_basis import Powers

X = np.log([0.05, 0.1, 0.2, 0.35, 0.6, 0.08, 0.15, 0.27])


def line_of(y, degree, x=X):
    return fit_basis(Powers(degree + 1), x, y, np.empty((len(x), 0)))


def residual(design, y):
    return np.sum((y - design @ np.linalg.lstsq(design, y, rcond=None)[0]) ** 2)


def accepted(y, turning, degree):
    """Whether an F test accepts a stationary point there: the polynomial in (x - turning) without its linear term."""
    free = residual(np.vander(X, degree + 1), y)
    powers = [power for power in range(degree + 1) if power != 1]
    forced = residual((X[:, None] - turning) ** np.array(powers), y)
    dof = len(X) - degree - 1
    return (forced - free) / (free / dof) <= stats.f.ppf(0.95, 1, dof)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(2, 4),
    st.floats(-2.4, -0.9),
    st.floats(0.02, 0.3),
    st.lists(st.floats(-1, 1), min_size=8, max_size=8),
)
def test_inside_the_range_the_interval_inverts_the_profile_f_test(degree, best, bend, noise):
    y = 2.5 + bend * (X - best) ** 2 + 0.02 * np.array(noise)
    line = line_of(y, degree)
    if not line.residual > 1e-8:
        return
    lo, hi = line.interval
    for end, outward in ((lo, -1e-4), (hi, 1e-4)):
        if line.low < end < line.high and end != line.lowest:
            inside = end - math.copysign(min(1e-4, abs(end - line.lowest) / 2), outward)
            rise, error = (float(each[0]) for each in line.above(np.array([end]), line.lowest))
            if rise < 0.99 * line.t * error:  # else the curve is too high there, whatever its slope
                assert accepted(y, inside, degree)
                assert not accepted(y, end + outward, degree)


def test_the_interval_of_a_parabola_is_that_of_fieller():
    """E. C. Fieller's closed form: the roots of (b + 2cx)^2 = t^2 Var(b + 2cx)."""
    y = 2.5 + 0.05 * (X - math.log(0.2)) ** 2 + 0.004 * np.array([1, -1, 1, -1, 1, 1, -1, -1])
    (c, b, _), covariance = np.polyfit(X, y, 2, cov=True)
    v_cc, v_bc, v_bb = covariance[0, 0], covariance[0, 1], covariance[1, 1]
    t2 = stats.t.ppf(0.975, 5) ** 2
    roots = np.roots([4 * (c**2 - t2 * v_cc), 4 * (b * c - t2 * v_bc), b**2 - t2 * v_bb])
    assert line_of(y, 2).interval == pytest.approx(sorted(roots), abs=1e-7)


def test_the_interval_of_a_cubic_that_falls_again_reaches_the_end():
    x = np.linspace(-3, 0, 12)
    y = 2 + 0.3 * (x + 1) ** 2 * (x + 3.02) + 0.04 * np.cos(9 * x)
    lo, hi = line_of(y, 3, x).interval
    assert lo == -3.0  # the low end is no higher than the minimum at -1
    assert -1 < hi < -0.5


# --- L*


def studies(count, *, shift, noise, seeds=3, rates=(0.08, 0.12, 0.2, 0.35, 0.6)):
    random = np.random.default_rng(5)
    x = np.repeat(np.log(rates), seeds)
    member = np.tile(np.eye(seeds), (len(rates), 1))
    blocks = member[:, :-1] - member[:, -1:]
    for _ in range(count):
        y = 2.5 + 0.1 * (x - math.log(0.2)) ** 2 + member @ (shift * random.standard_normal(seeds))
        yield fit_basis(Powers(4), x, y + noise * random.standard_normal(len(x)), blocks)


@pytest.mark.parametrize(("shift", "noise"), [(0.02, 0.01), (0.0, 0.01), (0.005, 0.01)])
def test_the_interval_of_the_lowest_loss_covers_other_seeds(shift, noise):
    lines = studies(1500, shift=shift, noise=noise)
    covered = [lo <= 2.5 <= hi for _, lo, hi in (line.level for line in lines)]
    assert 0.93 < np.mean(covered) < 0.975


def test_without_blocks_the_interval_of_the_lowest_loss_is_a_t_interval():
    y = 2.5 + 0.05 * (X - math.log(0.2)) ** 2 + 0.004 * np.array([1, -1, 1, -1, 1, 1, -1, -1])
    line = line_of(y, 2)
    value, lo, hi = line.level
    row = np.array([[1, line.lowest, line.lowest**2]])
    design = np.vander(X, 3, increasing=True)
    sd = math.sqrt(residual(design, y) / 5 * float((row @ np.linalg.inv(design.T @ design) @ row.T)[0, 0]))
    assert hi - value == pytest.approx(stats.t.ppf(0.975, 5) * sd, rel=1e-8)
    assert value - lo == pytest.approx(hi - value)


# --- different curves on the same runs


def skewed(rate):
    """A loss with its minimum at 0.2 that is steeper to the left than to the right."""
    x = np.log(rate / 0.2)
    return 2.5 + 0.05 * x**2 - 0.02 * x**3


def runs(truth, noise, seeds=3, random=0, rates=(0.06, 0.1, 0.15, 0.2, 0.3, 0.6)):
    draw = np.random.default_rng(random)
    shifts = 0.02 * draw.standard_normal(seeds)
    rows = [
        {"r_a": rate, "seed": seed, "n_experts": 8, "loss": truth(rate) + shifts[seed] + noise * draw.standard_normal()}
        for rate in rates
        for seed in range(seeds)
    ]
    return from_records(rows)


def test_every_fit_lists_the_minimum_of_the_other_curves():
    for law in ("quadratic", "cubic", "spline"):
        rows = fit_law(runs(skewed, 0.01, random=2), law).sensitivity
        assert [row.law for row in rows] == ["quadratic", "cubic", "spline"]
        alone = {row.law: fit_law(runs(skewed, 0.01, random=2), row.law) for row in rows}
        for row in rows:
            assert row.value == pytest.approx(alone[row.law].optimum.value, rel=1e-9)
            assert row.residual_sd == pytest.approx(alone[row.law].residual_sd)


def test_the_interval_does_not_assume_the_fitted_parabola():
    fit = fit_law(runs(skewed, 0.01, random=2), "quadratic")
    own = next(row for row in fit.sensitivity if row.law == "quadratic")
    assert "one minimum" in fit.optimum.basis
    assert own.lo > 0.22  # the parabola's own interval misses the truth
    assert fit.optimum.lo < 0.2 < own.value < fit.optimum.hi


def test_a_rejected_curve_gives_no_value_and_the_shapes_still_give_an_interval():
    optimum = fit_law(runs(powers(4, 0.3), 0.003), "quadratic").optimum
    assert (optimum.status, optimum.value) == ("not_identified", None)
    assert "see the other curves" in optimum.reason
    assert optimum.lo < 0.2 < (optimum.hi or 1)


def powers(alpha, beta):
    """A sum of two powers of the rate with its minimum at 0.2."""
    return lambda rate: (
        2.5
        + 0.05 * (math.expm1(-alpha * math.log(rate / 0.2)) / alpha + math.expm1(beta * math.log(rate / 0.2)) / beta)
    )


@pytest.mark.parametrize("truth", [powers(4, 0.3), powers(1, 2.4), powers(2, 2), skewed])
def test_the_interval_holds_the_minimum_of_skewed_truths(truth):
    """60 studies: fewer than 52 intervals that hold the truth have a probability of 0.5 % at 95 %."""
    found = [fit_law(runs(truth, 0.006, random=random), "cubic").optimum for random in range(60)]
    held = [(one.lo or 0) <= 0.2 <= (one.hi or 1) for one in found if one.basis]
    assert np.mean(held) >= 52 / 60


def test_losses_without_an_effect_of_the_rate_give_no_optimum():
    claims = [fit_law(runs(lambda rate: 2.5, 0.01, random=random), "cubic").optimum.value for random in range(60)]
    assert sum(claim is not None for claim in claims) <= 7  # the level is 5 %: binomial, 1 in 100
