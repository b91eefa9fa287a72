import pytest
from hypothesis import given, settings, strategies as st

from planners import Shape
from planners.architecture.flops import flops_per_token
from planners.matching.arm import PlannedArm, Refusal
from planners.matching.equal_flops import match_dense_flops, match_moe_flops
from planners.matching.frame import Frame, Geometry
from planners.matching.tolerance import R_A_TOLERANCE, n_tolerance

FRAME, FREE = Frame(vocab_size=1000), Geometry()


def cost(shape: Shape) -> int:
    return flops_per_token(shape, 512)


def moe(M: float, rates: tuple[float, ...], fixed: Geometry = FREE, top_ks: tuple[int, ...] = ()) -> list:
    return match_moe_flops(M, FRAME, fixed, cost, activations=rates, top_ks=top_ks)


@settings(max_examples=40, deadline=None)
@given(st.floats(7, 10.5).map(lambda x: 10**x), st.lists(st.floats(0.03, 0.9), min_size=1, max_size=4, unique=True))
def test_arms_cost_the_same_and_N_follows(M: float, rates: list[float]) -> None:
    found = [match_dense_flops(M, FRAME, Geometry(), cost), *moe(M, tuple(rates))]
    assert len(found) == 1 + len(rates)
    arms = [arm for arm in found if isinstance(arm, PlannedArm)]
    for arm in arms:
        assert abs(cost(arm.shape) / M - 1) <= n_tolerance(M / 6)
        assert arm.r_a_target is not None
        assert abs(arm.shape.r_a / arm.r_a_target - 1) <= R_A_TOLERANCE
    held = {(a.shape.d_model, a.shape.n_layers, a.shape.top_k, a.shape.d_expert) for a in arms if not a.shape.is_dense}
    assert len(held) <= 1
    for arm in found:
        if isinstance(arm, Refusal):
            assert "accepted" in arm.reason or "floor" in arm.reason


def test_at_a_usual_size_every_rate_can_be_planned() -> None:
    arms = moe(1e9, (0.5, 0.2, 0.1, 0.05))
    assert all(isinstance(arm, PlannedArm) for arm in arms)
    sizes = [arm.shape.N for arm in arms]
    assert sizes == sorted(sizes)
    assert sizes[-1] / sizes[0] == pytest.approx(10, rel=0.1)


def test_a_rate_below_the_router_names_the_floor() -> None:
    (refused,) = moe(1e7, (1e-4,), Geometry(d_expert=8))
    assert isinstance(refused, Refusal)
    assert "floor" in refused.reason


def test_fixed_sizes_are_kept() -> None:
    (arm,) = moe(1e9, (0.2,), Geometry(d_model=896, n_layers=14, n_heads=7))
    assert (arm.shape.d_model, arm.shape.n_layers, arm.shape.n_heads) == (896, 14, 7)
    arms = moe(1e9, (0.2,), top_ks=(2, 8))
    assert [arm.shape.top_k for arm in arms] == [2, 8]
    (none,) = moe(1e9, (0.2,), Geometry(shared=0.0))
    assert none.shape.d_shared == 0
