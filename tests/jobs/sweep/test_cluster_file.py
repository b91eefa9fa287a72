"""The user's cluster.toml: where it is found, and mistakes in one sentence."""

import re
from pathlib import Path

import pytest

from jobs.sweep.cluster_file import KEYS, cluster_file, read_cluster_file
from planners import UsageError


@pytest.fixture
def user_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "cluster.toml"
    path.write_text("cluster = 'slurm'\n[short]\npartition = 'short'\n")
    monkeypatch.setenv("SCALING_CLUSTER", str(path))
    return path


def test_without_a_file_the_defaults_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCALING_CLUSTER", "")
    assert read_cluster_file() == {}
    monkeypatch.delenv("SCALING_CLUSTER")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert cluster_file() == tmp_path / "scaling" / "cluster.toml"
    assert read_cluster_file() == {}


MISTAKES = {
    "an unknown key": ("partitoin = 'x'", "'partitoin' is not a key; the keys are cluster, parallel"),
    "an unknown key in a profile": ("[a]\nruns = 3", r"\[a\]: 'runs' is not a key"),
    "a value of the wrong type": ("timeout_min = 'long'", "timeout_min"),
    "a value out of range": ("attempts = 0", "attempts 0 must be at least 1"),
    "a wrong option": ("slurm = ['mem=']", "NAME=VALUE"),
    "not TOML": ("cluster = slurm", "cannot be read as TOML .* keys cluster, parallel"),
    "an unknown cluster": ("cluster = 'cloud'", "cloud"),
}


@pytest.mark.parametrize(("text", "says"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_in_the_file_is_refused_in_one_sentence(user_file: Path, text: str, says: str) -> None:
    user_file.write_text(text)
    with pytest.raises(UsageError, match=says) as refused:
        read_cluster_file()
    assert "\n" not in str(refused.value)


def test_a_missing_profile_or_file_is_named(user_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="no profile 'long'; it has short"):
        read_cluster_file("long")
    user_file.unlink()
    with pytest.raises(UsageError, match="cannot be read"):
        read_cluster_file()
    monkeypatch.setenv("SCALING_CLUSTER", "")
    with pytest.raises(UsageError, match="profile 'long' cannot be used: SCALING_CLUSTER is empty"):
        read_cluster_file("long")


def test_the_guide_lists_every_key_and_its_example_is_valid(user_file: Path) -> None:
    guide = (Path(__file__).parents[3] / "docs" / "cluster.md").read_text()
    rows = [line.split("|")[1] for line in guide.splitlines() if line.startswith("| `")]
    assert sorted(re.findall(r"`(\w+)`", " ".join(rows))) == sorted(KEYS)
    user_file.write_text(guide.split("```toml\n")[1].split("```")[0])
    assert read_cluster_file("short")["partition"] == "short"


def test_a_user_without_a_home_has_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "XDG_CONFIG_HOME", "SCALING_CLUSTER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", lambda uid: {}[uid])
    assert read_cluster_file() == {}
    monkeypatch.setenv("SCALING_CLUSTER", "~nosuchuser/c.toml")
    with pytest.raises(UsageError, match="unknown user"):
        read_cluster_file()
