"""Values within 5 % of a neighbour share a group."""

import pytest

from fits.runs.same_budget import groups_of, same_budget


def test_groups_are_counted_from_the_smallest_and_chain_through_neighbours() -> None:
    assert groups_of([2.0, 1.04, 1.0, 1.08, 1.2]).tolist() == [2, 0, 0, 0, 1]
    assert groups_of([]).tolist() == []


@pytest.mark.parametrize(("one", "other", "same"), [(1.0, 1.05, True), (1.06, 1.0, False), (3e18, 3e18, True)])
def test_two_values_are_one_budget_up_to_five_per_cent(one: float, other: float, same: bool) -> None:
    assert same_budget(one, other) is same
