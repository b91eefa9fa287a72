import json
from dataclasses import replace

import pytest
from hypothesis import given, strategies as st
from shapes import shapes

from planners import Data, Router, RunSpec, Shape, Training, UsageError
from planners.presets import PRESETS, preset
from planners.question import Question
from planners.records.json import from_json, to_json


@given(shapes())
def test_shapes_round_trip(shape: Shape) -> None:
    assert from_json(Shape, json.loads(json.dumps(to_json(shape)))) == shape


@pytest.mark.parametrize("question", list(map(preset, PRESETS)), ids=PRESETS)
def test_questions_round_trip(question: Question) -> None:
    assert from_json(Question, json.loads(json.dumps(to_json(question)))) == question


def specs() -> st.SearchStrategy[RunSpec]:
    """Draw run specs."""

    @st.composite
    def draw_spec(draw: st.DrawFn) -> RunSpec:
        seq_len, batch, steps = draw(st.integers(2, 64)), draw(st.integers(1, 8)), draw(st.integers(1, 1000))
        training = Training(
            seq_len=seq_len, D=seq_len * batch * steps, U=seq_len * draw(st.integers(1, steps)),
            batch_tokens=seq_len * batch, lr=draw(st.floats(1e-6, 1)), lr_floor=0.0, warmup_steps=1,
            weight_decay=draw(st.floats(0, 1)), eval_windows=4, seed=draw(st.integers(0, 9)),
        )  # fmt: skip
        shape = draw(shapes(seq_len))
        return RunSpec.build(
            study=draw(st.text(st.characters(exclude_categories=("C",)), max_size=5)), arm="a", shape=shape,
            router=Router(balance=draw(st.floats(0, 1)), renormalise=shape.top_k > 1 and draw(st.booleans())),
            training=training, data=draw(st.sampled_from([None, Data(name="x", fingerprint="y")])),
            recipe="r", flops_convention="causal", target={"N": 1.0, "C": 2.0},
        )  # fmt: skip

    return draw_spec()


@given(specs())
def test_specs_round_trip_through_a_line(spec: RunSpec) -> None:
    assert RunSpec.read(json.loads(json.dumps(spec.to_line())), "here") == spec


@given(specs())
def test_an_edited_line_is_refused(spec: RunSpec) -> None:
    line = spec.to_line()
    with pytest.raises(UsageError, match="run_id"):
        RunSpec.read({**line, "lr": line["lr"] * 2}, "here")
    with pytest.raises(UsageError, match="N"):
        RunSpec.read({**line, "N": line["N"] + 1}, "here")


@given(specs())
def test_settings_change_the_run_id_and_labels_do_not(spec: RunSpec) -> None:
    def rebuilt(**change: object) -> RunSpec:
        names = ("study", "arm", "shape", "router", "training", "data", "recipe", "flops_convention", "target")
        return RunSpec.build(**{**{name: getattr(spec, name) for name in names}, **change})

    assert rebuilt(study="other", arm="b", target={}, flops_convention="6nd").run_id == spec.run_id
    assert rebuilt(data=Data(name="renamed", fingerprint="y")).run_id != rebuilt(data=None).run_id
    assert rebuilt(training=replace(spec.training, seed=10)).run_id != spec.run_id
    assert rebuilt(training=replace(spec.training, threads=2)).run_id != spec.run_id


def test_renormalised_top_1_is_refused() -> None:
    from planners import make_plan, preset

    refused = make_plan(replace(preset("smoke"), router=Router(renormalise=True))).refused
    assert [cell.cell.split()[0] for cell in refused] == ["K1"]
    assert "renormalised" in refused[0].reason


@pytest.mark.parametrize(
    ("change", "sentence"),
    [({"causal": False}, "encoder"), ({"positions": "learned", "max_positions": 8}, "longer than max_positions 8")],
)
def test_shapes_that_cannot_be_trained_are_refused(change: dict, sentence: str) -> None:
    from planners import make_plan, preset

    run = make_plan(preset("smoke")).runs[0]
    given = {name: getattr(run, name) for name in ("study", "arm", "router", "training", "data", "recipe", "target")}
    with pytest.raises(UsageError, match=sentence):
        RunSpec.build(**given, shape=replace(run.shape, **change), flops_convention="exact")


@pytest.mark.parametrize("change", [{"score": "x"}, {"jitter": -0.1}, {"jitter": 1.0}, {"capacity_factor": 0.0}])
def test_impossible_routers_are_refused(change: dict) -> None:
    with pytest.raises(UsageError):
        Router(**change)
