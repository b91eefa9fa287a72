"""Repeated compared with fresh data: pairs, level and power of the test, cost of epochs, MoE compared with dense."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy import stats

from fits.repeats.reuse import reuse
from fits.repeats.tost import equivalence_power, smallest_margin
from fits.runs.table import RunTable, from_records
from fits.text import reuse_summary
from planners.records.errors import UsageError

DENSE_U, MARGIN = 1e9, 0.01
EPOCHS = {1.0: 1.0, 0.5: 2.0, 0.2: 5.0, 0.1: 8.0}


def strict(cost: float, sd: float, seeds: int, random: np.random.Generator, *, dense_cost: float = 0.0) -> RunTable:
    """Return a strict design: each arm has a fresh run, and one with a quarter of the dense tokens as unique tokens."""
    rows = []
    for seed in range(seeds):
        shift = random.normal(0, 0.05)
        for rate, times in EPOCHS.items():
            D = DENSE_U * times
            common = {"N": 1e8, "r_a": rate, "D": D, "seed": seed, "n_experts": 0 if rate == 1 else 64}
            epochs = 4 * times
            law = dense_cost if rate == 1 else cost
            excess = law * (epochs - 1) ** 2 / (2 * epochs) + random.normal(0, sd)
            rows += [
                {**common, "U": D, "loss": 3 + shift + rate},
                {**common, "U": DENSE_U / 4, "loss": 3 + shift + rate + excess},
            ]
    return from_records(rows)


def test_cost_and_free_epochs_are_recovered_without_noise():
    [found] = reuse(strict(0.002, 0.0, 3, np.random.default_rng(0), dense_cost=0.001), margin=MARGIN, slope=0.03)
    routed = next(cost for cost in found.costs if cost.of == "MoE")
    dense = next(cost for cost in found.costs if cost.of == "dense")
    assert (routed.value, dense.value) == pytest.approx((0.002, 0.001), rel=1e-9)
    free = routed.free_epochs
    assert free is not None
    assert 0.002 * (free - 1) ** 2 / (2 * free) == pytest.approx(MARGIN, rel=1e-9)
    assert routed.half_life == pytest.approx(0.03 / 0.002, rel=1e-9)
    assert (dense.free_epochs, dense.free_lo, dense.free_hi) == (
        None,
        None,
        None,
    )  # the dense arm has four epochs alone
    assert found.interaction is not None
    assert found.interaction.value == pytest.approx(0.001, rel=1e-6)
    assert found.scheme == "strict"
    assert len(found.pairs) == 12


def test_the_growth_is_the_first_order_of_effective_tokens():
    R, epochs = 1e4, 7.0
    effective = 1 + R * (1 - math.exp(-(epochs - 1) / R))  # D' / U
    assert math.log(epochs / effective) * R == pytest.approx((epochs - 1) ** 2 / (2 * epochs), rel=1e-3)


def test_the_power_agrees_with_simulation():
    random = np.random.default_rng(2)
    for n, margin in ((3, 3.0), (5, 1.5), (12, 0.8)):
        draws = random.normal(0, 1, (40_000, n))
        mean, error = draws.mean(1), draws.std(1, ddof=1) / math.sqrt(n)
        passed = np.mean(np.abs(mean) + stats.t.ppf(0.95, n - 1) * error < margin)
        assert equivalence_power(margin, 1.0, n) == pytest.approx(passed, abs=0.01)


@given(st.floats(1e-4, 1), st.integers(2, 40))
@settings(deadline=None, max_examples=20)
def test_the_smallest_margin_has_eighty_percent_power_and_scales_with_the_noise(sd, n):
    margin = smallest_margin(sd, n)
    assert margin is not None
    assert equivalence_power(margin, sd, n) == pytest.approx(0.8, abs=1e-6)
    assert smallest_margin(2 * sd, n) == pytest.approx(2 * margin, rel=1e-6)


def test_an_excess_at_the_margin_is_called_equal_in_at_most_five_percent():
    random, called = np.random.default_rng(3), 0
    for _ in range(400):
        rows = []
        for seed in range(4):
            common = {"N": 1e8, "r_a": 0.2, "D": 8e9, "seed": seed}
            rows.append({**common, "U": 8e9, "loss": 3.0})
            rows.append({**common, "U": 4e9, "loss": 3.0 + MARGIN + random.normal(0, 0.003)})
        called += reuse(from_records(rows), margin=MARGIN)[0].equivalences[0].verdict == "equivalent"
    assert called / 400 < 0.075  # 5 % and two standard errors


def test_few_noisy_pairs_are_undecided_and_the_power_says_why():
    found = reuse(strict(0.0, 0.02, 2, np.random.default_rng(4)), margin=MARGIN)[0].equivalences[0]
    assert found.verdict == "undecided"
    assert found.power is not None
    assert found.power < 0.3
    assert found.smallest is not None
    assert found.smallest > MARGIN


def test_harmful_repetition_is_worse_and_not_merely_different():
    [found] = reuse(strict(0.02, 0.001, 5, np.random.default_rng(5)), margin=MARGIN)
    assert {one.verdict for one in found.equivalences if one.of != "dense"} == {"worse"}
    assert next(one for one in found.equivalences if one.of == "dense").verdict == "equivalent"
    assert found.interaction is not None
    assert found.interaction.p < 0.01


def test_without_a_margin_nothing_is_concluded():
    [found] = reuse(strict(0.0, 0.001, 5, np.random.default_rng(6)))
    assert {one.verdict for one in found.equivalences} == {"undecided"}
    assert any("no margin" in note for note in found.notes)


def test_loose_and_strict_designs_are_recognised():
    rows = [
        {"N": 1e8, "r_a": rate, "D": D, "U": U, "seed": 0, "loss": 3.0}
        for rate, D in ((0.1, 8e9), (0.2, 5e9))
        for U in (D, D / 2)
    ]
    assert [found.scheme for found in reuse(from_records(rows))] == ["loose"]


def test_runs_that_differ_in_more_than_data_do_not_form_a_pair():
    fresh = {"N": 1e8, "r_a": 0.2, "D": 8e9, "U": 8e9, "lr": 1e-3, "loss": 3.0}
    with pytest.raises(UsageError, match="fresh twin"):
        reuse(from_records([fresh, {**fresh, "U": 2e9, "lr": 2e-3}]))
    unpaired = [fresh, {**fresh, "U": 2e9}, {**fresh, "U": 2e9, "N": 2e8}]
    assert any("1 repeated runs have no fresh twin" in note for note in reuse(from_records(unpaired))[0].notes)


def test_a_table_without_unique_tokens_is_refused_in_one_sentence():
    with pytest.raises(UsageError, match="neither U nor epochs"):
        reuse(from_records([{"N": 1e8, "D": 1e9, "loss": 3.0}]))
    with pytest.raises(UsageError, match="margin"):
        reuse(from_records([{"N": 1e8, "D": 1e9, "U": 1e9, "loss": 3.0}]), margin=-1.0)


def test_a_half_life_beyond_the_first_order_says_so():
    few, many = (
        reuse(strict(0.002, 0.0, 3, np.random.default_rng(0)), slope=slope)[0].notes for slope in (0.2, 0.02)
    )  # R of 100 and 10, 32 epochs
    assert not any("first order" in note for note in few)
    assert any("first order" in note and "32 epochs" in note for note in many)


def test_seeds_are_counted_because_a_seed_shifts_all_its_arms():
    rows, shifts = [], (-0.004, 0.001, 0.006)
    for seed, shift in enumerate(shifts):
        for rate in (0.1, 0.2, 0.4, 0.8):
            common = {"N": 1e8, "r_a": rate, "D": 1e9 / rate, "seed": seed, "n_experts": 64}
            rows += [common | {"U": 1e9 / rate, "loss": 3.0}, common | {"U": 5e8 / rate, "loss": 3.0 + shift}]
    [found] = reuse(from_records(rows), margin=MARGIN)
    whole = found.equivalences[0]
    assert whole.n == 3
    expected = stats.ttest_1samp(shifts, 0).confidence_interval(0.95)
    assert (whole.lo, whole.hi) == (pytest.approx(expected.low), pytest.approx(expected.high))


def costs_by_seed(routed: tuple[float, ...], dense: tuple[float, ...]) -> RunTable:
    """Return one MoE and one dense arm at 4 epochs for each seed, whose growth is 9 / 8."""
    rows = []
    for seed, costs in enumerate(zip(routed, dense, strict=True)):
        for cost, rate, experts in zip(costs, (0.2, 1.0), (64, 0), strict=True):
            common = {"N": 1e8, "r_a": rate, "D": 1e9, "seed": seed, "n_experts": experts}
            rows += [common | {"U": 1e9, "loss": 3.0}, common | {"U": 2.5e8, "loss": 3.0 + cost * 9 / 8}]
    return from_records(rows)


def test_the_interaction_is_a_paired_t_test_over_seeds():
    routed, dense = (0.010, 0.013, 0.009, 0.014), (0.006, 0.011, 0.008, 0.009)
    [found] = reuse(costs_by_seed(routed, dense))
    expected = stats.ttest_rel(routed, dense)
    interval = expected.confidence_interval(0.95)
    assert found.interaction.p == pytest.approx(expected.pvalue)
    assert (found.interaction.lo, found.interaction.hi) == (pytest.approx(interval.low), pytest.approx(interval.high))


def test_a_significant_excess_that_may_lie_within_the_margin_is_undecided():
    [found] = reuse(costs_by_seed((0.007, 0.009, 0.008), (0.007, 0.009, 0.008)), margin=0.0095)
    whole = found.equivalences[0]
    assert 0 < whole.lo < whole.margin < whole.hi
    assert whole.verdict == "undecided"


def test_one_repeated_arm_has_no_scheme_and_no_free_epochs():
    """A single number of epochs does not show the growth of the excess; an interval above zero is named as such."""
    rows = [
        {"N": 1e8, "r_a": 0.2, "D": 4e9, "U": U, "seed": seed, "loss": 3.0 + (U < 4e9) * (0.019 + 0.007 * (seed - 1))}
        for seed in range(3)
        for U in (4e9, 1e9)
    ]
    [found] = reuse(from_records(rows), margin=0.01)
    assert found.scheme == "repeated"
    assert (found.costs[0].free_epochs, found.costs[0].free_lo, found.costs[0].free_hi) == (None, None, None)
    assert found.costs[0].value == pytest.approx(0.019 / 1.125)
    assert found.equivalences[0].verdict == "undecided"
    assert found.equivalences[0].words == "worse than fresh; whether by more than 0.01 is undecided"
    assert any("the growth of the excess with epochs is not tested" in note for note in found.notes)
    assert "free epochs" not in reuse_summary(found)


@pytest.mark.parametrize(
    ("lo", "hi", "margin", "verdict", "words"),
    [
        (0.001, 0.03, 0.01, "undecided", "worse than fresh; whether by more than 0.01 is undecided"),
        (-0.03, -0.001, 0.01, "undecided", "better than fresh; whether by more than 0.01 is undecided"),
        (-0.03, 0.0, 0.01, "undecided", "undecided at the margin of 0.01"),
        (-0.001, 0.03, 0.01, "undecided", "undecided at the margin of 0.01"),
        (0.001, 0.03, None, "undecided", "worse than fresh"),
        (None, None, 0.01, "undecided", "undecided at the margin of 0.01"),
        (None, None, None, "undecided", "undecided"),
        (0.02, 0.03, 0.01, "worse", "worse at the margin of 0.01"),
        (0.001, 0.003, 0.01, "equivalent", "equivalent at the margin of 0.01"),
    ],
)
def test_the_words_of_a_verdict(lo, hi, margin, verdict, words):
    [found] = reuse(strict(0.002, 0.01, 3, np.random.default_rng(0)), margin=MARGIN)
    one = replace(found.equivalences[0], lo=lo, hi=hi, margin=margin, verdict=verdict)
    assert one.words == words


def test_equal_unique_tokens_of_two_budgets_do_not_make_a_strict_design():
    """A loose U of one budget may equal the D of another by chance."""
    rows = [
        {"N": 1e8, "r_a": rate, "C": C, "D": D, "U": U, "seed": 0, "loss": 3.0}
        for C, pairs in ((1e18, ((0.2, 4e9), (0.1, 8e9))), (2e18, ((0.2, 8e9), (0.1, 16e9))))
        for rate, D in pairs
        for U in (D, D / 2)
    ]
    assert [found.scheme for found in reuse(from_records(rows))] == ["loose"]


def test_effective_tokens_follow_from_the_slope():
    [found] = reuse(strict(0.002, 0.0, 3, np.random.default_rng(0)), margin=MARGIN, slope=0.03)
    routed = next(one for one in found.equivalences if one.of == "MoE")
    assert routed.worth == pytest.approx(math.exp(-routed.excess / 0.03))
    assert routed.worth_lo <= routed.worth <= routed.worth_hi < 1


def several_arms(excesses, seeds, random, sd=0.002, names=True):
    """Return pairs of MoE arms at equal N; `excesses` holds activation rate -> true excess."""
    rows = []
    for seed in range(seeds):
        shift = random.normal(0, 0.003)
        for rate, excess in excesses.items():
            common = {"N": 1e8, "r_a": rate, "D": 1e8 / rate, "n_experts": 8} | ({"seed": seed} if names else {})
            worse = excess + shift + random.normal(0, sd)
            rows += [common | {"U": 1e8 / rate, "loss": 3.0}, common | {"U": 4e7, "loss": 3.0 + worse}]
    return from_records(rows)


def test_no_overall_equivalence_where_one_arm_is_worse():
    worse = several_arms({0.1: 0.04, 0.2: -0.004, 0.3: -0.004, 0.4: -0.004}, 6, np.random.default_rng(1))
    [found] = reuse(worse, margin=MARGIN)
    whole, *arms = found.equivalences
    assert whole.p < 0.05
    assert whole.verdict == "mixed"
    assert whole.words == "mixed at the margin of 0.01: r_a 0.1 is worse"
    assert [arm.verdict for arm in arms] == ["worse", *["equivalent"] * 3]
    assert found.heterogeneity.p < 1e-6


def test_equal_arms_are_equivalent_and_not_heterogeneous():
    [found] = reuse(several_arms(dict.fromkeys((0.1, 0.2, 0.4), 0.001), 6, np.random.default_rng(2)), margin=MARGIN)
    assert found.equivalences[0].verdict == "equivalent"
    assert found.heterogeneity.p > 0.05


def test_the_heterogeneity_agrees_with_statsmodels_and_keeps_its_level():
    import pandas as pd
    import statsmodels.formula.api as smf
    from statsmodels.stats.anova import anova_lm

    rejected = 0
    for draw in range(200):
        [found] = reuse(several_arms(dict.fromkeys((0.1, 0.2, 0.4), 0.01), 3, np.random.default_rng(draw)))
        rejected += found.heterogeneity.p < 0.05
    assert rejected / 200 < 0.05 + 2 * math.sqrt(0.05 * 0.95 / 200)
    frame = pd.DataFrame({"arm": [pair.r_a for pair in found.pairs], "seed": [pair.seed for pair in found.pairs],
                          "excess": [pair.excess for pair in found.pairs]})  # fmt: skip
    table = anova_lm(smf.ols("excess ~ C(seed) + C(arm)", frame).fit())
    assert found.heterogeneity.p == pytest.approx(table.loc["C(arm)", "PR(>F)"])


@pytest.mark.parametrize("names", [True, False], ids=["one seed", "no column of seeds"])
@given(excess=st.floats(-0.05, 0.05), arms=st.integers(1, 6))
@settings(max_examples=15, deadline=None)
def test_one_seed_is_undecided_however_many_arms(names, excess, arms):
    table = several_arms({0.1 * (at + 1): excess for at in range(arms)}, 1, np.random.default_rng(0), 1e-5, names)
    [found] = reuse(table, margin=MARGIN)
    assert {one.verdict for one in found.equivalences} == {"undecided"}
    assert any("single draw (n = 1)" in note for note in found.notes)
    assert not names or {(one.n, one.lo) for one in found.equivalences} == {(1, None)}
