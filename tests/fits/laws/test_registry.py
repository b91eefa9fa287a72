"""Adding a law or a curve: one file that defines it, and one line of `fits.LAWS`; everything else finds it there."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from fits import LAWS, FitResult, curve, fit_law, from_records, laws
from fits.compare.laws import comparisons
from fits.laws.curve_basis import Curve
from fits.laws.law import SIZE, Law, grid, with_sizes
from fits.simulate.coverage import Noise, with_losses
from fits.simulate.truth import truth_of, truths
from planners.records.json import from_json, to_json


@dataclass(frozen=True)
class RatePowers:
    """1, r_a and 1 / r_a as functions of x = ln r_a: a basis that is not a polynomial in x."""

    free: int = 3
    size: int = 3
    knots: tuple[float, ...] = ()
    wider: None = None

    def columns(self, x, derivative=0):
        """Return the functions or their derivatives, shape (m, 3)."""
        constant = np.ones_like(x) if derivative == 0 else np.zeros_like(x)
        return np.column_stack([constant, np.exp(x), (-1) ** derivative * np.exp(-x)])


RATE_POWERS = Curve(
    name="rate_powers",
    formula="L = a + b r_a + c / r_a",
    source="a test",
    parameters=("a", "b", "c"),
    basis=lambda x: RatePowers(),
)

ONLY_DATA = Law(
    name="only_data",
    formula="L = E + B / D^beta",
    latex=r"L = E + B D^{-\beta}",
    source="a test",
    valid="a test",
    columns=("D",),
    parameters=("B", "E", "beta"),
    positive=("B", "E"),
    bounds=(SIZE, SIZE, (0.0, 5.0)),
    log_terms=lambda theta, x: (theta[0] - theta[2] * x["D"], theta[1]),
    starts=lambda law, x, target: with_sizes(law, grid(law, {"beta": (0.2, 0.5)}), ("B", "E"), x, target),
)


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    """Register both, as the line of `fits.laws` does."""
    monkeypatch.setitem(LAWS, RATE_POWERS.name, RATE_POWERS)
    monkeypatch.setitem(LAWS, ONLY_DATA.name, ONLY_DATA)


@pytest.fixture
def plan():
    """A plan of seven rates and three seeds, without losses."""
    rates = (0.05, 0.08, 0.12, 0.2, 0.3, 0.45, 0.7)
    return from_records(
        {"N": 1e8, "N_a": 1e8 * r, "C": 1e18, "D": 1e18 / (6e8 * r), "n_experts": 64, "seed": seed, "loss": 1.0}
        for seed in range(3)
        for r in rates
    )


@pytest.fixture
def runs(plan):
    """Losses simulated from the new curve, best at 0.2."""
    truth = truth_of("rate_powers", {"best": 0.2, "bend": 0.1}, plan)
    assert truth.optimum(plan)[0] == pytest.approx(0.2)
    noise = Noise(sd=0.002, seed_sd=0.002)
    return with_losses(plan, truth.losses(plan) + noise.draw(plan, np.random.default_rng(0)))


def test_a_new_curve_is_simulated_fitted_and_drawn_with_its_own_basis(runs):
    fit = fit_law(runs, "rate_powers")
    assert fit.status == "converged"
    assert fit.optimum.value == pytest.approx(0.2, rel=0.05)
    rates = np.array([0.1, 0.3])
    a, b, c = (fit.params[name].value for name in "abc")
    reread = from_json(FitResult, to_json(fit), "a test")
    assert curve(reread, rates)[0] == pytest.approx(a + b * rates + c / rates)


def test_a_new_curve_joins_the_sensitivity_table_of_the_others(runs):
    rows = {row.law: row for row in fit_law(runs, "cubic").sensitivity}
    assert rows["rate_powers"].value == pytest.approx(0.2, rel=0.05)


def test_a_new_curve_is_compared_and_wins_on_its_own_losses(runs):
    (found,) = comparisons(runs, ["quadratic", "rate_powers"])
    assert found.scores[0].law == "rate_powers"


def test_a_new_law_is_simulated_fitted_and_compared(plan):
    given = {"B": 1000.0, "E": 2.0, "beta": 0.4}
    losses = truth_of("only_data", given, plan).losses(plan)
    noise = 1 + 1e-4 * np.random.default_rng(0).standard_normal(len(plan))
    table = with_losses(plan, losses * noise)
    fit = fit_law(table, "only_data", bootstrap=0)
    assert {name: param.value for name, param in fit.params.items()} == pytest.approx(given, rel=0.1)
    assert fit.objective < 1e-5
    (found,) = comparisons(table, ["only_data", "gadre"])
    assert {score.law for score in found.scores} == {"only_data", "gadre"}
    assert "only_data" in truths()


def test_each_law_is_one_file_and_one_line_of_the_list():
    folder = Path(laws.__file__).parent
    files = {path.stem for path in folder.glob("*.py") if "\nLAW = " in path.read_text()}
    assert files == set(LAWS) - {RATE_POWERS.name, ONLY_DATA.name}
    lines = (folder / "__init__.py").read_text().splitlines()
    assert all(sum(f'"{name}",' in line for line in lines) == 1 for name in files)
