"""The laws by name. A law is one file beside this one, and one line here."""

from fits.curves import Curve
from fits.engine import Law
from fits.laws import chinchilla, quadratic

LAWS: dict[str, Curve | Law] = {
    "quadratic": quadratic.LAW,
    "chinchilla": chinchilla.LAW,
}
