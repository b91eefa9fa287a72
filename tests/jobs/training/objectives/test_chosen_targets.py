"""The objectives that predict some tokens: answers of generated tasks, and masked tokens of an encoder."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from jobs.corpora import describe, prepare
from jobs.execution import Execution
from jobs.training import loop
from jobs.training.network.transformer import Transformer
from jobs.training.objectives import objective_of
from jobs.training.objectives.masked import Masked
from jobs.training.objectives.objective import IGNORED, ChosenTargets, at
from planners import GivenArm, Question, RunSpec, Shape, Study, UsageError, make_plan
from planners.architecture.flops import flops_by_part, flops_per_token
from scaling.api import make_plan as plan_and_describe

DENSE = Shape(
    d_model=32, n_layers=1, n_dense_layers=1, n_heads=1, n_kv_heads=1, head_dim=32, d_ff=64, vocab_size=256
)  # fmt: skip
ENCODER = replace(DENSE, vocab_size=264, causal=False)


def question(shape: Shape, objective: str, **fields: object) -> Question:
    chosen = {"data": "tasks,values=8", "seq_len": 28, "batch_tokens": 112, "eval_windows": 16, **fields}
    arm = GivenArm(label="one", shape=shape, D=112 * 30, lr=0.003)
    return Question(study="chosen", arms=(arm,), objective=objective, **chosen)  # type: ignore[arg-type]


def spec_of(shape: Shape, objective: str, **fields: object) -> RunSpec:
    plan = plan_and_describe(question(shape, objective, **fields))
    assert plan.refused == ()
    return plan.runs[0]


def test_answers_are_the_targets_that_the_store_names() -> None:
    spec = spec_of(DENSE, "answers")
    corpus = prepare("tasks,values=8")
    objective = objective_of(spec, corpus)
    windows = torch.from_numpy(corpus.stream(28, 28 * 100, 0)(0, 4))
    inputs, targets = objective.examples(windows, range(4), torch.arange(4))
    assert (inputs == windows[:, :-1]).all()
    assert targets[0, :, 0].tolist() == [2 + 1, 6, 9, 12, 17, 20, 23, 26]
    assert (targets[..., 1] == windows[:, 1:].gather(1, targets[..., 0])).all()
    assert spec.training.targets == 8


def test_a_window_weighs_the_same_however_many_targets_it_has() -> None:
    class Uneven(Masked):
        uneven = True  # type: ignore[assignment]

    objective = Uneven(spec_of(ENCODER, "masked"), None)
    x, head = torch.randn(3, 10, 8, requires_grad=True), torch.randn(20, 8)
    places = torch.tensor([[1, 4, 7], [0, 0, 0], [2, 5, 0]])
    tokens = torch.tensor([[3, 5, 9], [7, IGNORED, IGNORED], [1, 2, IGNORED]])
    targets = torch.stack((places, tokens), -1)
    means = [
        F.cross_entropy(F.linear(x[row, places[row, :n]], head), tokens[row, :n]) for row, n in enumerate((3, 1, 2))
    ]
    loss = objective.loss(x, head, targets, compiled=False)
    torch.testing.assert_close(loss, torch.stack(means).mean())
    measured = objective.measure(x.detach(), head, targets)
    torch.testing.assert_close(measured.means, torch.stack(means).detach().double(), atol=1e-5, rtol=1e-5)
    assert measured.tokens == 6


def test_masks_are_exact_in_number_binomial_in_kind_and_functions_of_the_numbers(prose: str) -> None:
    spec = spec_of(ENCODER, "masked", seq_len=128, batch_tokens=128, data=prose, mask_share=0.15)
    objective = Masked(spec, prepare(prose))
    windows = torch.from_numpy(np.random.default_rng(0).integers(256, size=(400, 129)))
    inputs, targets = objective.examples(windows, range(400))
    assert targets.shape == (400, 19, 2)
    places, tokens = targets.unbind(-1)
    assert all(len(set(row)) == 19 for row in places.tolist())
    assert (tokens == windows.gather(1, places)).all()
    shown = inputs.gather(1, places)
    hidden, kept = (shown == 256).double().mean(), (shown == tokens).double().mean()
    error = 4 * (0.8 * 0.2 / shown.numel()) ** 0.5
    assert abs(hidden - 0.8) < error
    assert abs(kept - (0.1 + 0.1 / 256)) < error
    unchanged = torch.ones_like(inputs, dtype=torch.bool).scatter(1, places, False)
    assert (inputs[unchanged] == windows[:, :-1][unchanged]).all()
    again, _ = objective.examples(windows[7:9], range(7, 9))
    assert (again == inputs[7:9]).all()


def test_the_masked_loss_and_its_gradients_equal_those_of_bert_for_masked_tokens(prose: str) -> None:
    """transformers' BERT with our head: the same hidden states, mask and weights."""
    from transformers import BertConfig, BertForMaskedLM

    spec = spec_of(ENCODER, "masked", seq_len=128, batch_tokens=128, data=prose)
    objective = Masked(spec, prepare(prose))
    config = BertConfig(
        vocab_size=264, hidden_size=32, num_hidden_layers=1, num_attention_heads=1, intermediate_size=64
    )
    bert = BertForMaskedLM(config).eval()
    windows = torch.from_numpy(np.random.default_rng(1).integers(256, size=(4, 129)))
    inputs, targets = objective.examples(windows, range(4))
    labels = torch.full_like(inputs, -100).scatter(1, targets[..., 0], targets[..., 1])
    theirs = bert(input_ids=inputs, labels=labels).loss
    theirs.backward()
    expected = {name: weight.grad.clone() for name, weight in bert.named_parameters() if weight.grad is not None}
    bert.zero_grad()
    x = bert.cls.predictions.transform(bert.bert(input_ids=inputs).last_hidden_state)
    ours = objective.loss(x, bert.cls.predictions.decoder.weight, targets, compiled=False)
    ours.backward()
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)
    for name, weight in bert.named_parameters():
        if weight.grad is not None and not name.endswith("predictions.bias"):
            torch.testing.assert_close(weight.grad, expected[name], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("shape", "objective"), [(DENSE, "answers"), (ENCODER, "masked")])
