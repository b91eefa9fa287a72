"""The base install lacks the packages for training: what works without them, and what says how to add them."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from planners import Study

ROOT = Path(__file__).parent.parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
TRAINING = ("torch", "submitit", "datasets", "tokenizers")
CHINCHILLA = "planners/published/chinchilla/chinchilla_runs.csv"


def without_training(*words: str) -> subprocess.CompletedProcess:
    """Run a verb in a process in which the packages for training cannot be imported."""
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({TRAINING!r})); from scaling.cli import main;"
        f" sys.exit(main({list(words)!r}))"
    )
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)


def named(requirements: list[str]) -> set[str]:
    return {requirement.partition(">")[0] for requirement in requirements}


def test_the_packages_for_training_are_an_extra() -> None:
    assert not named(PROJECT["dependencies"]) & set(TRAINING)
    assert named(PROJECT["optional-dependencies"]["train"]) == set(TRAINING)
    locked = {line.partition("==")[0].lower() for line in (ROOT / "requirements.lock").read_text().splitlines()}
    assert {name.lower() for name in named(PROJECT["dependencies"])} | set(TRAINING) <= locked


@pytest.mark.parametrize(
    "words",
    [
        ("plan", "--preset", "smoke"),
        ("fit", "--runs", CHINCHILLA, "--columns", "N=n_params,D=n_tokens", "--law", "chinchilla", "--bootstrap", "0"),
        ("report", "--reproduce", "clark", "-o", "{out}/clark"),
        ("count", "{config}"),
    ],
    ids=lambda words: words[0],
)
def test_planning_fitting_reproducing_and_counting_work(words: tuple[str, ...], tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text('{"model_type": "mixtral"}')
    done = without_training(*(word.format(out=tmp_path, config=config) for word in words))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("words", "package"),
    [
        (("sweep", "{study}", "--go"), "torch and submitit"),
        (("train", "{study}", "{run}"), "torch and submitit"),
        (("plan", "--preset", "smoke", "--data", "hf:roneneldan/TinyStories"), "datasets"),
        (("plan", "--preset", "smoke", "--data", "stdlib@bpe:300"), "tokenizers"),
    ],
    ids=lambda value: value[-1] if isinstance(value, tuple) else "",
)
def test_what_needs_a_package_says_how_to_install_it(
    words: tuple[str, ...], package: str, tiny_study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCALING_CORPORA", str(tmp_path / "corpora"))
    places = {"study": tiny_study.folder, "run": tiny_study.runs()[0].run_id}
    done = without_training(*(word.format(**places) for word in words))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1, done.stderr
    assert f"needs {package}, which" in done.stderr
    assert "pip install 'scaling[train]'" in done.stderr
