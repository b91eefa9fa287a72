"""The minimum of a parabola: through three points, and fitted to several."""

import numpy as np
import pytest

from fits.curve.parabola import fitted_vertex, vertex


def test_the_vertex_of_three_points_is_that_of_their_parabola():
    points = [(x, 2.0 + 0.3 * (x - 1.2) ** 2) for x in (-1.0, 0.5, 1.0, 4.0)]
    assert vertex(points) == pytest.approx(1.2)


def test_a_lowest_point_at_an_end_has_no_vertex():
    assert vertex([(0.0, 1.0), (1.0, 2.0), (2.0, 3.0)]) is None
    assert vertex([(0.0, 1.0)]) is None


def test_a_fitted_vertex_needs_four_near_points_around_it():
    x = np.linspace(-2, 2, 9)
    y = 1.5 + 0.2 * (x - 0.3) ** 2
    assert fitted_vertex(x, y, within=1.0) == pytest.approx((0.3, 1.5))
    assert fitted_vertex(x[:3], y[:3], within=9.0) is None
    assert fitted_vertex(x[:4], y[:4], within=9.0) is None  # its minimum lies outside of these points
