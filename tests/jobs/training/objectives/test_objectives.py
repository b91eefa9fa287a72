"""Objectives: a new one is one file and one registry line, and a run trains and is measured with it."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from jobs.corpora.tokens import TokenStore
from jobs.execution import Execution
from jobs.record import RunRecord
from jobs.training import loop
from jobs.training.network.cross_entropy import linear_cross_entropy, token_losses
from jobs.training.objectives import OBJECTIVES, objective_of
from jobs.training.objectives.next_token import NextToken
from jobs.training.objectives.objective import Objective, WindowLosses
from planners import RunSpec, Study, UsageError, spec as planned


class EveryOther(Objective):
    """Recover random tokens of a window, each replaced by token 0: half of its targets, chosen by its number."""

    is_likelihood = False

    def examples(self, windows: Tensor, numbers: Iterable[int], domains: Tensor | None = None) -> tuple[Tensor, Tensor]:
        T = windows.shape[1] - 1
        chosen = torch.stack(
            [torch.from_numpy(np.random.default_rng(number).permutation(T)[: T // 2]) for number in numbers]
        )
        targets = windows[:, :T].gather(1, chosen)
        return windows[:, :T].scatter(1, chosen, 0), torch.stack((chosen, targets), -1)

    def loss(self, x: Tensor, head: Tensor, targets: Tensor, *, compiled: bool) -> Tensor:
        return linear_cross_entropy(self.chosen(x, targets), head, targets[..., 1], compiled=compiled)

    def measure(self, x: Tensor, head: Tensor, targets: Tensor) -> WindowLosses:
        losses = token_losses(self.chosen(x, targets), head, targets[..., 1]).double()
        return WindowLosses(total=losses.sum(), tokens=losses.numel(), means=losses.mean(1))

    def floor(self, store: TokenStore) -> float | None:
        return None

    def chosen(self, x: Tensor, targets: Tensor) -> Tensor:
        return x.gather(1, targets[..., :1].expand(-1, -1, x.shape[-1]))


@pytest.fixture
def _every_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Register the objective: a line in the engine, and its name in the planner."""
    monkeypatch.setitem(OBJECTIVES, "every_other", EveryOther)
    monkeypatch.setattr(planned, "OBJECTIVES", (*planned.OBJECTIVES, "every_other"))


def of(study: Study, objective: str) -> RunSpec:
    """Return the dense run of the study with another objective, and with 8 sequences a step."""
    spec = study.runs()[0]
    names = ("study", "arm", "shape", "router", "data", "recipe", "flops_convention", "target")
    training = replace(spec.training, objective=objective, batch_tokens=256, D=256 * 20, eval_steps=10)
    return RunSpec.build(**{name: getattr(spec, name) for name in names}, training=training)


def trained(study: Study, spec: RunSpec, folder: Path, **execution: int) -> RunRecord:
    folder.mkdir()
    return loop.train(Study(folder), spec, execution=Execution(**execution))


def test_planner_and_engine_know_the_same_objectives() -> None:
    assert set(OBJECTIVES) == set(planned.OBJECTIVES)


def test_a_spec_names_the_objective(tiny_study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = tiny_study.runs()[0]
    assert type(objective_of(spec)) is NextToken
    monkeypatch.delitem(OBJECTIVES, "next_token")
    with pytest.raises(UsageError, match="objective 'next_token' is not one of"):
        objective_of(spec)


@pytest.mark.usefixtures("_every_other")
def test_a_registered_objective_trains_a_run_and_measures_it(tiny_study: Study, tmp_path: Path) -> None:
    spec, usual = of(tiny_study, "every_other"), of(tiny_study, "next_token")
    assert spec.run_id != usual.run_id
    record, next_token = trained(tiny_study, spec, tmp_path / "a"), trained(tiny_study, usual, tmp_path / "b")
    assert record.state == next_token.state == "done"
    assert record.loss is not None
    assert record.loss != next_token.loss
    (domain,) = record.domains.values()
    assert domain.tokens == spec.training.eval_windows * (spec.training.seq_len // 2)
    assert (record.bpb, record.perplexity, domain.bpb, domain.floor) == (None, None, None, None)
    assert next_token.bpb is not None


@pytest.mark.usefixtures("_every_other")
def test_random_inputs_do_not_depend_on_how_a_batch_is_cut_or_where_it_is_resumed(
    tiny_study: Study, tmp_path: Path
) -> None:
    spec = of(tiny_study, "every_other")
    whole = trained(tiny_study, spec, tmp_path / "whole")
    cut = trained(tiny_study, spec, tmp_path / "cut", micro_batch=2)
    assert cut.loss == pytest.approx(whole.loss, rel=1e-5)
    with pytest.raises(loop.Interrupted):
        loop.train(tiny_study, spec, stop=lambda step: step == 7)
    assert loop.train(tiny_study, spec).loss == whole.loss
