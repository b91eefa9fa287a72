"""The measured loss: by domain, weighted by shares, and independent of the batches."""

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from jobs.corpora import prepare
from jobs.training import evaluate as evaluation
from jobs.training.device.distributed import Ranks
from jobs.training.device.micro_batch import OutOfMemory
from jobs.training.evaluate import Evaluator, evaluate
from jobs.training.network.transformer import Transformer
from jobs.training.objectives.next_token import NextToken
from planners import Router, Study

T = 32
CPU = torch.device("cpu")


@pytest.fixture
def objective(tiny_study: Study) -> NextToken:
    """The objective of a run that is evaluated on 40 windows."""
    return measured_on(40, tiny_study)


def measured_on(windows: int, study: Study) -> NextToken:
    spec = study.runs()[2]
    return NextToken(replace(spec, training=replace(spec.training, seq_len=T, eval_windows=windows)))


@pytest.fixture
def model(tiny_study: Study) -> Transformer:
    made = Transformer(tiny_study.runs()[2].shape, Router())
    made.initialise(0)
    return made


def test_the_loss_of_a_domain_is_the_mean_over_its_windows(model: Transformer, tiny_study: Study, prose: str) -> None:
    corpus = prepare(f"notes={prose}*0.75+code=synthetic:code*0.25")
    measured = evaluate(model, corpus, measured_on(80, tiny_study), CPU, dropped=0.25)
    assert {name: domain.tokens for name, domain in measured.domains.items()} == {"notes": 60 * T, "code": 20 * T}
    total = 0.0
    for domain in corpus.domains:
        found = measured.domains[domain.label]
        windows = domain.store.validation_windows(T, found.tokens // T)
        batch = torch.from_numpy(domain.store.read("validation", windows, T))
        with torch.no_grad():
            losses = F.cross_entropy(model.eval()(batch[:, :-1])[0].mT, batch[:, 1:], reduction="none").double()
        assert found.loss == pytest.approx(float(losses.mean()), rel=1e-6)
        assert found.se == pytest.approx(float(losses.mean(1).std()) / math.sqrt(len(windows)), rel=1e-5)
        assert found.bpb == pytest.approx(found.loss / math.log(2) / domain.store.bytes_per_token)
        total += float(domain.share) * found.loss
    assert measured.loss == pytest.approx(total)
    assert measured.domains["notes"].floor is None
    assert measured.domains["code"].floor is not None
    assert not measured.below_floor
    assert measured.routing is not None
    assert measured.routing.dropped == 0.25


def evaluator(model: Transformer, objective: NextToken, prose: str, *, shard: bool = False) -> Evaluator:
    """Return an evaluator on the prose."""
    return Evaluator(model, prepare(prose), objective, Ranks(0, 1, CPU), shard=shard)


def sizes_of(model: Transformer, monkeypatch: pytest.MonkeyPatch, fitting: int = 1000) -> list[int]:
    """Return a list that collects the sizes of forward passes; sizes above `fitting` run out of memory."""
    sizes, hidden = list[int](), model.hidden

    def limited(tokens: torch.Tensor, domains: torch.Tensor | None = None) -> object:
        sizes.append(len(tokens))
        if len(tokens) > fitting:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return hidden(tokens, domains)

    monkeypatch.setattr(model, "hidden", limited)
    return sizes


def test_long_windows_are_measured_in_smaller_batches(
    model: Transformer, objective: NextToken, prose: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = evaluator(model, objective, prose).measure(0.0)
    sizes = sizes_of(model, monkeypatch)
    monkeypatch.setattr(evaluation, "BATCH_TOKENS", 3 * T)
    small = evaluator(model, objective, prose).measure(0.0)
    assert max(sizes) == 3
    assert sum(sizes) == 40
    assert small.loss == pytest.approx(whole.loss, rel=1e-6)


def test_the_default_batches_do_not_change_between_versions(
    model: Transformer, objective: NextToken, prose: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sums over other batches round differently, and old losses would not be reproduced."""
    sizes = sizes_of(model, monkeypatch)
    found = evaluator(model, objective, prose).measure(0.0)
    assert sizes == [20, 20]  # 40 windows in the fewest equal parts of at most 32
    assert found == evaluate(model, prepare(prose), objective, CPU, dropped=0.0)


def test_a_batch_is_halved_if_memory_runs_out_and_stays_halved(
    model: Transformer, objective: NextToken, prose: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = evaluate(model, prepare(prose), objective, CPU, dropped=0.0, batch=8)
    sizes = sizes_of(model, monkeypatch, fitting=8)
    measuring = evaluator(model.train(), objective, prose)
    assert measuring.measure(0.0) == expected  # bit for bit as if it had begun with 8
    assert sizes == [20, 14, *[8] * 5]  # at most 32, 16, 8
    assert measuring.measure(0.0) == expected
    assert sizes[7:] == [8] * 5
    assert model.training


def test_the_error_is_raised_if_one_window_does_not_fit(
    model: Transformer, objective: NextToken, prose: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes_of(model, monkeypatch, fitting=0)
    measuring = evaluator(model.train(), objective, prose)
    with pytest.raises(torch.OutOfMemoryError):
        measuring.measure(0.0)
    assert measuring.batch == 1
    assert model.training  # it is left as it was


def test_sharded_processes_do_not_halve_and_get_advice(
    model: Transformer, objective: NextToken, prose: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes_of(model, monkeypatch, fitting=0)
    with pytest.raises(OutOfMemory, match="32 sequences; give --micro-batch 16"):
        evaluator(model, objective, prose, shard=True).measure(0.0)


def test_the_model_is_left_in_training_mode(model: Transformer, objective: NextToken, prose: str) -> None:
    model.train()
    evaluate(model, prepare(prose), objective, CPU, dropped=0.0)
    assert model.training


def test_a_domain_with_a_tiny_share_is_measured_too(model: Transformer, tiny_study: Study, prose: str) -> None:
    corpus = prepare(f"notes={prose}*0.999+code=synthetic:code*0.001")
    measured = evaluate(model, corpus, measured_on(8, tiny_study), CPU, dropped=0.0)
    assert measured.domains["code"].tokens == T
    assert measured.domains["code"].se is None
