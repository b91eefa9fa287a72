"""A parabola in ln r_a: the simplest curve with a minimum."""

from fits.laws.curve_basis import Curve, polynomial

LAW = Curve(
    name="quadratic",
    formula="L = a + b x + c x^2, x = ln r_a",
    source="ordinary least squares; IsoFLOP parabolas in a logarithm, arXiv 2203.15556, approach 2",
    parameters=("a", "b", "c"),
    basis=polynomial(2),
)
