"""A smoothing spline in ln r_a: a parabola if the runs show nothing more, and as flexible as they support otherwise."""

from fits.laws.curve_basis import Curve, spline_through

LAW = Curve(
    name="spline",
    formula="L = a + b x + c x^2 + s(x), x = ln r_a, s a natural quintic spline shrunk by its third derivative",
    source="penalised least squares, smoothing by REML; G. Wahba, Spline Models for Observational Data, 1990",
    parameters=("a", "b", "c"),
    basis=spline_through,
    smooths=True,
)
