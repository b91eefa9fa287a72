import math
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings, strategies as st

from planners import UsageError
from planners.matching.arm import PlannedArm, Refusal
from planners.matching.equal_params import match_dense, match_moe
from planners.matching.frame import Frame, Geometry
from planners.matching.tolerance import MU_TOLERANCE, R_A_TOLERANCE, n_tolerance

SMOKE = Geometry(d_model=32, n_layers=3, n_heads=1)


def test_the_backbone_of_the_paper_follows_from_its_size() -> None:
    """2.15e9 parameters give the width, depth and mu of arXiv 2506.12119."""
    arms = match_moe(2.15e9, Frame(vocab_size=65536, align=8), Geometry(), activations=(0.2,), top_ks=())
    assert isinstance(arms[0], PlannedArm)
    shape = arms[0].shape
    assert (shape.d_model, shape.n_layers) == (1408, 16)
    assert shape.mu == pytest.approx(22.5, rel=0.002)
    assert shape.d_ff == pytest.approx(3904, rel=0.02)
    assert shape.d_expert == pytest.approx(352, rel=0.05)


@settings(max_examples=60, deadline=None)
@given(
    N=st.floats(math.log(2e5), math.log(2e10)).map(math.exp),
    rates=st.lists(st.floats(0.02, 0.95), min_size=1, max_size=5, unique=True),
    align=st.sampled_from([8, 16, 64]),
)
def test_every_arm_is_within_tolerance_and_every_refusal_gives_a_reason(
    N: float, rates: list[float], align: int
) -> None:
    try:
        arms = match_moe(N, Frame(vocab_size=256, align=align), Geometry(), activations=tuple(rates), top_ks=())
    except Exception as error:
        assert type(error).__name__ == "UsageError"
        return
    assert len(arms) == len(rates)  # each is an arm or a refusal, none vanishes
    arms = (*arms, match_dense(N, Frame(vocab_size=256, align=align), Geometry()))
    for arm in arms:
        if isinstance(arm, Refusal):
            assert len(arm.reason) > 20
            continue
        shape = arm.shape
        assert abs(shape.N / N - 1) <= n_tolerance(N)
        assert arm.r_a_target is not None
        assert abs(shape.r_a / arm.r_a_target - 1) <= R_A_TOLERANCE
        assert shape.d_ff % align == 0
        assert shape.d_expert % align == 0
    moe = [arm.shape for arm in arms if isinstance(arm, PlannedArm) and not arm.shape.is_dense]
    assert len({(s.d_model, s.n_layers, s.n_heads, s.d_expert, s.d_ff, s.mu) for s in moe}) <= 1


def test_d_expert_follows_rate_and_top_k() -> None:
    arms = match_moe(1e8, Frame(vocab_size=256, align=8), Geometry(), activations=(0.5, 0.2), top_ks=(2, 4))
    assert [arm.shape.top_k for arm in arms if isinstance(arm, PlannedArm)] == [2, 4, 2, 4]
    mus = [arm.shape.mu for arm in arms if isinstance(arm, PlannedArm)]
    assert all(abs(a / b - 1) <= MU_TOLERANCE + 1e-9 for a in mus for b in mus if a and b)
    assert len({arm.shape.d_expert for arm in arms if isinstance(arm, PlannedArm)}) == 4


@pytest.mark.parametrize("align", [32, 64, 128])
@pytest.mark.parametrize("N", [2e6, 1e7, 3e7, 1e8])
def test_mu_stays_within_two_percent_with_wide_experts(N: float, align: int) -> None:
    """Cells that would change mu further are refused with that reason."""
    arms = match_moe(N, Frame(vocab_size=256, align=align), Geometry(), activations=(0.5, 0.3), top_ks=(1, 2))
    mus = [arm.shape.mu or 0 for arm in arms if isinstance(arm, PlannedArm)] or [1]
    assert max(mus) / min(mus) - 1 <= 0.02
    assert len(mus) + sum(isinstance(arm, Refusal) for arm in arms) >= 4


def test_a_rate_below_the_floor_names_the_floor() -> None:
    (arm,) = match_moe(1e6, Frame(vocab_size=256, align=8), Geometry(), activations=(0.05,), top_ks=())
    assert isinstance(arm, Refusal)
    assert "floor" in arm.reason
    (arm,) = match_moe(1e6, Frame(vocab_size=256, align=8), Geometry(d_expert=256), activations=(0.3,), top_ks=())
    assert isinstance(arm, Refusal)
    assert "experts are whole" in arm.reason


def test_the_floor_is_a_rate_that_can_be_planned() -> None:
    """The floor that a refusal names is the rate of one narrowest expert."""
    (refused,) = match_moe(296e3, Frame(vocab_size=256, align=8), SMOKE, activations=(0.01,), top_ks=())
    (lowest,) = match_moe(
        296e3, Frame(vocab_size=256, align=8), replace(SMOKE, d_expert=8), activations=(), top_ks=(1,)
    )
    assert isinstance(refused, Refusal)
    assert isinstance(lowest, PlannedArm)
    floor = float(re.findall(r"floor of this backbone is ([\d.]+)", refused.reason)[0])
    assert floor == pytest.approx(lowest.shape.r_a, abs=5e-4)


def test_a_top_k_beyond_the_experts_names_the_limit() -> None:
    frame = Frame(vocab_size=256)
    (arm,) = match_moe(3e5, frame, Geometry(), activations=(), top_ks=(80,))
    assert isinstance(arm, Refusal)
    assert "K is at most" in arm.reason
    with pytest.raises(UsageError, match="top-k 500 is above n_experts"):
        match_moe(3e5, frame, Geometry(), activations=(), top_ks=(500,))


def test_tolerance_of_n() -> None:
    assert n_tolerance(1e6) == 0.01
    assert n_tolerance(5e7) == pytest.approx(0.002)
    assert n_tolerance(1e11) == 0.002
