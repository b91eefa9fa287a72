"""The tables of a study: each is one constant, and one line of TABLES, in the order of the report."""

from reports.page.table import Table, TableSpec, filled
from reports.study.evidence import Evidence
from reports.study.evidence.router_grid import grids, summaries
from reports.study.tables.claims import CLAIMS
from reports.study.tables.contrasts import CONTRASTS
from reports.study.tables.equal_time import EQUAL_TIME
from reports.study.tables.equality import EQUALITY, REFUSED, TRAINING
from reports.study.tables.fits import COMPARISON, CONSTANCY, CROSSINGS, CURVES, FITS
from reports.study.tables.learning_rates import TUNED, TUNING
from reports.study.tables.predictions import MULTIPLIERS, PREDICTIONS, PUBLISHED
from reports.study.tables.reuse import REUSE, REUSE_COST
from reports.study.tables.router_grid import ROUTER_GRID, SMALL_STUDY
from reports.study.tables.runs import COST, ENVIRONMENT, RESULTS, ROUTING, RUNS

TABLES: dict[str, TableSpec[Evidence]] = {
    "claims": CLAIMS,
    "equality": EQUALITY,
    "training": TRAINING,
    "refused": REFUSED,
    "results": RESULTS,
    "runs": RUNS,
    "fit": FITS,
    "curves": CURVES,
    "published": PUBLISHED,
    "constancy": CONSTANCY,
    "predictions": PREDICTIONS,
    "contrasts": CONTRASTS,
    "crossings": CROSSINGS,
    "multipliers": MULTIPLIERS,
    "reuse": REUSE,
    "reuse_cost": REUSE_COST,
    "equal_time": EQUAL_TIME,
    "routing": ROUTING,
    "router_grid": ROUTER_GRID.of(grids),
    "small_study": SMALL_STUDY.of(summaries),
    "tuned": TUNED,
    "tuning": TUNING,
    "comparison": COMPARISON,
    "cost": COST,
    "environment": ENVIRONMENT,
}
"""Name of a table, and of its files -> the table."""


def make_tables(evidence: Evidence) -> dict[str, Table]:
    """Return the tables that have rows for `evidence`, by name."""
    return filled(TABLES, evidence)
