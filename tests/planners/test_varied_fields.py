import json
from dataclasses import replace

import pytest

from planners import Question, UsageError, make_plan, preset
from planners.given_arms import GivenArm
from planners.matching.frame import Geometry
from planners.records.json import from_json, to_json
from planners.spec import Router, Training
from planners.variants import variants
from planners.varied_fields import Varied, parse_varied, variable

FREE = Question(study="x", total_params=1e7, budgets=(1e15,), activations=(1.0, 0.3), vocab_size=500)


def varied(*texts: str) -> Question:
    return replace(FREE, vary=tuple(map(parse_varied, texts)))


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("norm=layernorm,rmsnorm", ("layernorm", "rmsnorm")),
        ("positions=none", ("none",)),
        ("mu=15, 22.5", (15.0, 22.5)),
        ("router.renormalise=true,false", (True, False)),
        ("router.capacity_factor=none,1.25", (None, 1.25)),
        ("weight_decay=0,.1", (0.0, 0.1)),
        ("batch_tokens=1k", (1000,)),
        ("n_dense_layers=0,2", (0, 2)),
        ("dense.n_layers=3", (3,)),
        ("recipe=step-law,ling", ("step-law", "ling")),
    ],
)
def test_values_are_of_the_fields_type(text: str, values: tuple) -> None:
    read = parse_varied(text).values
    assert read == values
    assert [type(value) for value in read] == [type(value) for value in values]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("n_expert=4", "'n_expert' is not a field"), ("norm=batchnorm", "rmsnorm, layernorm"), ("mu=nan", "nan"),
        ("mu=-1", "-1"), ("mu=1e400", "1e400"),
        ("d_model=64.5", "whole number"), ("tied_embeddings=yes", "true or false"),
        ("mu", "FIELD=VALUE"), ("mu=", "FIELD=VALUE"), ("mu=1,1", "twice"),
        ("router.score=", "FIELD=VALUE"),
        ("n_experts=8", "not a field"), ("d_model=1e300", "finite number"), ("D=1", "not a field"),
        ("seed=1", "not a field"),
    ],
)  # fmt: skip
def test_a_mistake_names_the_field(text: str, names: str) -> None:
    with pytest.raises(UsageError, match=names):
        parse_varied(text)


def test_every_router_and_training_setting_can_be_varied() -> None:
    assert {f"router.{name}" for name in Router.__dataclass_fields__ if name != "domains"} <= set(variable())
    decided = {"seq_len", "D", "U", "seed", "init_from", "objective", "betas", "targets"}
    assert set(Training.__dataclass_fields__) - decided <= set(variable())


def test_fields_are_crossed_and_single_values_are_in_no_label() -> None:
    plan = make_plan(varied("norm=rmsnorm,layernorm", "router.jitter=0,.1", "clip=2"))
    labels = [run.arm for run in plan.runs]
    assert labels[0] == "dense norm=rmsnorm"
    assert len(labels) == len(set(labels)) == 2 + 4  # the dense arm has no router
    assert {run.training.clip for run in plan.runs} == {2.0}
    moe = [run for run in plan.runs if not run.shape.is_dense]
    assert {(run.shape.norm, run.router.jitter) for run in moe} == {
        ("rmsnorm", 0.0), ("rmsnorm", 0.1), ("layernorm", 0.0), ("layernorm", 0.1)
    }  # fmt: skip
    assert all(run.shape.norm in run.arm for run in plan.runs)
    assert [run.series for run in plan.runs] == [run.arm.partition(" ")[2] for run in plan.runs]


def test_training_settings_reach_the_run_over_the_recipe() -> None:
    (run,) = make_plan(
        replace(varied("lr=1e-3", "lr_floor=2e-4", "warmup_steps=7", "weight_decay=0"), activations=(1,))
    ).runs
    training = run.training
    assert (training.lr, training.lr_floor, training.warmup_steps, training.weight_decay) == (1e-3, 2e-4, 7, 0.0)


def test_sizes_of_the_backbone_do_not_change_the_dense_arm() -> None:
    plan = make_plan(varied("mu=12,24"))
    assert [run.arm.partition(" ")[2] for run in plan.runs] == ["", "mu=12", "mu=24"]
    for run in plan.runs[1:]:
        assert run.shape.mu == pytest.approx(float(run.arm.split("=")[-1]), rel=0.1)
    experts = make_plan(varied("n_dense_layers=1,2", "expert_bias=true"))
    assert [run.arm.partition(" ")[2] for run in experts.runs] == ["", "n_dense_layers=1", "n_dense_layers=2"]
    assert [run.shape.n_dense_layers for run in experts.runs[1:]] == [1, 2]
    dense = make_plan(varied("dense.n_layers=3,5"))
    assert [run.shape.n_layers for run in dense.runs if run.shape.is_dense] == [3, 5]
    assert len([run for run in dense.runs if not run.shape.is_dense]) == 1


