"""A cubic in ln r_a: its minimum may be steeper on one side than on the other."""

from fits.laws.curve_basis import Curve, polynomial

LAW = Curve(
    name="cubic",
    formula="L = a + b x + c x^2 + d x^3, x = ln r_a",
    source="ordinary least squares",
    parameters=("a", "b", "c", "d"),
    basis=polynomial(3),
)
