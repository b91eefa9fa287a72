from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from planners import Question, RunSpec, UsageError, make_plan
from planners.architecture.devices import Device, device
from planners.architecture.memory import USABLE, memory
from planners.forecast import Speed, evaluations, fitting, forecast, tokens, total

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
