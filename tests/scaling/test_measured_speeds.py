from pathlib import Path

import pytest

from planners.architecture.devices import device
from scaling import cli
from scaling.measured_speeds import measured_speeds

HEADER = "run_id,n_experts,precision,state,mfu,environment.device\n"
H100 = "NVIDIA H100 80GB HBM3"
RUNS = (
    ("a", 0, "bf16", "done", "0.5", H100),
    ("b", 0, "bf16", "done", "0.3", H100),
    ("c", 8, "bf16", "done", "0.1", H100),
    ("d", 8, "bf16", "failed", "0.9", H100),
    ("e", 8, "fp32", "done", "0.9", H100),
    ("f", 8, "bf16", "done", "", H100),
    ("g", 8, "bf16", "done", "0.9", "NVIDIA A100"),
    ("h", 8, "bf16", "done", "0.9", "NVIDIA H100 MIG 1g.10gb"),
)
ROWS = "".join(",".join(map(str, run)) + "\n" for run in RUNS)
PLAN = ["plan", "--total-params", "100M", "--activation", "1,0.3", "--budget", "1e19", "--seq-len", "2048"]


@pytest.fixture
def studies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "studies" / "old").mkdir(parents=True)
    (tmp_path / "studies" / "old" / "runs.csv").write_text(HEADER + ROWS)
    return tmp_path / "studies"


def test_finished_bf16_runs_on_the_device_count(studies: Path) -> None:
    found = measured_speeds(device("h100"), studies)
    assert found is not None
    assert found.mfu == {"dense": pytest.approx(0.4), "MoE": 0.1}
    assert (found.runs, found.studies) == (3, ("old",))
    assert measured_speeds(device("b200"), studies) is None
    assert measured_speeds(device("h100"), studies / "none") is None


def test_a_forecast_uses_them_and_says_so(studies: Path, capsys: pytest.CaptureFixture) -> None:
    flags = ["--vocab-size", "32768", "--device", "h100", "--price", "2.5EUR", "--json"]
    assert cli.main([*PLAN, *flags, "-o", "studies/new"]) == cli.DONE
    measured = capsys.readouterr().out
    assert "measured: utilisation of the bf16 peak by earlier studies on h100: dense 40 %, MoE 10 % (3 runs" in measured
    assert "assumed" not in measured
    assert cli.main([*PLAN, *flags[:-1], "-o", "elsewhere/new"]) == cli.DONE
    shown = capsys.readouterr().out
    assert "assumed: utilisation of the bf16 peak: dense 40 %, MoE 25 %" in shown
    assert "price EUR" in shown
