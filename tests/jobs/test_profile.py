"""The user's file of cluster settings: what it may hold, who wins, and mistakes in one sentence."""

from pathlib import Path

import pytest

from jobs.sweep.cluster_file import profile_path, read_profile
from planners import UsageError
from scaling import clusters, sweep

FILE = """
cluster = "slurm"
account = "me"
setup = ["module load cuda"]
slurm = ["mem=8G"]
pack = 5
[short]
partition = "short"
timeout_min = 30
max_device_hours = 2
"""


@pytest.fixture
def user_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "cluster.toml"
    path.write_text(FILE)
    monkeypatch.setenv("SCALING_CLUSTER", str(path))
    return path


def cluster(*flags: str) -> clusters.Cluster:
    return clusters.cluster(sweep.arguments().parse_args(["study", *flags]))


def test_flags_win_over_the_profile_and_it_over_the_rest(user_file: Path) -> None:
    plain = cluster()
    assert (plain.kind, plain.account, plain.partition, plain.pack) == ("slurm", "me", None, 5.0)
    short = cluster("--profile", "short", "--timeout-min", "9", "--slurm", "exclusive=user", "--setup", "true")
    assert (short.partition, short.timeout_min, short.max_device_hours) == ("short", 9, 2.0)
    assert short.slurm == ("mem=8G", "exclusive=user")
    assert short.setup == ("module load cuda", "true")
    assert cluster("--cluster", "local").kind == "local"  # what is for Slurm has no use here, and does no harm
    assert cluster("--pack", "0").pack == 0


def test_without_a_file_there_are_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCALING_CLUSTER", "")
    assert read_profile() == {}
    monkeypatch.delenv("SCALING_CLUSTER")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert profile_path() == tmp_path / "scaling" / "cluster.toml"
    assert read_profile() == {}
    assert cluster() == clusters.Cluster()


MISTAKES = {
    "a key that is none": ("partitoin = 'x'", "'partitoin' is not one of cluster, parallel"),
    "a key that is none in a profile": ("[a]\nruns = 3", r"\[a\]: 'runs' is not one of"),
    "a value of the wrong type": ("timeout_min = 'long'", "timeout_min"),
    "a value out of range": ("attempts = 0", "attempts 0 must be at least 1"),
    "an option that is none": ("slurm = ['mem']", "NAME=VALUE"),
    "no TOML": ("cluster = slurm", "cannot be read as TOML"),
    "a cluster that is none": ("cluster = 'cloud'", "cloud"),
}


@pytest.mark.parametrize(("text", "says"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_in_the_file_is_one_sentence(user_file: Path, text: str, says: str) -> None:
    user_file.write_text(text)
    with pytest.raises(UsageError, match=says) as refused:
        read_profile()
    assert "\n" not in str(refused.value)


def test_what_is_not_there_is_said(user_file: Path) -> None:
    with pytest.raises(UsageError, match="no profile 'long'; it has short"):
        cluster("--profile", "long")
    user_file.unlink()
    with pytest.raises(UsageError, match="cannot be read"):
        cluster()


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--partition", "x"], "--partition is for --cluster slurm, and this is local"),
        (["--parallel", "0"], "--parallel"),
        (["--pack", "long"], "--pack"),
        (["--max-device-hours", "-1"], "--max-device-hours"),
        (["--cluster", "slurm", "--slurm", "short"], "NAME=VALUE"),
        (["--runs-per-gpu", "2", "--devices", "2"], "--runs-per-gpu"),
    ],
)
def test_a_bad_flag_is_one_sentence(monkeypatch: pytest.MonkeyPatch, flags: list[str], says: str) -> None:
    monkeypatch.setenv("SCALING_CLUSTER", "")
    with pytest.raises(UsageError, match=says):
        cluster(*flags)
