"""arXiv 2202.01169 done again: loss against experts and dense size for three routers, our fits and table 3."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from fits import LAWS, Draws, FitResult, RunTable, fit_law, fit_with_draws, from_records
from fits.intervals import percentile
from fits.law import Law
from fits.laws import clark
from fits.table import Floats
from reports.paper.beside import Printed, rows_of, values

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
DRAWS = 400


@dataclass(frozen=True, kw_only=True, eq=False)
class Router:
    """The runs of one router and the law fitted to them."""

    name: str
    """Name in the paper."""
    N_a: Floats
    """Dense size of each run, parameters, shape (n,)."""
    experts: Floats
    """Experts of each run; a dense model counts as one."""
    loss: Floats
    """Nats per token."""
    fit: FitResult
    """Our fit."""
    draws: Draws
    """Its bootstrap draws."""

    @property
    def params(self) -> dict[str, float]:
        """Our coefficients."""
        return values(self.fit)

    @property
    def cutoff(self) -> float:
        """Dense size at which more experts stop lowering the loss by our coefficients, parameters."""
        return cutoff(self.params)

    @property
    def cutoff_ends(self) -> tuple[float, float]:
        """The 95 % interval of it; infinite where c is not surely above zero."""
        b, c = (self.draws.values[:, self.draws.parameters.index(name)] for name in "bc")
        logs = np.where(c > 0, -b / np.where(c > 0, c, 1.0), math.inf)
        low, high = np.quantile(logs, [0.025, 0.975])
        return 10.0 ** float(low), 10.0 ** float(high)


@dataclass(frozen=True, kw_only=True, eq=False)
class Clark:
    """The routers and the dense runs alone."""

    routers: tuple[Router, ...]
    """In the order of the paper's table 3."""
    dense: FitResult
    """L = (N_c / N)^alpha_N on the dense runs, seeds of one size averaged."""
    source: str = "published: runs of arXiv 2202.01169 (CC-BY-4.0); our fit"
    """Where the numbers come from."""


def law() -> Law:
    """Return the routed law."""
    found = LAWS["clark"]
    assert isinstance(found, Law)
    return found


def cutoff(params: Mapping[str, float]) -> float:
    """Return 10^(-b / c), where d log L / d log E^ = b + c log10 N is zero."""
    return float(10.0 ** (-params["b"] / params["c"]))


def read() -> RunTable:
    """Return the shipped rows."""
    return rows_of("clark2022_routed")


def build(table: RunTable, draws: int = DRAWS) -> Clark:
    """Return the study computed from its rows.

    Fitted are the rows with half of the layers routed, one expert a token and seed 42, dense ones included; the paper's
    other rows vary these. Least squares of the logarithm, as the paper has it.
    """
    usual = table.where("routing_frequency=0.5").where("top_k=1").where("seed=42")
    return Clark(routers=tuple(_router(usual, name, draws) for name in PRINTED), dense=_dense(table, draws))


def _router(usual: RunTable, name: str, draws: int) -> Router:
    kinds = usual.frame["router_type"]
    runs = replace(usual.only(((kinds == name) | (kinds == "Dense")).to_numpy()), dropped=())
    fit, drawn = fit_with_draws(runs, "clark", delta=math.inf, bootstrap=draws)
    assert drawn is not None
    columns = {column: runs.numbers(column) for column in ("N_a", "n_experts", "loss")}
    return Router(
        name=name, N_a=columns["N_a"], experts=columns["n_experts"], loss=columns["loss"], fit=fit, draws=drawn
    )


def _dense(table: RunTable, draws: int) -> FitResult:
    """Fit the dense runs with one expert a token, the seeds of one size averaged."""
    frame = table.where("router_type=Dense").where("top_k=1").frame
    means = frame.groupby("N_a", as_index=False)["loss"].mean().rename(columns={"N_a": "N"})
    return fit_law(from_records(means, source=table.source), "kaplan", delta=math.inf, bootstrap=draws)
