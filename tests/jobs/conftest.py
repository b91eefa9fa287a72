"""A real Slurm for the tests that use one, and a study of twelve runs for it to disturb."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from disturbed_sweep import Sweep
from private_slurm import CannotStart, PrivateSlurm

from jobs.corpora import describe
from jobs.record import read_records
from jobs.run.worker import Worker
from planners import Question, Study, make_plan

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def quick_compiler(monkeypatch: pytest.MonkeyPatch) -> list[torch.nn.Module]:
    """Modules are compiled by the compiler's own reference, which is quick; those that were stand in the list."""
    compile_, compiled = torch.nn.Module.compile, list[torch.nn.Module]()

    def quick(module: torch.nn.Module, **settings: object) -> None:
        compiled.append(module)
        compile_(module, backend="aot_eager", **settings)

    monkeypatch.setattr(torch.nn.Module, "compile", quick)
    return compiled


def _cluster(*, accounting: bool) -> Iterator[PrivateSlurm]:
    try:
        cluster = PrivateSlurm(accounting=accounting)
        cluster.start()
    except CannotStart as error:
        pytest.skip(f"no Slurm: {error}")
    yield cluster
    cluster.stop()


@pytest.fixture(scope="session")
def _plain_cluster() -> Iterator[PrivateSlurm]:
    yield from _cluster(accounting=False)


@pytest.fixture(scope="session")
def _accounting_cluster() -> Iterator[PrivateSlurm]:
    yield from _cluster(accounting=True)


@pytest.fixture
def slurm(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[PrivateSlurm]:
    """A Slurm of two nodes with two CPUs each, for the commands of this test; with accounting if the test asks."""
    accounting = getattr(request, "param", "plain") == "accounting"
    cluster = request.getfixturevalue("_accounting_cluster" if accounting else "_plain_cluster")
    for name in [name for name in os.environ if name.startswith("SLURM")]:
        monkeypatch.delenv(name)
    for name in ("PATH", "SLURM_CONF"):
        monkeypatch.setenv(name, cluster.env()[name])
    yield cluster
    cluster.clear()


@pytest.fixture(scope="session")
def undisturbed(tiny_question: Question, tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Twelve runs that were trained in this process."""
    study = Study(tmp_path_factory.mktemp("undisturbed") / "study")
    question = replace(tiny_question, seeds=(0, 1, 2, 3))
    study.write(make_plan(question, describe(str(question.data))))
    Worker(str(study.folder))([spec.run_id for spec in study.runs()])
    return study


@pytest.fixture
def sweep(undisturbed: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sweep:
    """The same twelve runs, none of them trained; their jobs write a trace."""
    study, trace = Study(tmp_path / "study"), tmp_path / "trace"
    asked = undisturbed.asked().question
    study.write(make_plan(asked, describe(str(asked.data))))
    monkeypatch.setenv("TRACE", str(trace))
    monkeypatch.setenv("PYTHONPATH", f"{ROOT / 'tests' / 'stand_ins'}:{ROOT}")
    losses = {spec.run_id: record.loss for spec, record in read_records(undisturbed) if record and record.loss}
    assert len(losses) == 12
    return Sweep(study, losses, trace)
