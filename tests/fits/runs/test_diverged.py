"""Diverged runs are named with their rate and their number."""

from hypothesis import given, settings, strategies as st

from fits import fit_study, from_records
from fits.runs.diverged import diverged_runs


def rows(lost):
    """Return eight seeds of four rates; `lost` holds (rate, seed) of those that diverged."""
    return [
        {"N": 1e8, "N_a": 1e8 * rate, "n_experts": 8, "C": 1e18, "seed": seed,
         "state": "diverged" if (rate, seed) in lost else "done",
         "loss": None if (rate, seed) in lost else 2.5 + rate + 0.01 * ((seed * 7) % 5)}
        for rate in (0.09, 0.2, 0.3, 0.4) for seed in range(8)
    ]  # fmt: skip


def test_the_answer_names_the_rate_and_is_conditional_on_the_survivors():
    found = fit_study(from_records(rows({(0.09, 0), (0.09, 1), (0.09, 3)})))
    [fit] = found.fits
    assert [(one.r_a, one.n, one.of) for one in fit.diverged] == [(0.09, 3, 8)]
    assert "3 of 8 runs at r_a 0.09 diverged" in fit.optimum.reason
    assert "surviving runs" in fit.optimum.reason


@given(st.sets(st.tuples(st.sampled_from((0.09, 0.2, 0.3, 0.4)), st.integers(0, 7)), max_size=20))
@settings(max_examples=30, deadline=None)
def test_every_diverged_run_is_counted_at_its_rate(lost):
    found = diverged_runs(from_records(rows(lost)))
    assert {one.r_a: one.n for one in found} == {
        rate: sum(at == rate for at, _ in lost) for rate in {at for at, _ in lost}
    }
    assert all(one.of == 8 for one in found)
