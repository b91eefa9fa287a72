"""`scaling.fit` on tables: units, conditions, checks, repeated data, several series."""

import json
import math
from pathlib import Path

import pytest

from fits import read_fits
from planners.published import published
from scaling import cli


def test_the_reuse_tables_of_2506_12119_in_one_command(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """7B strict reuse (table 14) against fresh data (table 12): excess 0.0015 to 0.0047 bits per character."""
    arguments = ["--runs", str(published("li2025").path), "--columns", "loss=bpc", "--where", "scale=7B"]
    arguments += ["--where", "table!=11", "--where", "table!=17", "--law", "quadratic", "--margin", ".002"]
    assert cli.main(["fit", *arguments, "--json"]) == cli.DONE
    [found] = json.loads(capsys.readouterr().out)["reuse"]
    assert found["scheme"] == "strict"
    assert sorted(round(pair["repeated"] - pair["fresh"], 4) for pair in found["pairs"]) == [
        0.0015, 0.0017, 0.0030, 0.0032, 0.0038, 0.0047,
    ]  # fmt: skip
    whole = next(one for one in found["equivalences"] if one["of"] == "all arms")
    assert (whole["n"], whole["verdict"]) == (6, "undecided")
    assert any("no column of seeds" in note for note in found["notes"])


def test_what_is_printed_names_the_checks_that_warn(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    chinchilla = published("chinchilla_kyotakano234")
    columns = ",".join(f"{ours}={theirs}" for ours, theirs in chinchilla.columns.items())
    arguments = ["fit", "--runs", str(chinchilla.path), "--columns", columns, "--law", "chinchilla", "--bootstrap", "0"]
    cli.main(arguments)
    assert "embedding convention: It is unknown" in capsys.readouterr().out
    cli.main([*arguments, "--embeddings", "included"])
    said = capsys.readouterr().out
    assert "1 of 5 warn" in said
    assert "by N ICC 0.26" in said  # runs of one size share noise in this table
    assert "try --block N" in said


def two_budgets(path: Path) -> Path:
    """Write two budgets of fresh runs, and strict ones whose optimum is elsewhere."""
    lines = ["N,r_a,n_experts,D,U,C,seed,loss"]
    for C, U, best in ((1e18, 0, 0.2), (1e19, 0, 0.2), (1e18, 1.6e9, 0.4)):
        for rate in (0.1, 0.15, 0.2, 0.3, 0.45, 0.7):
            for seed in (0, 1, 2):
                D = C / (6e8 * rate)
                wiggle = 1e-3 * ((7 * seed + round(100 * rate)) % 5 - 2)
                loss = 4 - 0.05 * math.log(C / 1e18) + 0.1 * math.log(rate / best) ** 2 + wiggle
                lines.append(f"1e8,{rate},8,{D},{U or D},{C},{seed},{loss}")
    path.write_text("\n".join(lines))
    return path


def test_every_series_is_named_and_the_margin_says_where_it_is_from(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    path = two_budgets(tmp_path / "runs.csv")
    assert cli.main(["fit", "--runs", str(path), "--law", "quadratic", "--json"]) == cli.DONE
    found = json.loads(capsys.readouterr().out)
    assert {fit["data"] for fit in found["fits"]} == {str(path)}
    keys = [(fit["series"]["C"], fit["series"]["reuse"]) for fit in found["fits"]]
    assert keys == [(1e18, "fresh"), (1e18, "strict"), (1e19, None)]
    assert set(found["checks"]) == {"quadratic-C1e18", "quadratic-C1e18-strict", "quadratic-C1e19"}
    assert found["fits"][0]["optimum"]["margin"] == pytest.approx(0.05 * math.log(1.05), rel=1e-6)
    assert "no margin was fixed before the runs" in found["fits"][0]["notes"][-1]
    assert found["reuse"][0]["equivalences"][0]["margin"] == pytest.approx(0.05 * math.log(1.05), rel=1e-6)


def test_another_optimum_on_repeated_data_does_not_count_as_movement_with_the_budget(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    cli.main(["fit", "--runs", str(two_budgets(tmp_path / "runs.csv")), "--law", "quadratic", "--json"])
    still = json.loads(capsys.readouterr().out)["constancy"]
    assert [cell["label"] for cell in still["cells"]] == ["C1e18", "C1e19"]
    assert still["p"] > 0.5


def test_a_table_without_rates_is_told_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    path = tmp_path / "runs.csv"
    path.write_text("N,D,loss\n1e8,2e9,3.1\n")
    assert cli.main(["fit", "--runs", str(path)]) == cli.USAGE
    assert "--law chinchilla" in capsys.readouterr().err


def test_parameters_can_be_held_and_the_objective_chosen(capsys: pytest.CaptureFixture) -> None:
    table = published("chinchilla_kyotakano234")
    columns = ",".join(f"{ours}={theirs}" for ours, theirs in table.columns.items())
    arguments = ["fit", "--runs", str(table.path), "--columns", columns, "--law", "chinchilla", "--bootstrap", "0"]
    assert cli.main([*arguments, "--delta", "inf", "--fixed", "alpha=.34", "--json"]) == cli.DONE
    [found] = json.loads(capsys.readouterr().out)["fits"]
    assert found["params"]["alpha"] == {
        "name": "alpha",
        "value": 0.34,
        "lo": None,
        "hi": None,
        "lo_error": None,
        "hi_error": None,
        "status": "fixed",
    }
    for wrong in (["--fixed", "alpha"], ["--fixed", "gamma=1"], ["--delta", "wide"]):
        assert cli.main([*arguments, *wrong]) == cli.USAGE
        assert capsys.readouterr().err.startswith("error: ")


def test_fits_of_an_earlier_call_are_replaced(tmp_path: Path) -> None:
    arguments = ["fit", "--runs", str(published("li2025").path), "--columns", "loss=bpc", "-o", str(tmp_path)]
    arguments += ["--where", "scale=7B", "--where", "table!=11"]
    cli.main([*arguments, "--law", "quadratic,cubic"])
    found = read_fits(tmp_path)
    assert found
    assert found.reuse
    assert found.comparison
    cli.main([*arguments, "--where", "table=12", "--law", "quadratic"])
    found = read_fits(tmp_path)
    assert found
    assert [fit.name for fit in found.fits] == ["quadratic"]
    assert found.reuse == found.comparison == ()
