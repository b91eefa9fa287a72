"""The laws by name. A law is one file beside this one, and one line here."""

from fits.bases import Curve
from fits.engine import Law
from fits.laws import chinchilla, cubic, quadratic, spline

LAWS: dict[str, Curve | Law] = {
    "quadratic": quadratic.LAW,
    "cubic": cubic.LAW,
    "spline": spline.LAW,
    "chinchilla": chinchilla.LAW,
}
