"""The activation rates that published laws and models recommend for a size and a budget, each under its constraint.

    for one in published_rates(N=2.15e9, C=9.2e20):
        print(one)

Their answers differ first because their questions do: at equal N and C an optimum lies inside the rates, at equal
memory too, but where N is free more total parameters always help and the best rate is the sparsest that fits.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from fits.laws import abnar, ludziejewski, zhao2025
from fits.runs.table import Floats
from planners.records.quantity import format_flops, format_quantity

REACH = 10.0
"""Factor outside the range of N or C of a law's runs beyond which it is not evaluated."""
RATES = np.geomspace(0.005, 1.0, 2001)
"""Rates among which the lowest loss is sought."""
ALWAYS_ON = 0.06
"""Share of the parameters outside the experts, for the law that counts experts only (attention, norms, router)."""


class Constraint(StrEnum):
    """What is equal among the models that are compared."""

    EQUAL_N = "equal N and C"
    EQUAL_MEMORY = "equal memory"
    N_FREE = "N free, equal C"


@dataclass(frozen=True, kw_only=True)
class PublishedRate:
    """What one publication recommends."""

    name: str
    """Its first author or model."""
    source: str
    """arXiv number."""
    constraint: Constraint
    """What is equal among the models that it compares."""
    N: float
    """Parameters it is asked for."""
    C: float
    """Budget it is asked for, FLOPs."""
    value: float | None
    """The recommended rate N_a / N; null too far outside its runs."""
    beyond: float
    """Largest factor by which N or C lies outside its runs; 1 for inside."""
    valid: str
    """The runs that it rests on."""
    second_hand: bool
    """Whether its numbers were read in another source than the publication."""

    def __str__(self) -> str:
        shown = "not given, too far outside its runs" if self.value is None else f"{100 * self.value:.3g} %"
        far = f", {self.beyond:.2g}-fold outside its runs" if 1 < self.beyond <= REACH else ""
        seen = ", second-hand" if self.second_hand else ""
        return f"{self.name} (arXiv {self.source}, {self.constraint}{seen}): {shown}{far}; valid for {self.valid}"


@dataclass(frozen=True, kw_only=True)
class _Source:
    """A publication."""

    source: str
    constraint: Constraint
    rate: Callable[[float, float], float]
    """(N, C) -> rate."""
    N: tuple[float, float]
    """Range of N of its runs."""
    C: tuple[float, float]
    """Range of C of its runs."""
    valid: str
    second_hand: bool


def _abnar(N: float, C: float) -> float:
    share = np.maximum(RATES - ALWAYS_ON, 1e-4) / (1 - ALWAYS_ON)
    at = {"N": np.full_like(RATES, N), "D": C / (6 * N * RATES), "A_e": share}
    return _lowest(np.where(RATES > ALWAYS_ON, abnar.LAW.loss(abnar.PUBLISHED, at), np.inf))


def _zhao(N: float, C: float) -> float:
    at = {"N": np.full_like(RATES, N), "N_a": N * RATES, "D": C / (6 * N * RATES)}
    best = {"G": np.full_like(RATES, 6.78), "S": np.full_like(RATES, 0.315)}
    return _lowest(zhao2025.LAW.loss(zhao2025.PUBLISHED, at | best))


def _ludziejewski(N: float, C: float) -> float:
    """Return the best rate of E experts, one of them active: r_a = 13 / (4 + 9 E), without embeddings."""
    experts = (13 / RATES - 4) / 9
    at = {"N_a": N * RATES, "D": C / (6 * N * RATES), "n_experts": experts}
    known = (experts >= 1) & (experts <= 32)
    return _lowest(np.where(known, ludziejewski.LAW.loss(ludziejewski.PUBLISHED, at), np.inf))


def _lowest(loss: Floats) -> float:
    return float(RATES[int(np.argmin(loss))])


def _mobile(N: float, C: float) -> float:
    """Return the rate of the three released models, interpolated in ln N."""
    return float(np.interp(math.log(N), np.log([1.3e9, 2.8e9, 5.3e9]), [272 / 1300, 528 / 2800, 922 / 5300]))


def _wan(N: float, C: float) -> float:
    return 1 / 21.5


SOURCES = {
    "Abnar": _Source(
        source="2501.12370",
        constraint=Constraint.EQUAL_N,
        rate=_abnar,
        N=(2e8, 2e10),
        C=(3e19, 1e21),
        valid="C of 3e19 to 1e21; 6 % of the parameters taken as always active",
        second_hand=True,
    ),
    "Zhao": _Source(
        source="2509.23678",
        constraint=Constraint.EQUAL_N,
        rate=_zhao,
        N=(1e8, 1e12),
        C=(1e19, 1e24),
        valid="N of 100M or more, its best G and S",
        second_hand=True,
    ),
    "Ludziejewski": _Source(
        source="2502.05172",
        constraint=Constraint.EQUAL_N,
        rate=_ludziejewski,
        N=(1e8, 5e9),
        C=(1e18, 1e21),
        valid="one active expert of 1 to 32, up to 5B parameters",
        second_hand=False,
    ),
    "MobileMoE": _Source(
        source="2605.27358",
        constraint=Constraint.EQUAL_MEMORY,
        rate=_mobile,
        N=(1.3e9, 5.3e9),
        C=(0.0, math.inf),
        valid="three models of 1.3B to 5.3B",
        second_hand=True,
    ),
    "Wan": _Source(
        source="2603.21862",
        constraint=Constraint.N_FREE,
        rate=_wan,
        N=(0.0, math.inf),
        C=(1e18, 1e21),
        valid="N chosen with C: N / N_a of 18 to 25 at every budget",
        second_hand=True,
    ),
}
"""Name -> publication."""


def published_rates(N: float, C: float) -> tuple[PublishedRate, ...]:
    """Return what each publication recommends for `N` parameters and a budget of `C` FLOPs."""
    return tuple(_asked(name, one, N, C) for name, one in SOURCES.items())


def _asked(name: str, one: _Source, N: float, C: float) -> PublishedRate:
    beyond = max(1.0, *(_outside(value, ends) for value, ends in ((N, one.N), (C, one.C))))
    return PublishedRate(
        name=name,
        source=one.source,
        constraint=one.constraint,
        N=N,
        C=C,
        value=one.rate(N, C) if beyond <= REACH else None,
        beyond=beyond,
        valid=one.valid,
        second_hand=one.second_hand,
    )


def _outside(value: float, ends: tuple[float, float]) -> float:
    low, high = ends
    return max(value / high, low / value)


def published_text(found: Sequence[PublishedRate]) -> str:
    """Return the recommendations for one N and C as text; those too far outside their runs in one line."""
    N, C = format_quantity(found[0].N), format_flops(found[0].C)
    known = [f"    {one}" for one in found if one.value is not None]
    far = ", ".join(one.name for one in found if one.value is None)
    lines = [f"[[Published]] activation rates for N = {N}, C = {C}", *known]
    return "\n".join([*lines, *([f"    too far outside their runs: {far}"] if far else [])])
