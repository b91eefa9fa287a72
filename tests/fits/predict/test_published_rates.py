"""Published recommendations: the rates that were derived elsewhere from the same laws, and what is out of reach."""

import pytest

from fits.predict.published_rates import SOURCES, Constraint, published_rates, published_text


@pytest.mark.parametrize(
    ("N", "C", "rates"),
    [
        (2.15e9, 9.2e20, {"Abnar": 0.28, "Zhao": 0.208, "Ludziejewski": 0.98, "MobileMoE": 0.196}),
        (6.5e9, 2.86e21, {"Abnar": 0.22, "Zhao": 0.153, "Ludziejewski": 0.37, "MobileMoE": 0.174}),
        (2.15e9, 3.3e19, {"Abnar": 0.12, "Zhao": 0.032}),
        (2.15e9, 1e22, {"Abnar": 0.56, "Zhao": 0.43}),
    ],
)
def test_the_rates_of_each_publication(N, C, rates):
    found = {one.name: one.value for one in published_rates(N, C)}
    assert {name: found[name] for name in rates} == pytest.approx(rates, abs=0.006)


def test_every_rate_states_its_constraint_and_what_it_rests_on():
    found = {one.name: one for one in published_rates(2e9, 5e20)}
    assert set(found) == set(SOURCES)
    assert found["MobileMoE"].constraint is Constraint.EQUAL_MEMORY
    assert found["Wan"].constraint is Constraint.N_FREE
    assert found["Abnar"].second_hand
    assert not found["Ludziejewski"].second_hand
    for one in found.values():
        assert one.source in str(one)
        assert one.valid in str(one)


def test_a_size_far_outside_the_runs_gets_no_rate():
    found = published_rates(296e3, 1e12)
    assert all(one.value is None for one in found)
    assert "too far outside their runs: Abnar, Zhao" in published_text(found)
    near = {one.name: one for one in published_rates(6.5e9, 2.86e21)}
    assert near["Abnar"].beyond == pytest.approx(2.86)
    assert "2.9-fold outside its runs" in str(near["Abnar"])
