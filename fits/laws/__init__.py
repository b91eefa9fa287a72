"""The laws by name. A law is one file beside this one, and one line here."""

from fits.laws import (
    abnar,
    activation,
    chinchilla,
    clark,
    cubic,
    gadre,
    ludziejewski,
    muennighoff,
    power,
    quadratic,
    spline,
)
from fits.laws.curve_basis import Curve
from fits.laws.law import Law

LAWS: dict[str, Curve | Law] = {
    "quadratic": quadratic.LAW,
    "cubic": cubic.LAW,
    "spline": spline.LAW,
    "chinchilla": chinchilla.LAW,
    "activation": activation.LAW,
    "activation_reuse": activation.REUSED,
    "clark": clark.LAW,
    "muennighoff": muennighoff.LAW,
    "gadre": gadre.LAW,
    "abnar": abnar.LAW,
    "ludziejewski": ludziejewski.LAW,
    "kaplan": power.KAPLAN,
    "allocation": power.ALLOCATION,
}
