"""The tail of F against scipy, and the residuals of a fit against its normal equations."""

import itertools

import numpy as np
import pytest
from scipy.special import fdtrc

from fits.f_test import f_tail, residual_squares


@pytest.mark.parametrize("dof", [0.6, 1, 2, 7, 300])
def test_the_tail_of_f_is_that_of_scipy(dof):
    for error_dof, F in itertools.product(
        (1, 3, 11, 90, 20_000), (-1, 0, 1e-6, 0.3, 1, 1.1, 4, 300, 1e9, float("inf"))
    ):
        assert f_tail(F, dof, error_dof) == pytest.approx(fdtrc(dof, error_dof, max(F, 0)), rel=1e-9, abs=1e-300)


def test_residuals_are_orthogonal_to_the_design():
    random = np.random.default_rng(0)
    design, values = random.normal(size=(9, 3)), random.normal(size=9)
    projection = design @ np.linalg.solve(design.T @ design, design.T @ values)
    squares, rank = residual_squares(np.hstack([design, design[:, :1]]), values)
    assert (rank, squares) == (3, pytest.approx(values @ values - projection @ projection))
