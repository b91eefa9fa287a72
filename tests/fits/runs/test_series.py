"""Which runs one curve may be drawn through: by budget or tokens, by total, by reuse, by what the plan varied."""

import numpy as np
import pandas as pd
import pytest

from fits.runs.series import ONE, SeriesKey, schemes, series
from fits.runs.table import from_records
from planners.published import published
from planners.records.errors import UsageError

RATES = (0.1, 0.2, 0.4, 1.0)


def rows(C=1e18, N=1e8, **more):
    return [
        {"N": N, "r_a": rate, "C": C, "D": C / (6 * N * rate), "U": C / (6 * N * rate), "loss": 3.0, **more}
        for rate in RATES
    ]


def slugs(table):
    return [key.slug for key in series(table)]


def test_the_only_series_has_an_empty_key():
    assert list(series(from_records(rows()))) == [ONE]
    assert (ONE.slug, ONE.heading) == ("", "")


def test_budgets_and_sizes_are_different_series():
    table = from_records([row for C in (1e18, 4e18) for N in (1e8, 3e8) for row in rows(C, N)])
    assert slugs(table) == ["C1e18-N1e08", "C1e18-N3e08", "C4e18-N1e08", "C4e18-N3e08"]
    found = series(table)
    assert list(found)[1] == SeriesKey(C=1e18, N=3e8)
    assert list(found)[1].heading == "C = 1e18 FLOPs, N = 300M"
    assert {len(part) for part in found.values()} == {4}


def test_a_key_stays_equal_when_a_run_is_added():
    table = from_records([row for C in (1e18, 4e18) for row in rows(C)])
    more = from_records([*table.frame.to_dict("records"), rows(1.0004e18)[0]])
    assert list(series(more)) == list(series(table))


def test_arms_of_equal_tokens_are_split_by_tokens_and_not_by_compute():
    table = from_records([row | {"D": D, "U": D, "C": D * row["r_a"]} for D in (1e9, 4e9) for row in rows()])
    assert slugs(table) == ["D1e09", "D4e09"]
    assert [key.heading for key in series(table)] == ["D = 1B tokens", "D = 4B tokens"]


def test_a_dense_control_of_another_size_stays_with_its_budget():
    table = from_records([*rows(), {"N": 3e7, "r_a": 1.0, "C": 1e18, "D": 5e9, "U": 5e9, "loss": 2.9}])
    assert {key: len(part) for key, part in series(table).items()} == {ONE: 5}


def test_labels_of_the_plan_come_first():
    table = from_records([*rows(series="norm rmsnorm"), *rows(series="norm layernorm")])
    assert slugs(table) == ["norm_rmsnorm", "norm_layernorm"]
    assert [key.label for key in series(table)] == ["norm rmsnorm", "norm layernorm"]


@pytest.mark.parametrize(("repeat", "name"), [(lambda row: 5e8, "strict"), (lambda row: row["D"] / 2, "loose")])
def test_fresh_and_repeated_data_are_two_series_with_the_fresh_dense_arm_in_both(repeat, name):
    repeated = [row | {"U": repeat(row)} for row in rows() if row["r_a"] < 1]
    found = series(from_records([*rows(), *repeated]))
    assert [(key.reuse, key.slug) for key in found] == [("fresh", ""), (name, name)]
    assert [key.heading for key in found] == ["fresh data", f"{name} reuse"]
    assert {tuple(sorted(part.rates())) for part in found.values()} == {tuple(sorted(RATES))}


def test_several_strict_series_say_their_unique_tokens():
    repeated = [row | {"U": U} for U in (2e8, 5e8) for row in rows() if row["r_a"] < 1]
    keys = [key for key in series(from_records([*rows(), *repeated])) if key.reuse == "strict"]
    assert [(key.U, key.slug, key.heading) for key in keys] == [
        (2e8, "strict2e08", "strict reuse (U = 200M)"),
        (5e8, "strict5e08", "strict reuse (U = 500M)"),
    ]


def test_an_unknown_kind_of_reuse_is_refused():
    with pytest.raises(UsageError, match="'twice' is not one of fresh"):
        SeriesKey(reuse="twice")


def test_one_repeated_arm_is_neither_strict_nor_loose():
    D, one = np.array([4e9, 4e9, 8e9]), np.array([True, True, False])
    assert [key.reuse for key, _ in schemes(D, np.array([1e9, 1e9, 8e9]), one)] == ["repeated"]
    assert [key.reuse for key, _ in schemes(D, np.array([1e9, 1e9, 2e9]), np.ones(3, bool))] == ["loose"]
    assert [key.reuse for key, _ in schemes(D, np.array([1e9, 1e9, 1e9]), np.ones(3, bool))] == ["strict"]


def test_the_7B_tables_of_2506_12119():
    frame = pd.read_csv(published("li2025").path)
    seven = frame[(frame["scale"] == "7B") & frame["table"].isin([12, 13, 14, 17])]
    found = series(from_records(seven.rename(columns={"bpc": "loss"})))
    sizes = {key.slug: len(part) for key, part in found.items()}
    assert sizes == {"C2.86e21": 9, "C2.86e21-strict": 7, "C2.86e21-loose": 7}
    assert set(found[SeriesKey(C=2.86e21, reuse="strict")].numbers("U")) == {6.8e10}
