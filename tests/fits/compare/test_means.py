"""Means of arms with seeds as blocks: against statsmodels, against the paired t test, and for a single seed."""

import math

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy import stats

from fits.compare.means import ArmMeans

ARMS = ["a", "b", "c", "d"]


def draw(seeds: int = 3, missing: tuple[int, ...] = ()) -> pd.DataFrame:
    random = np.random.default_rng(7)
    shift = random.normal(0, 0.3, seeds)
    rows = [
        {"arm": arm, "seed": s, "loss": 2 + 0.1 * i + shift[s] + random.normal(0, 0.02)}
        for i, arm in enumerate(ARMS)
        for s in range(seeds)
    ]
    return pd.DataFrame([row for i, row in enumerate(rows) if i not in missing])


def means(frame: pd.DataFrame) -> ArmMeans:
    return ArmMeans(frame["arm"].to_list(), frame["seed"].to_list(), frame["loss"].to_list())


@pytest.mark.parametrize("missing", [(), (0, 5)])
def test_differences_agree_with_statsmodels_with_and_without_blocks(missing: tuple[int, ...]) -> None:
    frame = draw(missing=missing)
    found = means(frame).difference("c", "a")
    blocked = smf.ols("loss ~ C(arm) + C(seed)", frame).fit()
    plain = smf.ols("loss ~ C(arm)", frame).fit()
    assert found.value == pytest.approx(blocked.params["C(arm)[T.c]"])
    assert found.se == pytest.approx(blocked.bse["C(arm)[T.c]"])
    assert found.plain_se == pytest.approx(plain.bse["C(arm)[T.c]"])
    assert (found.dof, found.plain_dof) == (blocked.df_resid, plain.df_resid)
    low, high = blocked.conf_int().loc["C(arm)[T.c]"]
    assert found.half() == pytest.approx((high - low) / 2)
    assert found.se is not None
    assert found.half(3) == pytest.approx(found.se * stats.t.ppf(1 - 0.025 / 3, found.dof))


def test_two_arms_give_the_paired_t_test() -> None:
    frame = draw()
    two = frame[frame["arm"].isin(["a", "b"])]
    found = means(two).difference("a", "b")
    a, b = (two[two["arm"] == arm]["loss"].to_numpy() for arm in "ab")
    assert found.se is not None
    assert found.value / found.se == pytest.approx(stats.ttest_rel(a, b).statistic)
    assert found.value / (found.plain_se or math.nan) == pytest.approx(stats.ttest_ind(a, b).statistic)


def test_one_seed_gives_a_difference_without_an_error() -> None:
    found = means(draw(seeds=1)).difference("b", "a")
    assert found.se is found.plain_se is found.half() is None
    assert not found.blocked


def test_seeds_of_single_arms_do_not_become_blocks() -> None:
    frame = draw().assign(seed=range(12))
    found = means(frame).difference("b", "a")
    assert not found.blocked
    assert found.se == found.plain_se


def test_dense_and_moe_are_independent_unless_their_losses_move_together():
    random = np.random.default_rng(0)
    dense, moe, other = random.normal(3.0, 0.02, (3, 6))
    arms, seeds = ["dense"] * 6 + ["K1"] * 6 + ["K2"] * 6, [*range(6)] * 3
    families = [arm == "dense" for arm in arms]
    found = ArmMeans(arms, seeds, [*dense, *moe, *other], families).difference("dense", "K1")
    expected = stats.ttest_ind(dense, moe, equal_var=False)
    assert (found.how, found.dof) == ("Welch", pytest.approx(expected.df))
    assert found.value / found.se == pytest.approx(expected.statistic)
    together = ArmMeans(arms, seeds, [*(moe + 0.1 + 0.001 * dense), *moe, *other], families).difference("dense", "K1")
    assert together.how == "by seed"
    assert together.correlation > 0.99


def test_unequal_noise_in_a_family_is_not_pooled():
    random = np.random.default_rng(1)
    quiet, loud = random.normal(3.0, 0.003, 6), random.normal(3.0, 0.05, 6)
    found = ArmMeans(["a"] * 6 + ["b"] * 6, [*range(6)] * 2, [*quiet, *loud]).difference("b", "a")
    expected = stats.ttest_rel(loud, quiet).confidence_interval(0.95)
    assert found.how == "by seed"
    assert (found.value - found.half(), found.value + found.half()) == pytest.approx((expected.low, expected.high))
