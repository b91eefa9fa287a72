"""The laws by name. A law is one file beside this one, and one line here."""

from fits.bases import Curve
from fits.law import Law
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
