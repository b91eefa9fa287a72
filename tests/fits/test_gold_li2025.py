"""The tables of arXiv 2506.12119 fitted again: independently found minima, curves, regions and crossings.

The expected numbers are least-squares minima of bits per character against ln r_a that were computed apart from this
code: (quadratic, cubic) in per cent, with the range over leaving one run out and the residual SD where it was stated.
"""

import pytest

from fits import RunTable, fit_law, from_records, read_table
from fits.drift.constancy import constancy
from planners.published import published

SETS = {
    "2B all": "table == 10",
    "2B fine": "table == 10 and n_experts > 8",
    "7B unique": "table == 12",
    "7B strict": "table == 14",
    "7B loose": "table == 17",
    "3B 65B all": "table == 15",
    "3B 65B fine": "table == 15 and n_experts != 8",
    "3B 114B all": "table == 16",
    "3B 114B fine": "table == 16 and n_experts != 8",
}
MINIMA = {
    "2B all": (26.0, 21.1),
    "2B fine": (24.9, 22.3),
    "7B unique": (21.3, 19.4),
    "7B strict": (21.4, 20.2),
    "7B loose": (18.4, 17.2),
    "3B 65B all": (25.0, 19.6),
    "3B 65B fine": (23.5, 20.7),
    "3B 114B all": (24.2, 19.3),
    "3B 114B fine": (22.9, 20.0),
}
LEFT_OUT = {
    ("2B all", "quadratic"): (25.1, 26.2, 0.0020),
    ("2B all", "cubic"): (20.2, 22.5, 0.0013),
    ("2B fine", "quadratic"): (23.1, 25.3, 0.0010),
    ("2B fine", "cubic"): (22.0, 23.6, 0.0005),
    ("7B unique", "quadratic"): (19.6, 21.5, 0.0013),
    ("7B unique", "cubic"): (18.8, 20.2, 0.0011),
}
DENSE = {"2B": "arm == 'dense_C1' and scale == '2B'", "3B": "arm == 'dense_C1' and scale == '3B'",
         "7B": "arm == 'dense_C1' and scale == '7B'"}  # fmt: skip


def runs_of(condition: str) -> RunTable:
    runs = published("li2025")
    frame = read_table(runs.path, runs.columns).frame.query(condition)
    return from_records(frame[["arm", "r_a", "loss", "C", "N"]].assign(n_experts=(frame["r_a"] < 0.99) * 64))


def rows_of(table: RunTable) -> dict:
    return {row.law: row for row in fit_law(table, "cubic").sensitivity}


@pytest.mark.parametrize("name", SETS)
def test_minima_agree_with_an_independent_computation(name):
    rows = rows_of(runs_of(SETS[name]))
    for law, expected in zip(("quadratic", "cubic"), MINIMA[name], strict=True):
        assert round(100 * rows[law].value, 1) == expected, law


@pytest.mark.parametrize(("name", "law"), LEFT_OUT)
def test_leaving_one_run_out_gives_the_known_range(name, law):
    table = runs_of(SETS[name])
    low, high, sd = LEFT_OUT[name, law]
    keeps = [[row != left for row in range(len(table))] for left in range(len(table))]
    found = [rows_of(table.only(keep))[law].value for keep in keeps]
    assert (round(100 * min(found), 1), round(100 * max(found), 1)) == (low, high)
    assert round(rows_of(table)[law].residual_sd, 4) == sd


@pytest.mark.parametrize("name", ["2B all", "2B fine", "7B unique", "7B strict", "7B loose", "3B 65B all"])
def test_the_interval_covers_the_choice_of_the_curve(name):
    table = runs_of(SETS[name])
    quadratic, cubic = fit_law(table, "quadratic").optimum, fit_law(table, "cubic").optimum
    assert cubic.status == "converged"
    assert cubic.lo < cubic.value < (cubic.hi or 1)
    if quadratic.status == "converged":
        assert quadratic.lo <= cubic.value <= quadratic.value <= (quadratic.hi or 1)
    assert cubic.lo > 0.14
    assert cubic.hi is None if name == "3B 65B all" else cubic.hi < 0.28


def test_a_parabola_that_the_runs_reject_gives_no_number():
    """Fine-grained 3B rows: the residual SD is 0.0012 for the parabola and 0.0001 for the cubic."""
    fit = fit_law(runs_of(SETS["3B 65B fine"]), "quadratic")
    assert (fit.optimum.status, fit.optimum.value) == ("not_identified", None)
    assert "misses the mean losses" in fit.optimum.reason


def test_the_region_within_a_margin_and_its_ends():
    """2B: rates within 0.0014 bits per character, which 10 % of C is worth at a gradient of 0.014 per unit of ln C."""
    optimum = fit_law(runs_of(SETS["2B all"]), "cubic", margin=0.0014).optimum
    low, high = optimum.region
    assert 0.15 < low < optimum.value < high < 0.35
    (low_lo, low_hi), (high_lo, high_hi) = optimum.region_ends
    assert low_lo < low < low_hi
    assert high_lo < high < high_hi


def test_crossings_with_the_dense_model_of_equal_compute():
    """2B: MoE beats dense (0.4921) from between 10.8 % (0.4967) and 15 % (0.4896) to between 44 % and 58 %."""
    low, high = fit_law(runs_of(f"({SETS['2B all']}) or ({DENSE['2B']})"), "cubic").crossings
    assert 0.108 < low.value < 0.1504
    assert low.lo < low.value < low.hi
    assert 0.441 < high.value < 0.55
    assert high.lo < high.value
    low, high = fit_law(runs_of(f"({SETS['3B 65B all']}) or ({DENSE['3B']})"), "cubic").crossings
    assert 0.1054 < low.value < 0.147
    low, high = fit_law(runs_of(f"({SETS['7B unique']}) or ({DENSE['7B']})"), "cubic").crossings
    assert (low.status, high.status) == ("edge", "edge")  # every 7B MoE of the table beats its dense model


def test_three_scales_do_not_reject_one_optimum():
    """N and C increase together, so only one of their effects could be shown, and the test has little power."""
    cells = {"2B": runs_of(SETS["2B all"]), "3B": runs_of(SETS["3B 65B all"]), "7B": runs_of(SETS["7B unique"])}
    found = constancy(cells)
    assert found.p > 0.05
    assert found.lo < 0.2 < found.hi
    assert found.detectable > 0.15  # a factor of 1.16 between 2B and 7B is the least that would be seen
    assert [slope.by for slope in found.slopes] == ["C"]
    assert found.slopes[0].lo < 0 < found.slopes[0].hi
