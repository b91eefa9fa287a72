from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from planners import Question, RunSpec, UsageError, make_plan
from planners.architecture.devices import Device, device
from planners.architecture.memory import USABLE, memory
from planners.forecast import (
    ASSUMED_MFU,
    Forecast,
    Speed,
    assumed_speed,
    evaluations,
    fewest_shards,
    fitting,
    fleet,
    forecast,
    tokens,
    total,
)

QUESTION = Question(
    study="forecast", total_params=1e8, budgets=(1e18,), activations=(1, 0.2), seq_len=2048, vocab_size=50_257,
    precision="bf16",
)  # fmt: skip
RUNS = make_plan(QUESTION).runs


def of_size(gigabytes: float) -> Device:
    return Device(driver="made", memory=gigabytes * 1e9, peak_bf16=1e15, source="this test")


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.arm)
def test_time_is_flops_over_achieved_flops_per_second(run: RunSpec) -> None:
    """C / (mfu * peak), and the forward passes of the one evaluation."""
    made = forecast(run, device("h100"), Speed(mfu=0.4), price_per_hour=2.0)
    evaluation = run.training.eval_windows * run.training.seq_len * run.flops_per_token["exact"] / 3
    assert made.device_hours == pytest.approx((run.C + evaluation) / (0.4 * 989e12) / 3600)
    assert made.price == pytest.approx(2 * (made.device_hours or 0))


def test_measured_speed_needs_no_device() -> None:
    run = RUNS[0]
    made = forecast(run, None, Speed(tokens_per_s=5e4))
    assert made.device_hours == pytest.approx(tokens(run) / 5e4 / 3600)
    assert (made.memory, made.micro_batch, made.price) == (None, None, None)


def test_evaluations_during_training_are_counted() -> None:
    training = replace(RUNS[0].training, eval_steps=1000)
    assert evaluations(RUNS[0].training) == 1
    assert evaluations(training) == -(-training.steps // 1000)


@given(st.sampled_from(RUNS), st.floats(0.1, 500))
def test_micro_batch_is_the_largest_that_fits_in_equal_parts(run: RunSpec, gigabytes: float) -> None:
    where = of_size(gigabytes)
    count = run.training.batch_tokens // run.training.seq_len
    made = fitting(run, where)

    def fits(windows: int) -> bool:
        return memory(run.shape, "bf16", windows * 2048).total <= USABLE * where.memory

    one = forecast(run, where, None)
    assert one.recompute == (made is None)
    if made is None:
        assert not fits(1)
        return
    parts = -(-count // made)
    assert fits(made)
    if parts > 1 and fits(-(-count // (parts - 1))):  # one more than needed, where that makes them equal
        assert count % parts == 0 < count % (parts - 1)
        parts -= 1
    assert parts == 1 or not fits(-(-count // (parts - 1)))  # fewer parts would not fit
    assert one.micro_batch == made


def test_a_run_that_does_not_fit_has_no_micro_batch_but_a_memory() -> None:
    made = forecast(RUNS[0], of_size(1), None)
    assert made.micro_batch is None
    assert made.memory == memory(RUNS[0].shape, "bf16", 2048, recompute=True)


def test_a_run_that_fits_only_with_recomputation_says_so() -> None:
    kept, recomputed = (memory(RUNS[0].shape, "bf16", 2048, recompute=again).total for again in (False, True))
    made = forecast(RUNS[0], of_size((kept + recomputed) / 2 / USABLE / 1e9), None)
    assert made.recompute
    assert made.micro_batch


def test_totals_are_sums() -> None:
    made = [forecast(run, device("h100"), Speed(mfu=0.4), price_per_hour=3.0) for run in RUNS]
    sums = total(made)
    assert sums.device_hours == pytest.approx(sum(one.device_hours or 0 for one in made))
    assert sums.price == pytest.approx(3 * (sums.device_hours or 0))
    assert total([forecast(RUNS[0], device("h100"), None)]).device_hours is None


@pytest.mark.parametrize(
    ("device_name", "speed", "price", "said"),
    [
        ("h100", {"mfu": 0.0}, None, "outside"),
        ("h100", {"mfu": float("nan")}, None, "outside"),
        ("h100", {}, None, "one of the two"),
        ("h100", {"mfu": 0.4, "tokens_per_s": 1e4}, None, "one of the two"),
        ("h900", {"mfu": 0.4}, None, "h100"),
        (None, {"mfu": 0.4}, None, "name the device"),
        ("h100", None, 2.0, "needs the time"),
    ],
)
def test_impossible_forecasts_are_refused(
    device_name: str | None, speed: dict[str, float] | None, price: float | None, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        forecast(
            RUNS[0],
            None if device_name is None else device(device_name),
            None if speed is None else Speed(**speed),
            price_per_hour=price,
        )


def test_a_utilisation_needs_runs_in_bf16() -> None:
    run = make_plan(replace(QUESTION, precision="fp32")).runs[0]
    with pytest.raises(UsageError, match="dense is planned in fp32"):
        forecast(run, device("h100"), Speed(mfu=0.4))
    assert forecast(run, device("h100"), Speed(tokens_per_s=1e4)).memory == memory(
        run.shape, "fp32", (fitting(run, device("h100")) or 0) * 2048
    )


def lasting(hours: float, devices: int = 1) -> Forecast:
    return Forecast(
        run_id="x", memory=None, micro_batch=None, recompute=False, device_hours=hours * devices, price=None,
        devices=devices,
    )  # fmt: skip


def test_the_longest_runs_of_a_fleet_start_first() -> None:
    found = fleet([lasting(1), lasting(3), lasting(2), lasting(2)], 2)
    assert found is not None
    assert (found.wall_clock_hours, found.longest_hours, found.idle) == (4, 3, 0)
    assert fleet([], 2) is None


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=12), st.integers(1, 3), st.integers(1, 5))
def test_a_fleet_ends_between_its_bounds(hours: list[float], devices: int, groups: int) -> None:
    """No earlier than the longest run and the even share; no later than twice that (Graham's bound)."""
    found = fleet([lasting(each, devices) for each in hours], devices * groups)
    assert found is not None
    least = max(max(hours), sum(hours) / groups)
    assert least * (1 - 1e-9) <= found.wall_clock_hours <= 2 * least
    assert -1e-9 <= found.idle < 1


def test_a_run_needs_its_devices() -> None:
    with pytest.raises(UsageError, match="raise --count"):
        fleet([lasting(1, devices=4)], 2)


def test_several_devices_share_time_and_shards_share_state() -> None:
    run, where = RUNS[0], of_size(80)
    one = forecast(run, where, Speed(mfu=0.4))
    eight = forecast(run, where, Speed(mfu=0.4), devices=8, shard=True)
    assert eight.device_hours == one.device_hours
    assert eight.hours == pytest.approx((one.hours or 0) / 8)
    assert one.memory is not None
    assert eight.memory is not None
    assert eight.memory.weights == -(-one.memory.weights // 8)


def test_the_fewest_shards_fit_and_half_of_them_do_not() -> None:
    run, where = RUNS[0], of_size(2.5)
    count = fewest_shards(run, where)
    assert count is not None
    assert fitting(run, where, recompute=True, devices=count, shards=count)
    assert not fitting(run, where, recompute=True, devices=count // 2, shards=count // 2)
    assert fewest_shards(run, of_size(0.01)) is None


def test_moe_is_assumed_to_be_slower_than_dense() -> None:
    speeds = [assumed_speed(run).mfu for run in RUNS]
    assert speeds == [ASSUMED_MFU["dense"], ASSUMED_MFU["MoE"]]
    assert speeds[0] > speeds[1]
