"""`scaling.fit --at`, `--register` and `--score`: predictions, what refuses them, and their exit codes."""

import csv
import json
from pathlib import Path

import pytest
from made_ladders import dense_runs

from scaling import cli


@pytest.fixture
def ladder(tmp_path: Path) -> Path:
    return written(tmp_path / "ladder.csv", dense_runs(noise=0.004))


def written(path: Path, rows: list[dict[str, float]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_targets_are_predicted_in_text_and_json(ladder: Path, capsys: pytest.CaptureFixture) -> None:
    arguments = ["fit", "--runs", str(ladder), "--law", "chinchilla", "--at", "C=1e21", "--at", "N=7B,D=140B"]
    assert cli.main(arguments) == cli.DONE
    said = capsys.readouterr().out
    assert "chinchilla at C = 1e21, N chosen for the lowest loss; 10-fold in C" in said
    assert "chinchilla at N = 7B, D = 140B" in said
    assert "[[Allocation]] compute-optimal tokens per parameter at C = 1e20" in said
    assert cli.main([*arguments, "--json"]) == cli.DONE
    found = json.loads(capsys.readouterr().out)["predictions"]
    assert [one["asked"] for one in found] == [True, True, False]
    assert [value["of"] for value in found[0]["values"]] == ["loss", "N", "D", "D_per_N"]
    assert found[0]["beyond"]["C"] == pytest.approx(10)


def test_a_law_without_its_column_is_reported_and_the_others_fitted(
    ladder: Path, capsys: pytest.CaptureFixture
) -> None:
    laws = ["--law", "chinchilla,kaplan,allocation", "--bootstrap", "0", "--at", "C=1e21"]
    assert cli.main(["fit", "--runs", str(ladder), *laws]) == cli.GAPS
    said = capsys.readouterr().out
    assert "[[Refused]] allocation: " in said
    assert "[[Refused]] kaplan at C=1e+21: kaplan has no term of data" in said
    assert "[[chinchilla]]" in said


@pytest.mark.parametrize("text", ["C", "C=", "=1e21", "C=much", "C=0"])
def test_a_target_that_is_not_a_number_is_refused(text: str, ladder: Path, capsys: pytest.CaptureFixture) -> None:
    assert cli.main(["fit", "--runs", str(ladder), "--law", "chinchilla", "--at", text]) == cli.USAGE
    assert "--at" in capsys.readouterr().err


def test_a_forecast_is_registered_once_and_scored(ladder: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    forecast = str(tmp_path / "forecast.json")
    register = ["fit", "--runs", str(ladder), "--law", "chinchilla", "--at", "C=1e21", "--register", forecast]
    assert cli.main(register) == cli.DONE
    assert cli.main(register) == cli.USAGE
    assert "never overwritten" in capsys.readouterr().err
    assert cli.main(["fit", "--runs", str(ladder), "--score", forecast]) == cli.GAPS
    assert "no run yet at C = 1e21" in capsys.readouterr().out
    came = written(tmp_path / "came.csv", dense_runs(noise=0.004, budgets=(1e21,), seed=7))
    assert cli.main(["fit", "--runs", str(came), "--score", forecast, "--json"]) == cli.DONE
    found = json.loads(capsys.readouterr().out)
    assert {one["of"] for one in found["outcomes"]} == {"loss", "N", "D"}
    assert 0 <= found["covered"] <= 1
