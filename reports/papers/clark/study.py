"""arXiv 2202.01169 refitted: loss against experts and dense size for three routers."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from fits import Draws, FitResult, RunTable, fit_law, fit_with_draws, from_records
from fits.laws import clark
from fits.runs.table import Floats
from reports.papers.coefficients import Printed, rows_of, surface_law, values

TABLE = "table 3 of arXiv 2202.01169, two or three digits"
PRINTED = {
    "S-Base": Printed(name="as printed", source=TABLE, params=clark.S_BASE),
    "RL-R": Printed(name="as printed", source=TABLE, params=clark.RL_R),
    "Hash": Printed(name="as printed", source=TABLE, params=clark.HASH),
}
"""Router -> the coefficients of its law."""
DENSE = Printed(
    name="as printed", source="the same paper, the dense runs alone", params={"alpha_N": 0.078, "N_c": 3.568e13}
)
CUTOFFS = {"S-Base": 937e9, "RL-R": 85e9, "Hash": 83e9}
"""Router -> dense size at which the paper says that routing stops helping, parameters."""
TOKENS = 130e9
"""Tokens that every run saw."""
DRAWS = 400
LAW = surface_law("clark")
"""The routed law, equation 5 of the paper."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Router:
    """The runs of one router and the law fitted to them."""

    name: str
    """Name in the paper."""
    N_a: Floats
    """Dense size of each run, parameters, shape (n,)."""
    experts: Floats
    """Experts of each run, shape (n,); a dense model has one."""
    loss: Floats
    """Loss of each run, nats per token, shape (n,)."""
    fit: FitResult
    """Our fit."""
    draws: Draws
    """Its bootstrap draws."""

    @property
    def params(self) -> dict[str, float]:
        """Our coefficients."""
        return values(self.fit)

    @property
    def sizes(self) -> list[float]:
        """The dense sizes, smallest first."""
        return [float(size) for size in np.unique(self.N_a)]

    @property
    def cutoff(self) -> float:
        """Dense size at which more experts stop lowering the loss by our coefficients, parameters."""
        return cutoff(self.params)

    @property
    def cutoff_ends(self) -> tuple[float, float]:
        """Its 95 % interval; an end is infinite where c may be zero."""
        b, c = (self.draws.values[:, self.draws.parameters.index(name)] for name in "bc")
        logs = np.where(c > 0, -b / np.where(c > 0, c, 1.0), math.inf)
        low, high = np.quantile(logs, [0.025, 0.975])
        return 10.0 ** float(low), 10.0 ** float(high)

    @property
    def rmse(self) -> float:
        """Root mean square error of log10 L over the runs, the measure that the paper uses."""
        assert self.fit.objective is not None
        return math.sqrt(2 * self.fit.objective / self.fit.n) / math.log(10)

    def predicted(self, params: Mapping[str, float]) -> Floats:
        """Return the loss that coefficients predict for each run, nats per token, shape (n,)."""
        return LAW.loss(params, {"N_a": self.N_a, "n_experts": self.experts})

    @property
    def predictions_apart(self) -> float:
        """Largest relative difference between the losses predicted by our coefficients and by table 3."""
        return float(np.abs(self.predicted(PRINTED[self.name].params) / self.predicted(self.params) - 1).max())

    @property
    def worst_size(self) -> tuple[float, float]:
        """The dense size that the law misses most, and its mean relative miss."""
        misses = self.predicted(self.params) / self.loss - 1
        means = {size: float(misses[self.N_a == size].mean()) for size in self.sizes}
        return max(means.items(), key=lambda item: abs(item[1]))


@dataclass(frozen=True, kw_only=True, eq=False)
class Clark:
    """The three routers, and the dense runs alone."""

    routers: tuple[Router, ...]
    """In the order of the paper's table 3."""
    dense: FitResult
    """L = (N_c / N)^alpha_N on the dense runs, seeds of one size averaged."""
    source: str = "published: runs of arXiv 2202.01169 (CC-BY-4.0); our fit"
    """Where the numbers come from."""

    def router(self, name: str) -> Router:
        """Return a router by its name."""
        return next(one for one in self.routers if one.name == name)


def cutoff(params: Mapping[str, float]) -> float:
    """Return 10^(-b / c), the dense size where d log L / d log experts = b + c log10 N is zero, parameters."""
    return float(10.0 ** (-params["b"] / params["c"]))


def read() -> RunTable:
    """Return the shipped rows."""
    return rows_of("clark2022_routed")


def build(table: RunTable, draws: int = DRAWS) -> Clark:
    """Return the study computed from its rows, with `draws` bootstrap draws.

    The fit uses the rows with half of the layers routed, one expert per token and seed 42, dense ones included; the
    paper's other rows vary these settings. It is least squares of the logarithm, as in the paper.
    """
    usual = table.where("routing_frequency=0.5").where("top_k=1").where("seed=42")
    return Clark(routers=tuple(_router(usual, name, draws) for name in PRINTED), dense=_dense(table, draws))


def _router(usual: RunTable, name: str, draws: int) -> Router:
    kinds = usual.frame["router_type"]
    runs = replace(usual.only(((kinds == name) | (kinds == "Dense")).to_numpy()), dropped=())
    fit, drawn = fit_with_draws(runs, "clark", delta=math.inf, bootstrap=draws)
    assert drawn is not None
    N_a, experts, loss = (runs.numbers(column) for column in ("N_a", "n_experts", "loss"))
    return Router(name=name, N_a=N_a, experts=experts, loss=loss, fit=fit, draws=drawn)


def _dense(table: RunTable, draws: int) -> FitResult:
    """Fit the dense runs with one expert per token, the seeds of one size averaged."""
    frame = table.where("router_type=Dense").where("top_k=1").frame
    means = frame.groupby("N_a")["loss"].mean()
    rows = [{"N": size, "loss": loss} for size, loss in means.items()]
    return fit_law(from_records(rows, source=table.source), "kaplan", delta=math.inf, bootstrap=draws)
