"""The laws by name. A law is one file beside this one, and one line here."""

from fits.curves import Curve
from fits.law import Law
from fits.laws import abnar, activation, chinchilla, clark, gadre, ludziejewski, muennighoff, power, quadratic

LAWS: dict[str, Curve | Law] = {
    "quadratic": quadratic.LAW,
    "chinchilla": chinchilla.LAW,
    "activation": activation.LAW,
    "clark": clark.LAW,
    "muennighoff": muennighoff.LAW,
    "gadre": gadre.LAW,
    "abnar": abnar.LAW,
    "ludziejewski": ludziejewski.LAW,
    "kaplan": power.KAPLAN,
    "allocation": power.ALLOCATION,
}
