"""Newton's method for many problems: Cholesky with indefinite systems, bounds, and negative curvature."""

import numpy as np

from fits.surface.newton import LocalModel, minimise, solve_definite


def test_definite_systems_are_solved_and_others_are_told():
    rng = np.random.default_rng(0)
    roots = rng.standard_normal((30, 4, 6))
    matrices, right = roots @ roots.transpose(0, 2, 1), rng.standard_normal((30, 4))
    matrices[7] -= 40 * np.eye(4)
    matrices[8] = np.ones((4, 4))
    found, definite = solve_definite(matrices, right)
    expected = np.array([np.linalg.eigvalsh(each)[0] > 1e-9 for each in matrices])
    np.testing.assert_array_equal(definite, expected)
    exact = np.linalg.solve(matrices[definite], right[definite][:, :, None])[:, :, 0]
    np.testing.assert_allclose(found[definite], exact, rtol=1e-8)


def test_newton_stays_in_its_bounds_and_starts_where_the_curvature_is_negative():
    """f = (x^2 - 1)^2 + (y - 3)^2 with y <= 2, from x near its maximum at 0: the minima are at x = -1 and 1, y = 2."""

    def model(points, _):
        x, y = points.T
        gradient = np.stack([4 * x * (x**2 - 1), 2 * (y - 3)], axis=1)
        hessian = np.zeros((len(points), 2, 2))
        hessian[:, 0, 0], hessian[:, 1, 1] = 12 * x**2 - 4, 2
        metric = np.broadcast_to(np.eye(2) * 4, hessian.shape).copy()
        return LocalModel(value=(x**2 - 1) ** 2 + (y - 3) ** 2, gradient=gradient, hessian=hessian, metric=metric)

    start = np.array([[0.01, 0.0], [-0.01, 5.0], [3.0, 1.0]])
    theta, here = minimise(model, start, np.array([-np.inf, -1.0]), np.array([np.inf, 2.0]), steps=100)
    np.testing.assert_allclose(theta, [[1, 2], [-1, 2], [1, 2]], atol=1e-8)
    np.testing.assert_allclose(here.value, 1, rtol=1e-12)
