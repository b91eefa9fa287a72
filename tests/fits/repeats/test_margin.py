"""The default margin: what 5 % of C is worth at the local gradient of the loss."""

import math

import pytest

from fits.repeats.margin import margins
from fits.runs.table import from_records

BUDGETS = (1e18, 4e18, 1.6e19)


def table(slope: float):
    rows = [
        {"C": C, "r_a": rate, "loss": 3 + slope * math.log(C / 1e18) + 0.1 * math.log(rate / 0.2) ** 2}
        for C in BUDGETS
        for rate in (0.1, 0.2, 0.4, 1.0)
    ]
    return from_records(rows)


def test_a_linear_decrease_gives_the_same_margin_at_all_budgets():
    assert margins(table(-0.05)) == pytest.approx(dict.fromkeys(BUDGETS, 0.05 * math.log(1.05)))


def test_a_loss_that_does_not_fall_or_a_single_budget_gives_no_margin():
    assert margins(table(0.01)) == {}
    assert margins(table(-0.05).where("C<2e18")) == {}


def test_noise_common_to_all_arms_does_not_widen_the_margin():
    noisy = [row | {"loss": row["loss"] + shift, "seed": seed} for seed, shift in enumerate((-0.02, 0.02))
             for row in table(-0.05).frame.to_dict("records")]  # fmt: skip
    assert margins(from_records(noisy)) == pytest.approx(margins(table(-0.05)))


def test_repeated_data_and_other_sizes_do_not_change_the_margin():
    same = {"N": 1e8, "U": 1e12}
    rows = [row | same | {"D": row["C"] / row["r_a"] / 6e8} for row in table(-0.05).frame.to_dict("records")]
    repeated = [row | {"U": 1e7, "loss": row["loss"] + 3e18 / row["C"]} for row in rows]
    worse = [row | {"N": 4e8, "loss": row["loss"] + 0.3} for row in rows if row["C"] == BUDGETS[0]]
    assert margins(from_records([*rows, *repeated, *worse])) == pytest.approx(margins(table(-0.05)))


def test_runs_of_equal_D_and_budgets_of_one_rate_have_no_margin():
    equal = [{"C": 6 * 1e8 * rate * D, "D": D, "N": 1e8, "r_a": rate, "loss": 3 - 0.1 * math.log(rate * D / 1e9)}
             for D in (1e9, 2e9, 9e9) for rate in (0.1, 0.15, 0.3)]  # fmt: skip
    assert margins(from_records(equal)) == {}
    assert margins(table(-0.05).where("r_a=0.2")) == {}
