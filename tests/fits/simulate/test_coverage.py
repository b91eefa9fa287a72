"""Coverage of the intervals in simulated studies; the tables are in docs/calibration.md.

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


WORST = [
    ("cubic", "5x3"),
    ("cubic", "7x1"),
    ("parabola", "7x1"),
    ("powers 8, 1.4", "5x3 narrow"),
    ("powers 4, 0.3", "5x3"),
]
"""Cells with the lowest coverage among smooth truths with one minimum."""


@pytest.mark.soak
@pytest.mark.parametrize(("truth", "design"), WORST)
def test_intervals_hold_the_truth_in_the_worst_cells(calibration, truth, design):
    found = calibration.calibrate(calibration.Cell(truth=truth, design=design, noise="gaussian"), "cubic", 1000)
    assert found.held >= 0.90


@pytest.mark.soak
@pytest.mark.parametrize("name", ["one cubic", "one skewed shape", "shape changes"])
@pytest.mark.parametrize("design", ["5x3", "5x6"])
def test_the_test_of_constancy_keeps_its_level(calibration, design, name):
    rejected = float(calibration.constancy_row(name, design, 0.0, 300)[3])
    assert rejected < 0.09  # 5 % and three standard errors


def test_a_study_is_simulated_as_its_design_says(calibration):
    for cell in (*calibration.CELLS["tuning"], *calibration.CELLS["kept"]):
        design = calibration.DESIGNS[cell.design]
        (table,) = calibration.studies(cell, 1)
        assert sorted(set(table.rates().tolist())) == pytest.approx(sorted(design.rates))
        assert len(table) == design.arms * design.seeds
        assert np.ptp(calibration.true_losses(cell)) == pytest.approx(calibration.HEIGHT)
    for shape in {**calibration.TUNING, **calibration.KEPT}.values():
        u = np.linspace(-1.5, 1.4, 29001)
        assert u[np.argmin(shape(u))] == pytest.approx(0.0, abs=1e-3)


@pytest.mark.soak
@pytest.mark.parametrize("family", ["gaussian", "t3"])
def test_intervals_of_the_chinchilla_parameters_hold_them(calibration, family):
    shares = calibration.chinchilla_row(family, 1000)[2:]
    for share in shares:
        held, _, stated = share.partition(" of ")
        assert int(stated) > 900
        assert 0.93 <= float(held) <= 0.97
