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
    rows = [row | {"N": 1e8, "D": 1e9, "U": 1e9} for row in table(-0.05).frame.to_dict("records")]
    repeated = [row | {"U": 1e8, "loss": row["loss"] + 3e18 / row["C"]} for row in rows]
    worse = [row | {"N": 4e8, "loss": row["loss"] + 0.3} for row in rows if row["C"] == BUDGETS[0]]
    assert margins(from_records([*rows, *repeated, *worse])) == pytest.approx(margins(table(-0.05)))
