"""Coverage of the intervals in 1,000 simulated studies of two designs; the tables are in docs/calibration.md.

`python -m benchmarks.calibration` prints it.
"""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "calibration.py"


@pytest.fixture(scope="module")
def calibration():
    spec = importlib.util.spec_from_file_location("calibration", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules["calibration"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.soak
@pytest.mark.parametrize("family", ["gaussian", "t3"])
@pytest.mark.parametrize("truth", ["parabola", "cubic", "physical"])
@pytest.mark.parametrize("design", [0, 1])
def test_intervals_of_the_cubic_hold_the_truth(calibration, design, truth, family):
    found = calibration.calibrate(calibration.DESIGNS[design], truth, family, "cubic", 1000)
    assert found.statuses["converged"] + found.statuses["edge"] > 0.5
    assert 0.93 <= found.held <= 0.97
    assert 0.93 <= found.loss_held <= 0.97


@pytest.mark.soak
@pytest.mark.parametrize("law", ["quadratic", "spline"])
@pytest.mark.parametrize("truth", ["parabola", "physical"])
@pytest.mark.parametrize("design", [0, 1])
def test_intervals_of_other_curves_hold_it_at_least_as_often(calibration, design, truth, law):
    """They are the intervals of the cubic, widened to contain the minimum of the curve."""
    found = calibration.calibrate(calibration.DESIGNS[design], truth, "gaussian", law, 1000)
    assert found.held >= 0.93


@pytest.mark.soak
@pytest.mark.parametrize("family", ["gaussian", "t3"])
@pytest.mark.parametrize("design", [0, 1])
def test_the_test_of_constancy_has_its_nominal_level(calibration, design, family):
    rejected = float(calibration.constancy_row(calibration.DESIGNS[design], family, 0.0, 500)[-1])
    assert rejected < 0.08  # 5 % and three standard errors


def test_a_study_is_simulated_as_its_design_says(calibration):
    design = calibration.DESIGNS[0]
    (table,) = calibration.studies(design, calibration.truths(design)["cubic"], "gaussian", 1)
    assert sorted(set(table.rates().tolist())) == sorted(design.rates)
    assert len(table) == len(design.rates) * design.seeds
    for truth in calibration.truths(design).values():
        x = np.linspace(np.log(design.rates[0]), np.log(design.rates[-1]), 20001)
        assert x[truth(x).argmin()] == pytest.approx(np.log(design.best), abs=1e-3)
        assert truth(x).min() == pytest.approx(calibration.FLOOR, abs=1e-6)


@pytest.mark.soak
@pytest.mark.parametrize("family", ["gaussian", "t3"])
def test_intervals_of_the_chinchilla_parameters_hold_them(calibration, family):
    shares = calibration.chinchilla_row(family, 1000)[2:]
    for share in shares:
        held, _, stated = share.partition(" of ")
        assert int(stated) > 900
        assert 0.93 <= float(held) <= 0.97
