"""The learning rate: its start, its end, and its decay after warm-up."""

import math
from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from jobs.training.schedule import learning_rate
from planners import UsageError
from planners.records.json import without_defaults
from planners.spec import Training

STEPS = 100
TRAINING = Training(
    seq_len=64, D=64 * STEPS, U=64 * STEPS, batch_tokens=64, lr=1.0, lr_floor=0.1, warmup_steps=4, weight_decay=0.1,
    eval_windows=1, seed=0,
)  # fmt: skip


def rates(training: Training) -> list[float]:
    return [learning_rate(step, training) for step in range(training.steps)]


def test_cosine_warms_up_and_decays() -> None:
    cosine = rates(TRAINING)
    assert cosine[:4] == [0.25, 0.5, 0.75, 1.0]
    assert max(cosine) == 1.0
    assert cosine[52] == pytest.approx(0.55)
    assert cosine[99] == pytest.approx(0.1, abs=1e-3)


def test_wsd_stays_at_the_peak_and_decays_by_one_minus_the_square_root() -> None:
    wsd = rates(replace(TRAINING, schedule="wsd"))
    assert wsd[:4] == [0.25, 0.5, 0.75, 1.0]
    assert set(wsd[4:81]) == {1.0}
    for step in (81, 85, 99):
        assert wsd[step] == pytest.approx(0.1 + 0.9 * (1 - math.sqrt((step - 80) / 20)))


@given(
    st.sampled_from(["cosine", "wsd"]), st.integers(1, 60), st.integers(0, 70), st.floats(0.01, 1), st.floats(0, 0.5)
)
def test_the_rate_never_rises_after_warmup_and_stays_between_floor_and_peak(
    schedule: str, steps: int, warmup: int, share: float, floor: float
) -> None:
    training = replace(
        TRAINING, schedule=schedule, D=64 * steps, warmup_steps=warmup, cooldown_share=share, lr_floor=floor
    )
    after = rates(training)[warmup:]
    assert after == sorted(after, reverse=True)
    assert all(floor - 1e-12 <= rate <= 1 for rate in after)
    assert after[:1] in ([], [1.0])


def test_defaults_of_new_settings_keep_run_ids() -> None:
    assert not {"schedule", "cooldown_share", "eval_steps", "patience"} & set(without_defaults(TRAINING))


@pytest.mark.parametrize(
    "wrong",
    [
        {"cooldown_share": 0.0},
        {"cooldown_share": 1.1},
        {"eval_steps": 0},
        {"patience": 0, "eval_steps": 3},
        {"patience": 2},
        {"schedule": "linear"},
    ],
)
def test_meaningless_settings_are_refused(wrong: dict) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        replace(TRAINING, **wrong)
