"""The laws by name. A law is one file in this folder, which defines `LAW`, and one line of the list below.

A law is either a `Curve` (loss against activation rate at one budget) or a `Law` of several columns (N, D, ...). What
is listed here can be fitted, compared and simulated, and a curve also joins the sensitivity table of every other curve.
"""

from importlib import import_module

from fits.laws.curve_basis import Curve
from fits.laws.law import Law

LAWS: dict[str, Curve | Law] = {
    name: import_module(f"{__name__}.{name}").LAW
    for name in (
        "quadratic",
        "cubic",
        "spline",
        "power_sum",
        "chinchilla",
        "skaling",
        "activation",
        "activation_powers",
        "activation_additive",
        "activation_reuse",
        "clark",
        "muennighoff",
        "gadre",
        "abnar",
        "ludziejewski",
        "zhao2025",
        "ling_leverage",
        "kaplan",
        "kaplan2020",
        "allocation",
    )
}
"""Name of the file -> its law."""


def curves() -> dict[str, Curve]:
    """Return the curves by name."""
    return {name: law for name, law in LAWS.items() if isinstance(law, Curve)}


def loss_laws() -> dict[str, Law]:
    """Return the laws of several columns that describe the loss, by name."""
    return {name: law for name, law in LAWS.items() if isinstance(law, Law) and law.response == "loss"}
