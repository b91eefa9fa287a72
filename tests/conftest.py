"""What tests share: a corpus of generated prose, a question that trains in seconds, and a study planned from it."""

import os
import random
from dataclasses import replace
from pathlib import Path

import pytest
from slurm_stand_in import StandIn

from planners import Question, Study, make_plan
from planners.matching.frame import Geometry

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")
os.environ.pop("COLUMNS", None)  # workers of pytest-xdist set it, and commands would wrap their sentences


@pytest.fixture(scope="session", autouse=True)
def _corpora(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep token stores of the tests out of the user's cache."""
    os.environ["SCALING_CORPORA"] = str(tmp_path_factory.mktemp("corpora"))
    os.environ["SCALING_CLUSTER"] = ""  # and the user's own cluster out of the tests


@pytest.fixture(scope="session")
def prose(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A corpus of 200 documents of made-up sentences, about 120 kB."""
    folder = tmp_path_factory.mktemp("prose")
    generator = random.Random(7)
    words = ["".join(generator.choices("abcdefgh", k=generator.randint(2, 7))) for _ in range(60)]
    for number in range(200):
        text = " ".join(generator.choices(words, k=120))
        (folder / f"{number:03d}.txt").write_text(text + ".\n")
    return f"text:{folder}"


@pytest.fixture(scope="session")
def tiny_question(prose: str) -> Question:
    """Dense and two MoE arms of 20k parameters and about 40 steps."""
    return Question(
        study="tiny",
        total_params=19.7e3,
        budgets=(6e8,),
        top_ks=(0, 1, 2),
        data=prose,
        seq_len=32,
        eval_windows=16,
        batch_tokens=64,
        moe=Geometry(d_model=16, n_layers=3, n_heads=2, d_expert=8),
        dense=Geometry(d_model=24, n_layers=2, n_heads=2),
    )


@pytest.fixture
def tiny_study(tiny_question: Question, tmp_path: Path) -> Study:
    """A planned study that nothing has been trained of."""
    from jobs.corpora import describe

    study = Study(tmp_path / "tiny")
    assert tiny_question.data is not None
    assert study.write(make_plan(tiny_question, describe(tiny_question.data)))
    return study


@pytest.fixture
def twelve(tiny_question: Question, tmp_path: Path) -> Study:
    """A planned study of twelve runs that nothing has been trained of."""
    from jobs.corpora import describe

    study = Study(tmp_path / "twelve")
    study.write(make_plan(replace(tiny_question, seeds=(0, 1, 2, 3)), describe(str(tiny_question.data))))
    return study


@pytest.fixture
def slurm_stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """A scheduler that takes jobs and never starts one, which the commands of this test find."""
    folder = tmp_path / "scheduler"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder / 'bin'}:{os.environ['PATH']}")
    return StandIn(folder)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say in large letters that the tests of the cluster did not run, and why."""
    skipped = [report.longrepr for report in terminalreporter.stats.get("skipped", [])]
    reasons = [reason[2] for reason in skipped if isinstance(reason, tuple) and "no Slurm: " in reason[2]]
    if reasons:
        terminalreporter.section("SLURM IS NOT TESTED", sep="!", red=True, bold=True)
        terminalreporter.line(f"{len(reasons)} tests of sweeps on a real Slurm were skipped.", red=True)
        for reason in sorted(set(reasons)):
            terminalreporter.line(reason, red=True)