def test_learned_positions_have_as_many_rows_as_the_context() -> None:
    plan = make_plan(varied("positions=learned"))
    assert {run.shape.max_positions for run in plan.runs} == {FREE.seq_len}


def test_strict_reuse_takes_U_from_the_dense_arm_of_the_same_values() -> None:
    plan = make_plan(
        replace(varied("norm=rmsnorm,layernorm", "seq_len=64,256", "router.jitter=0,.1"), unique_tokens="strict")
    )
    dense = {(run.shape.norm, run.training.seq_len): run.training.D for run in plan.runs if run.shape.is_dense}
    assert len(dense) == 4
    for run in plan.runs:
        assert abs(run.training.U - dense[run.shape.norm, run.training.seq_len]) <= run.training.seq_len


def test_one_impossible_variant_of_several_is_refused_as_a_whole() -> None:
    plan = make_plan(varied("n_layers=1,4"))
    assert [cell.cell for cell in plan.refused] == ["all arms n_layers=1"]
    assert "MoE layer" in plan.refused[0].reason
    for text in ("n_layers=1", "moe_every=1000"):
        with pytest.raises(UsageError, match="MoE layer"):
            make_plan(varied(text))


def test_varied_settings_change_given_arms_but_not_their_shape() -> None:
    shape = make_plan(preset("smoke"), None).runs[1].shape
    arm = GivenArm(label="mine", shape=shape, C=1e11)
    plan = make_plan(Question(study="x", arms=(arm,), vary=(parse_varied("router.jitter=0,.1"),)))
    assert [run.arm for run in plan.runs] == ["mine router.jitter=0", "mine router.jitter=0.1"]
    assert {run.shape for run in plan.runs} == {shape}
    assert plan.refused == ()


@pytest.mark.parametrize(
    "change",
    [
        {"vary": (parse_varied("norm=layernorm,rmsnorm"),)},
        {"vary": (parse_varied("mu=9"),)},
        {"moe": Geometry(d_model=64)},
        {"dense": Geometry(n_layers=3)},
        {"lr": 1e-3},
        {"vary": (parse_varied("lr=1e-3,2e-3"),)},
    ],
)
def test_fields_without_effect_on_given_arms_are_refused(change: dict) -> None:
    shape = make_plan(preset("smoke"), None).runs[1].shape
    arm = GivenArm(label="mine", shape=shape, C=1e11, lr=2e-3)
    with pytest.raises(UsageError, match="has no part"):
        Question(study="x", arms=(arm,), **change)
    matched = {"activations": (1.0, 0.3), "total_params": 296e3, "budgets": (1e11,)}
    assert make_plan(Question(study="x", arms=(arm,), **matched, **({} if "dense" in change else change))).runs


def test_only_arms_that_a_setting_excludes_are_refused() -> None:
    plan = make_plan(replace(preset("smoke"), vary=(parse_varied("router.renormalise=true"),), data=None))
    assert [run.arm for run in plan.runs] == ["dense", "K4", "K16"]
    assert [cell.cell.split(" at ")[0] for cell in plan.refused] == ["K1"]
    crossed = (parse_varied("schedule=cosine,wsd"), parse_varied("cooldown_share=.1,.2"))
    plan = make_plan(replace(preset("smoke"), top_ks=(4,), vary=crossed, data=None))
    assert len(plan.runs) == 3
    assert "cooldown_share 0.1 is only for schedule wsd" in plan.refused[0].reason


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"vary": (parse_varied("lr=1e-3"),), "lr": 1e-3}, "lr is given and varied"),
        ({"vary": (parse_varied("d_model=64"),), "moe": Geometry(d_model=64)}, "d_model is given and varied"),
        (
            {"vary": (parse_varied("router.jitter=0,.1"),), "router": Router(jitter=0.2)},
            "router.jitter is given and varied",
        ),
        ({"vary": (parse_varied("mu=9"), parse_varied("mu=8"))}, "twice"),
    ],
)
def test_contradictions_are_refused(change: dict, names: str) -> None:
    with pytest.raises(UsageError, match=names):
        replace(FREE, **change)


def test_questions_with_varied_fields_round_trip() -> None:
    asked = replace(
        varied("mu=12,24", "router.renormalise=true,false", "router.capacity_factor=none,1.5", "norm=layernorm"),
        unique_tokens=("strict", 10_000), total_params=(1e7, 2e7), controls=("optimal",), lr_check=("dense",),
        loss_slope=0.1,
    )  # fmt: skip
    assert from_json(Question, json.loads(json.dumps(to_json(asked)))) == asked
    assert len(variants(asked)) == 8


def test_a_value_of_another_type_is_refused() -> None:
    with pytest.raises(UsageError, match="whole number"):
        Varied(field="n_layers", values=("four",))