def test_counted_flops_are_those_of_torch_with_the_head_at_the_targets_alone(shape: Shape, objective: str) -> None:
    from torch.utils.flop_counter import FlopCounterMode

    spec = spec_of(shape, objective)
    corpus, model = prepare("tasks,values=8"), Transformer(shape)
    model.initialise(0)
    trained = objective_of(spec, corpus)
    windows = torch.from_numpy(corpus.stream(28, 28 * 100, 0)(0, 4))
    _, targets = trained.examples(windows, range(4), torch.arange(4))

    def counted(run: object) -> int:
        with FlopCounterMode(display=False) as counter:
            run()  # type: ignore[operator]
        return counter.get_total_flops()

    def head() -> None:
        x = torch.randn(4, 28, 32, requires_grad=True)
        trained.loss(x, model.head.weight, targets, compiled=False).backward()

    assert isinstance(trained, ChosenTargets)
    per_token = flops_by_part(shape, 28, targets=spec.training.targets)["head"]
    assert counted(head) == pytest.approx(per_token * 4 * 28, abs=4 * 28)
    everything = flops_per_token(shape, 28) - flops_by_part(shape, 28)["head"] + per_token
    assert spec.flops_per_token["exact"] == everything
    assert at(torch.randn(4, 28, 32), targets).shape == (*targets.shape[:2], 32)


@pytest.mark.parametrize(("shape", "objective"), [(DENSE, "answers"), (ENCODER, "masked")])
def test_a_cut_or_resumed_run_has_the_same_loss(shape: Shape, objective: str, tmp_path: Path) -> None:
    asked = question(shape, objective, eval_steps=10)
    plan = plan_and_describe(asked)

    def study(name: str) -> Study:
        made = Study(tmp_path / name)
        made.write(plan)
        return made

    whole = loop.train(study("whole"), plan.runs[0])
    assert whole.loss is not None
    assert (whole.bpb, whole.perplexity) == (None, None)
    cut = loop.train(study("cut"), plan.runs[0], execution=Execution(micro_batch=1))
    assert cut.loss == pytest.approx(whole.loss, rel=1e-4)
    with pytest.raises(loop.Interrupted):
        loop.train(study("resumed"), plan.runs[0], stop=lambda step: step == 17)
    resumed = loop.train(Study(tmp_path / "resumed"), plan.runs[0])
    assert (resumed.loss, resumed.tasks, resumed.until.keys()) == (whole.loss, whole.tasks, whole.until.keys())
    assert resumed.until["loss_first"] == whole.until["loss_first"]


@pytest.mark.parametrize(
    ("shape", "fields", "says"),
    [
        (DENSE, {"objective": "masked"}, r"objective masked cannot train a decoder"),
        (ENCODER, {"objective": "next_token"}, r"objective next_token cannot train an encoder"),
        (DENSE, {"objective": "answers", "data": "synthetic:facts"}, r"marks no answers"),
        (ENCODER, {"objective": "masked", "mask_share": 1.5}, r"mask_share 1.5 is outside \(0, 1\)"),
        (replace(ENCODER, vocab_size=256), {"objective": "masked"}, r"vocabulary of 256 is smaller"),
        (DENSE, {"objective": "answers", "seq_len": 10, "batch_tokens": 10}, r"holds no whole example"),
        (DENSE, {"objective": "answers", "solved_at": 0.9}, r"solved_at 0.9 is a share .* give eval_steps"),
        (replace(DENSE, domains=3), {"objective": "answers"}, r"vectors for 3 domains, and .* has 4"),
    ],
)
def test_what_cannot_be_trained_is_refused_in_one_sentence(shape: Shape, fields: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        plan_and_describe(question(shape, **fields))  # type: ignore[arg-type]


def test_a_masked_plan_of_matched_arms_has_room_for_the_mask_token() -> None:
    asked = Question(
        study="x", total_params=300e3, budgets=(1e11,), top_ks=(0,), objective="masked", seq_len=32, eval_windows=8
    )
    from planners.varied_fields import Varied

    plan = make_plan(replace(asked, vary=(Varied(field="causal", values=(False,)),)), describe("tasks,values=8"))
    assert {run.shape.vocab_size for run in plan.runs} == {264}
