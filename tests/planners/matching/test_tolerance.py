"""Properties of every plan: arms are equal within tolerance, refusals name their limit, repeats have the same bytes."""

import json
import math
import re
from itertools import groupby

from hypothesis import assume, event, given, settings, strategies as st

from planners import Question, RunSpec, UsageError, make_plan
from planners.matching.tolerance import n_tolerance
from planners.varied_fields import Varied

R_A_TOLERANCE, MU_TOLERANCE = 0.05, 0.02
"""The documented tolerances, written out here so that a change of the code shows."""

STYLES = {
    "norm": ["rmsnorm", "layernorm"],
    "ffn": ["swiglu", "gelu"],
    "positions": ["rope", "alibi", "learned", "none"],
    "attention_bias": ["none", "qkv", "all"],
    "qk_norm": ["none", "head", "full"],
    "ffn_bias": [False, True],
    "expert_bias": [False, True],
    "tied_embeddings": [False, True],
    "n_kv_heads": [1, 2],
    "head_dim": [16, 64],
    "n_dense_layers": [0, 1, 2],
    "moe_every": [1, 2, 3],
    "shared": [0.0, 0.25, 0.5],
    "mu": [12.0, 30.0],
    "zeta": [40.0, 120.0],
}
LIMITS = re.compile(
    r"accepted|floor|at most|tolerance|steps of|no room|no MoE layer|differs by more|unique ones|dense arm|same run"
    r"|multiple|follow the rate"
)


def log_uniform(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(math.log(low), math.log(high)).map(lambda x: float(f"{math.exp(x):.4g}"))


@st.composite
def questions(draw: st.DrawFn) -> Question:
    match = draw(st.sampled_from(["N=C", "N=D", "C=D", "N=C=U"]))
    N = draw(log_uniform(2e5, 2e10))
    D = [N * draw(log_uniform(0.1, 100)) for _ in range(draw(st.integers(1, 2)))]
    rates = draw(st.lists(log_uniform(0.02, 0.95), min_size=1, max_size=4, unique=True))
    names = draw(st.lists(st.sampled_from(sorted(STYLES)), max_size=3, unique=True))
    values = {name: st.lists(st.sampled_from(STYLES[name]), min_size=1, max_size=2, unique=True) for name in names}
    amounts: dict = {
        "total_params": N if "N" in match else None,
        "budgets": tuple(dict.fromkeys(6 * N * d for d in D)) if "C" in match else (),
        "tokens": tuple(dict.fromkeys(D)) if "D" in match else (),
    }
    if match == "C=D":
        amounts = {"budgets": (6 * N * D[0],), "tokens": (D[0],)}
    return Question(
        study="any",
        match=match,
        hold=draw(st.sampled_from(["backbone", "aspect"])) if match != "C=D" else "backbone",
        activations=(1.0, *rates),
        top_ks=draw(st.sampled_from([(), (), (1, 4)])),
        seeds=tuple(range(draw(st.integers(1, 2)))),
        unique_tokens=draw(
            st.sampled_from(["fresh", "strict"] if "U" in match else ["fresh", "strict", "loose", 10**6])
        ),
        seq_len=draw(st.sampled_from([64, 1024])),
        vocab_size=draw(st.sampled_from([256, 50_000])),
        align=draw(st.sampled_from([8, 64, 128])),
        flops_convention=draw(st.sampled_from(["exact", "li2025", "6nd"])),
        vary=tuple(Varied(field=name, values=tuple(draw(values[name]))) for name in names),
        **amounts,
    )


def lines(question: Question) -> str:
    plan = make_plan(question)
    return json.dumps([[run.to_line() for run in plan.runs], [str(cell) for cell in plan.refused], plan.notes])


def check(run: RunSpec, question: Question) -> None:
    """Assert the documented tolerances of a run."""
    half = run.training.batch_tokens / 2
    per_token = run.flops_per_token[question.flops_convention]
    target = run.target
    assert set(question.match) - {"="} - {"U"} <= set(target)
    if "N" in target:
        assert abs(run.N / target["N"] - 1) <= n_tolerance(target["N"])
    if "C" in target:
        assert abs(run.C - target["C"]) <= half * per_token * (1 + 1e-9)
    if "D" in target:
        missed = n_tolerance(target["C"] / target["D"] / 6) if "C" in target else 0.0
        assert abs(run.training.D - target["D"]) <= half * (1 + 1e-9) + missed * target["D"] * 1.01
    assert abs(run.r_a / target["r_a"] - 1) <= R_A_TOLERANCE
    assert run.training.U <= run.training.D
    for width in ("d_model", "d_ff", "d_expert", "d_shared"):
        assert getattr(run.shape, width) % question.align == 0


@settings(max_examples=150, deadline=None)
@given(questions())
def test_every_plan_is_within_its_tolerances(question: Question) -> None:
    try:
        plan = make_plan(question)
    except UsageError as error:
        event("refused as a whole")
        assert LIMITS.search(str(error)), str(error)
        assert "\n" not in str(error)
        return
    for cell in plan.refused:
        assert LIMITS.search(cell.reason), cell
        assert re.search(r"\d", cell.reason) or "dense arm" in cell.reason, cell
    for run in plan.runs:
        check(run, question)
    assert len({run.run_id for run in plan.runs}) == len(plan.runs)
    moe = [run for run in plan.runs if not run.shape.is_dense]
    event(f"{question.match}: {'some' if moe else 'no'} MoE arms")
    if question.hold == "backbone" and question.match != "C=D":

        def variant(run: RunSpec) -> str:
            return run.arm.partition(" ")[2].partition(" ")[2] if question.top_ks else run.arm.partition(" ")[2]

        for _, arms in groupby(sorted(moe, key=variant), key=variant):
            mus = [run.shape.mu for run in arms]
            assert max(mus) / min(mus) - 1 <= MU_TOLERANCE + 1e-9
    if question.match == "N=C=U":
        for _, runs in groupby(plan.runs, key=lambda run: run.target["C"]):
            assert len({run.training.U for run in runs}) <= max(1, _dense_variants(question))


def _dense_variants(question: Question) -> int:
    return math.prod(len(varied.values) for varied in question.vary)


@settings(max_examples=25, deadline=None)
@given(questions())
def test_a_repeated_plan_has_the_same_bytes(question: Question) -> None:
    from planners.matching import equal_params

    try:
        first = lines(question)
    except UsageError:
        assume(False)
    equal_params.match_moe.cache_clear()
    equal_params.match_dense.cache_clear()
    assert lines(question) == first
