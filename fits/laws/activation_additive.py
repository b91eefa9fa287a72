"""The activation law with a cost of the rate that is the same at every N and C, in nats: another form of `activation`.

L = E + A / N^alpha + B / (C / 6N)^beta + kappa / 2 (ln r_a - ln r*)^2,   r* as in `activation`
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from fits.laws import activation
from fits.laws.activation import C_0, LN6, N_0
from fits.laws.autodiff import exp, log
from fits.laws.law import Columns


def log_terms(theta: Sequence[Any], x: Columns) -> tuple[Any, ...]:
    """Return ln of the size term, of the data term, and of the constant with the cost of the rate."""
    a, b, e, alpha, beta, kappa, star, drift_N, drift_C = theta
    distance = x["r_a"] - (star + drift_N * (x["N"] - math.log(N_0)) + drift_C * (x["C"] - math.log(C_0)))
    cost = distance * distance * kappa * 0.5
    return a - alpha * x["N"], b - beta * (x["C"] - x["N"] - LN6), log(exp(e) + cost)


LAW = dataclasses.replace(
    activation.LAW,
    name="activation_additive",
    formula="L = E + A / N^alpha + B / (C / 6N)^beta + kappa / 2 (ln r_a / r*)^2,"
    " r* = r_star (N / 1e9)^drift_N (C / 1e20)^drift_C",
    latex=r"L = E + \frac{A}{N^{\alpha}} + \frac{B}{(C/6N)^{\beta}} + \frac{\kappa}{2} \ln^2 \frac{r_a}{r^*}, \quad "
    r"r^* = r_{star} \left(\frac{N}{10^9}\right)^{drift_N} \left(\frac{C}{10^{20}}\right)^{drift_C}",
    log_terms=log_terms,
)
