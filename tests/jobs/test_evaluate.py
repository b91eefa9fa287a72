"""The measured loss: by domain, weighted by shares, and that of the model whatever the batches."""

import math

import pytest
import torch
import torch.nn.functional as F

from jobs.corpora import prepare
from jobs.training import evaluate as evaluation
from jobs.training.evaluate import evaluate
from jobs.training.model import Transformer
from planners import Router, Study

T = 32
CPU = torch.device("cpu")


@pytest.fixture
def model(tiny_study: Study) -> Transformer:
    made = Transformer(tiny_study.runs()[2].shape, Router())
    made.initialise(0)
    return made


def test_the_loss_of_a_domain_is_that_of_its_windows(model: Transformer, prose: str) -> None:
    corpus = prepare(f"notes={prose}*0.75+code=synthetic:code*0.25")
    measured = evaluate(model, corpus, T, 80, CPU, dropped=0.25)
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


def test_long_windows_are_measured_in_smaller_batches(
    model: Transformer, prose: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus, sizes = prepare(prose), list[int]()
    whole = evaluate(model, corpus, T, 40, CPU, dropped=0.0)
    hidden = model.hidden
    monkeypatch.setattr(model, "hidden", lambda tokens: sizes.append(len(tokens)) or hidden(tokens))
    monkeypatch.setattr(evaluation, "BATCH_TOKENS", 3 * T)
    small = evaluate(model, corpus, T, 40, CPU, dropped=0.0)
    assert max(sizes) == 3
    assert sum(sizes) == 40
    assert small.loss == pytest.approx(whole.loss, rel=1e-6)


def test_training_goes_on_in_training_mode(model: Transformer, prose: str) -> None:
    model.train()
    evaluate(model, prepare(prose), T, 8, CPU, dropped=0.0)
    assert model.training


def test_a_domain_with_a_tiny_share_is_measured_too(model: Transformer, prose: str) -> None:
    corpus = prepare(f"notes={prose}*0.999+code=synthetic:code*0.001")
    measured = evaluate(model, corpus, T, 8, CPU, dropped=0.0)
    assert measured.domains["code"].tokens == T
    assert measured.domains["code"].se is None
