"""The tables of arXiv 2506.12119 against our counts: agreement to the printed digits, and the exceptions."""

from dataclasses import replace

import pytest
from shapes import LI2025_2B

from planners.architecture.flops import flops_per_token, parameters
from planners.architecture.shape import Shape
from planners.published.li2025.rows import SEQ_LEN, li2025_runs

RUNS = li2025_runs()
PRINTED = [(run, run.shape) for run in RUNS if run.shape is not None]


def rate(shape: Shape, *, router: bool) -> float:
    """Return r_a by the paper's counting, to the printed digits."""
    N, N_a = parameters(shape, "li2025+router" if router else "li2025")
    return round(N_a / N, 4)


def three_digits(value: float) -> float:
    return float(f"{value:.2e}")


def test_the_2b_backbone_has_the_published_n() -> None:
    assert parameters(LI2025_2B, "li2025")[0] == 2_150_612_992
    assert parameters(LI2025_2B, "li2025+router")[0] == 2_150_612_992 + 15 * 84 * 1408


def test_table_9_counts_no_router() -> None:
    rows = [(run, shape) for run, shape in PRINTED if run.table == 9]
    assert len(rows) == 18
    assert all(rate(shape, router=False) == run.r_a != rate(shape, router=True) for run, shape in rows)
    assert all(three_digits(parameters(shape, "li2025")[1]) == run.N_a for run, shape in rows)


def test_tables_12_14_17_count_the_router() -> None:
    rows = [(run, shape) for run, shape in PRINTED if run.table in (12, 14, 17)]
    assert len(rows) == 20
    assert all(rate(shape, router=True) == run.r_a != rate(shape, router=False) for run, shape in rows)


def test_exceptions_of_tables_10_and_11_are_these() -> None:
    """Rates that follow from the printed sizes neither with nor without the router: (printed, without, with)."""
    rows = [(run, shape) for run, shape in PRINTED if run.table in (10, 11)]
    found = {
        (run.table, run.r_a, rate(shape, router=False), rate(shape, router=True))
        for run, shape in rows
        if run.r_a not in (rate(shape, router=False), rate(shape, router=True))
    }
    assert found == {
        (10, 0.1082, 0.1081, 0.1089),
        (10, 0.1504, 0.1496, 0.1503),
        (10, 0.1806, 0.1798, 0.1805),
        (10, 0.1912, 0.1911, 0.1918),
        (10, 0.2746, 0.2740, 0.2740),
        (10, 0.3496, 0.3495, 0.3500),
        (10, 0.4411, 0.4399, 0.4399),
        (10, 0.5080, 0.5079, 0.5083),
        (10, 0.5773, 0.5757, 0.5757),
        (11, 0.1115, 0.1114, 0.1119),
        (11, 0.1567, 0.1558, 0.1563),
        (11, 0.2611, 0.2614, 0.2618),
        (11, 0.5330, 0.5335, 0.5338),
    }
    assert max(abs(run.r_a / rate(shape, router=True) - 1) for run, shape in rows) < 0.01
    # N_a of table 10 is counted with the router in four rows and without it in the other eight
    with_router = [
        run.r_a for run, shape in rows if run.N_a and three_digits(parameters(shape, "li2025")[1]) != run.N_a
    ]
    assert with_router == [0.1504, 0.1711, 0.1806, 0.1994]
    assert all(
        three_digits(parameters(shape, "li2025+router")[1]) == run.N_a for run, shape in rows if run.r_a in with_router
    )


@pytest.mark.parametrize("convention", ["li2025", "li2025+router"])
def test_every_m_and_c_agrees(convention: str) -> None:
    for run, shape in PRINTED:
        M = flops_per_token(shape, SEQ_LEN, convention)
        assert run.M is None or pytest.approx(run.M, rel=0.013) == M
        assert run.C is None or pytest.approx(run.C, rel=0.013) == M * run.D


def test_m_to_the_printed_digits_counts_the_router() -> None:
    rows = [(run, shape) for run, shape in PRINTED if run.M]
    agree = {
        convention: sum(three_digits(flops_per_token(shape, SEQ_LEN, convention)) == run.M for run, shape in rows)
        for convention in ("li2025", "li2025+router")
    }
    assert (len(rows), agree) == (30, {"li2025": 1, "li2025+router": 19})


def test_learning_rate_and_batch_of_fixed_c_follow_d_with_the_exponents_of_step_law() -> None:
    """This shows copying errors: rates agree to 1 %, batches to within steps of 16 sequences."""
    rows = [run for run in RUNS if run.table in (10, 12)]
    for table in (10, 12):
        lrs = [(run.lr or 0) / run.D**0.307 for run in rows if run.table == table]
        batches = [(run.batch_tokens or 0) / run.D**0.571 for run in rows if run.table == table]
        assert max(lrs) / min(lrs) < 1.01
        assert max(batches) / min(batches) < 1.12


def test_d_is_steps_times_batch() -> None:
    rows = [run for run in RUNS if run.steps and run.batch_tokens]
    assert len(rows) == 24
    assert all(run.steps * run.batch_tokens == pytest.approx(run.D, rel=0.004) for run in rows)


def test_tables_15_and_16_are_table_10_on_24_layers() -> None:
    """The file leaves out their experts. Those of table 10 give all but two rates, and C within 3.5 %."""
    experts = [replace(shape, n_layers=24) for run, shape in PRINTED if run.table == 10]
    rows = [run for run in RUNS if run.table in (15, 16)]
    assert len(rows) == 18
    nearest = [min(experts, key=lambda shape, r_a=run.r_a: abs(rate(shape, router=True) - r_a)) for run in rows]
    assert {(run.r_a, rate(shape, router=True)) for run, shape in zip(rows, nearest, strict=True)} - {
        (run.r_a, run.r_a) for run in rows
    } == {(0.1883, 0.1886), (0.2712, 0.2711)}
    for run, shape in zip(rows, nearest, strict=True):
        assert pytest.approx(run.D * flops_per_token(shape, SEQ_LEN, "li2025+router"), rel=0.036) == run.C


def test_one_model_is_printed_with_two_losses() -> None:
    """Tables 11 (fixed D) and 12 (fixed C) share one run, equal in every printed setting."""
    rows = [run for run in RUNS if run.table in (11, 12) and run.shape and run.shape.top_k == 28]
    assert len({(run.shape, run.D, run.lr, run.batch_tokens) for run in rows}) == 1
    assert sorted(run.bpc for run in rows) == [0.4664, 0.4670]
