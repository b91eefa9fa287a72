"""Curves over top_k and over granularity: the optimum, and which columns must be equal between arms."""

import math

import numpy as np
import pytest

from fits import curve, fit_law, fit_study, from_records, summary
from planners.records.errors import UsageError


def sweep(column, values, best, **others):
    draw = np.random.default_rng(4)
    rows = [
        {"N": 1e8, "C": 1e18, "r_a": 0.2, "n_experts": 64, column: value, "seed": seed, **others,
         "loss": 2.5 + 0.03 * math.log(value / best) ** 2 + 0.002 * draw.standard_normal()}
        for seed in range(3) for value in values
    ]  # fmt: skip
    return from_records(rows)


@pytest.mark.parametrize(
    ("column", "values", "best"), [("top_k", (1, 2, 4, 8, 16, 32), 6), ("granularity", (1, 2, 4, 8, 12), 5)]
)
def test_the_optimum_of_k_and_of_granularity(column, values, best):
    result = fit_law(sweep(column, values, best), "cubic", of=column, margin=0.005)
    optimum = result.optimum
    assert (optimum.of, optimum.status) == (column, "converged")
    assert optimum.lo < best < optimum.hi
    assert optimum.region[0] < optimum.value < optimum.region[1]
    assert result.domain == {column: (pytest.approx(min(values)), pytest.approx(max(values)))}
    assert f"x = ln {column}" in result.formula
    assert "the sampled values" in optimum.reason
    assert f"{column} = " in summary(result)
    assert curve(result, best)[0] == pytest.approx([2.5], abs=0.003)


def test_a_drifting_rate_is_noted_and_an_unknown_column_is_refused():
    table = sweep("top_k", (1, 2, 4, 8, 16), 4)
    drifting = from_records(table.frame.assign(r_a=0.05 * np.sqrt(table.frame["top_k"].astype(float))))
    assert any("r_a differs" in note for note in fit_law(drifting, "cubic", of="top_k").notes)
    with pytest.raises(UsageError, match="'d_model' is not known; choose one of r_a, top_k, granularity"):
        fit_law(table, "cubic", of="d_model")


def test_one_k_at_several_budgets_is_refused():
    table = sweep("top_k", (1, 2, 4, 8, 16), 4)
    both = [row | {"C": C} for row in table.frame.to_dict("records") for C in (1e18, 1e19)]
    with pytest.raises(UsageError, match=r"holds top_k 1 at several C"):
        fit_law(from_records(both), "cubic", of="top_k")


def equal_D(*left_out, rates=(0.08, 0.13, 0.2, 0.3, 0.45), amounts=(2e9, 4e9, 8e9)):
    rows = [
        {"N": 2e9, "N_a": 2e9 * rate, "D": D, "C": 6 * 2e9 * rate * D, "n_experts": 64, "seed": seed,
         "loss": 2 + 9e9 / D / 9 + 0.02 / rate + 0.001 * ((seed * 5 + round(100 * rate)) % 3)}
        for D in amounts for rate in rates for seed in range(3)
    ]  # fmt: skip
    return from_records([{name: value for name, value in row.items() if name not in left_out} for row in rows])


@pytest.mark.parametrize("left_out", [(), ("C",)])
def test_runs_of_equal_D_have_no_optimum_and_are_not_pooled(left_out):
    found = fit_study(equal_D(*left_out))
    assert [fit.series.D for fit in found.fits] == [2e9, 4e9, 8e9]
    for fit in found.fits:
        assert fit.n == 15
        assert {fit.status.value, fit.optimum.status.value} == {"not_identified"}
        assert "share D" in fit.optimum.reason
        assert any("6 N_a D" in note for note in fit.notes) == bool(left_out)
    assert found.constancy is None


def test_one_value_of_D_without_C_has_no_optimum_either():
    [fit] = fit_study(equal_D("C", amounts=(2e9,))).fits
    assert fit.optimum.status == "not_identified"


def test_without_N_the_runs_are_split_by_D_and_never_pooled():
    rows = [{"r_a": row["N_a"] / row["N"], **row} for row in equal_D("C").frame.to_dict("records")]
    table = from_records([{name: row[name] for name in ("r_a", "D", "loss", "n_experts", "seed")} for row in rows])
    assert [fit.series.D for fit in fit_study(table).fits] == [2e9, 4e9, 8e9]
    with pytest.raises(UsageError, match=r"at several D 2e\+09 to 8e\+09"):
        fit_law(table, "cubic")
