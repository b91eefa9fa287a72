"""Exact match by teacher forcing, against greedy decoding; milestones, the end of a solved run, roles and parents."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from jobs.corpora import prepare
from jobs.record import flatten, read_record
from jobs.training import checkpoint, loop
from jobs.training.accuracy import Answered, passed
from jobs.training.network.transformer import Transformer, role_logits
from planners import GivenArm, Question, Study, UsageError, preset
from planners.given_arms import Setting
from planners.presets.sized import KINDS
from planners.spec import Router
from scaling.api import make_plan


def quick(name: str, kind: str, D: float = 504 * 80, **fields: object) -> GivenArm:
    shape = KINDS[kind].shape(32)
    return GivenArm(label=name, shape=shape, router=KINDS[kind].router, D=D, lr=0.006, warmup_steps=5, **fields)  # type: ignore[arg-type]


def question(*arms: GivenArm, **fields: object) -> Question:
    chosen = {
        "data": "tasks,values=4,operands=2,steps=1", "seq_len": 126, "batch_tokens": 504, "schedule": "constant",
        "objective": "answers", "eval_steps": 10, "eval_windows": 8, "solved_at": 0.95, **fields,
    }  # fmt: skip
    return Question(study="quick", arms=arms, **chosen)  # type: ignore[arg-type]


def planned(asked: Question, folder: Path) -> Study:
    study = Study(folder)
    plan = make_plan(asked)
    assert plan.refused == ()
    study.write(plan)
    return study


@pytest.mark.parametrize("layout", ["worked", "asked"])
@pytest.mark.parametrize("kind", ["dense", "E8"])
def test_exact_match_is_what_greedy_decoding_writes(kind: str, layout: str) -> None:
    """A model that is neither always right nor always wrong, on short examples."""
    corpus = prepare(f"task:arith,values=4,operands=2,steps=2,layout={layout}")
    (domain,) = corpus.domains
    pattern = domain.store.answers
    assert pattern is not None
    T = 2 * len(pattern.example)
    torch.manual_seed(3)
    model = Transformer(KINDS[kind].shape(32), KINDS[kind].router).eval()
    model.initialise(3)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    train = torch.from_numpy(corpus.stream(T, T * 3000, 0)(0, 64 * 25)).split(64)
    for batch in train:
        logits, _ = model(batch[:, :-1])
        torch.nn.functional.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten()).backward()
        optimizer.step()
        optimizer.zero_grad()
    windows = torch.from_numpy(domain.store.read("validation", domain.store.validation_windows(T, 24), T))
    answered = Answered(pattern, T)
    with torch.no_grad():
        x, _ = model.hidden(windows[:, :-1])
        answered.add(x, model.head.weight, windows)
        right = []
        for window in windows:
            for first in range(0, T, len(pattern.example)):
                written = window.clone()
                for place in (first + step for step, is_answer in enumerate(pattern.example) if is_answer):
                    logits, _ = model(written[None, : place + 1])
                    written[place + 1] = logits[0, -1].argmax()
                right.append(bool((written == window).all()))
    found = answered.result()
    assert found.n == len(right) == 48
    assert found.exact_match == pytest.approx(sum(right) / len(right))
    assert 0 < found.exact_match < 1
    assert len(found.steps) == 2
    assert found.loss > 0


def test_levels_are_passed_linearly_between_evaluations() -> None:
    found = passed({"": 0.4, "arith": 0.0}, {"": 0.6, "arith": 1.0}, 100, 200)
    assert found == pytest.approx({"tokens_50": 150, "tokens_50.arith": 150, "tokens_90.arith": 190})
    assert passed({"": 0.6}, {"": 0.4}, 100, 200) == {}


def test_a_solved_run_ends_and_records_what_it_needed(tmp_path: Path) -> None:
    study = planned(question(quick("dense", "dense", 504 * 400)), tmp_path / "solved")
    (spec,) = study.runs()
    record = loop.train(study, spec)
    assert "solved" in record.flags
    assert record.D_seen < spec.training.D
    assert record.D_seen % (10 * 504) == 0
    assert 0 < record.until["tokens_50"] < record.until["tokens_90"] <= record.D_seen
    assert record.until["flops_50"] == pytest.approx(record.until["tokens_50"] * spec.flops_per_token["exact"])
    assert min(task.exact_match for task in record.tasks.values()) > 0.8
    assert record.loss is not None
    assert record.loss > 0
    row = flatten(record)
    assert row["until.tokens_50"] == record.until["tokens_50"]
    assert row["tasks.arith"]["exact_match"] == record.tasks["arith"].exact_match
    assert read_record(study, spec) == record
    kept = checkpoint.load_kept(study.run_folder(spec.run_id) / "checkpoint", "half")
    assert kept is not None
    assert kept["step"] * 504 >= record.until["tokens_50"]


def test_roles_prefer_the_experts_of_a_domain_and_share_the_remainder() -> None:
    logits = role_logits(Router(roles=2.0, domains=3), 7)
    assert logits.tolist() == [[2, 2, 0, 0, 0, 0, 2], [0, 0, 2, 2, 0, 0, 2], [0, 0, 0, 0, 2, 2, 2]]
    kind = replace(KINDS["E8-roles"], router=Router(roles=50.0, domains=4))
    model = Transformer(kind.shape(32), kind.router).eval()
    model.initialise(0)
    _, routings = model.hidden(torch.randint(0, 256, (4, 9)), torch.arange(4))
    for routing in routings:
        assert (routing.experts.view(4, 9) // 2 == torch.arange(4).unsqueeze(1)).all()
    with pytest.raises(ValueError, match="told the domain"):
        model.hidden(torch.randint(0, 256, (4, 9)))


def test_a_told_model_adds_the_vector_of_the_domain_to_every_token() -> None:
    kind = KINDS["dense-told"]
    model = Transformer(kind.shape(32)).eval()
    model.initialise(0)
    assert sum(weight.numel() for weight in model.parameters()) == kind.shape(32).total
    tokens = torch.randint(0, 256, (2, 9))
    told, _ = model.hidden(tokens, torch.tensor([3, 3]))
    with torch.no_grad():
        model.embedding.weight += model.domains.weight[3]
        model.domains.weight.zero_()
    torch.testing.assert_close(model.hidden(tokens, torch.tensor([0, 1]))[0], told)


def test_top_p_computes_fewer_experts_and_equals_the_masked_sum(tmp_path: Path) -> None:
    full = replace(KINDS["p0.4"], router=Router())
    part = Transformer(KINDS["p0.4"].shape(32), KINDS["p0.4"].router)
    whole = Transformer(full.shape(32), full.router)
    part.initialise(0)
    whole.initialise(0)
    x = torch.randn(50, 32)
    ours, every = part.layers[0].ffn(x), whole.layers[0].ffn(x)
    used = ours[1].used
    gates = every[1].gates * used
    assert (used.sum(1) >= 1).all()
    before = every[1].gates.cumsum(1) - every[1].gates
    assert (used == (before < 0.4)).all()
    expected = whole.layers[0].ffn.routed(x, replace(every[1], gates=gates))
    torch.testing.assert_close(ours[0], expected, atol=1e-5, rtol=1e-4)
    assert ours[1].load.sum() == used.sum() < used.numel()
    study = planned(question(quick("p", "p0.4", 504 * 20)), tmp_path / "p")
    record = loop.train(study, study.runs()[0])
    assert 1 <= record.spent["experts.1"] <= 4
    assert record.spent["C"] < record.spec.C


def test_an_arm_starts_from_the_final_weights_of_its_parent(tmp_path: Path) -> None:
    later = replace(quick("later", "dense", 504 * 20, parent="first"), setting="again")
    asked = question(
        quick("first", "dense", 504 * 20), later, seeds=(0, 1),
        settings=(Setting(name="again", data="task:arith,values=4,operands=2,steps=1", eval_windows=4),),
    )  # fmt: skip
    study = planned(asked, tmp_path / "family")
    runs = {(run.arm, run.training.seed): run for run in study.runs()}
    assert runs["later", 1].training.init_from == runs["first", 1].run_id
    assert runs["later", 0].series == "again"
    assert runs["later", 0].data != runs["first", 0].data
    first = loop.train(study, runs["first", 0])
    later_record = loop.train(study, runs["later", 0])
    assert later_record.until["loss_first"] < first.until["loss_first"]


@pytest.mark.parametrize(
    ("arms", "says"),
    [
        ([quick("a", "dense", parent="b")], "'b', which is not an arm"),
        ([quick("a", "dense", parent="a")], "itself or a later arm"),
        ([quick("a", "dense", parent="b"), quick("b", "dense", parent="a")], "itself or a later arm"),
        ([quick("a", "dense"), quick("b", "E8", parent="a")], "another shape"),
        ([quick("a", "dense", setting="s")], "setting 's' is not one of"),
    ],
)
def test_parents_and_settings_that_do_not_fit_are_refused(arms: list[GivenArm], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        question(*arms)


@pytest.mark.parametrize(
    ("router", "fields", "says"),
    [
        (Router(roles=1.0), {"data": "task:arith"}, "at least 2 domains"),
        (Router(top_p=0.5), {}, "with top_k 1 give none"),
    ],
)
def test_routers_that_do_not_fit_are_refused(router: Router, fields: dict[str, object], says: str) -> None:
    arm = replace(quick("a", "E8"), router=router)
    with pytest.raises(UsageError, match=says):
        make_plan(question(arm, **fields))


def test_top_p_and_roles_on_dense_and_at_fixed_compute_are_refused() -> None:
    with pytest.raises(UsageError, match="is dense, so it has no experts"):
        replace(quick("a", "dense"), router=Router(roles=1.0))
    with pytest.raises(UsageError, match="outside \\(0, 1\\]"):
        Router(top_p=1.5)
    arm = replace(quick("a", "p0.4"), D=None, C=1e10)
    with pytest.raises(UsageError, match="C cannot be fixed"):
        make_plan(question(arm))


def test_more_seeds_widen_a_study_of_claims(tmp_path: Path) -> None:
    asked = preset("task-conflict", "smoke")
    study = planned(asked, tmp_path / "grown")
    before = [run.run_id for run in study.runs()]
    assert study.write(make_plan(asked.with_seeds(2)))
    after = [run.run_id for run in study.runs()]
    assert set(before) < set(after)
    assert len(after) == 2 * len(before)
    assert study.write(make_plan(asked)) is False
