"""Help in groups, suggestions, versions, and text that fits 80 columns."""

import importlib
import re

import pytest

from planners.records.version import VERSION
from scaling import cli, help_text

PLAN = ["plan", "--preset", "laptop", "--data", "none"]
WORDS = {
    "--params": ("plan", "--total-params"),
    "--buget": ("plan", "--budget"),
    "--gpus": ("sweep", "--gpus-per-run"),
    "--dry-run": ("sweep", "without --go"),
    "--stat": ("sweep", "--status"),
    "--csv=x": ("fit", "--runs"),
    "--seq-length": ("count", "--seq-len"),
}


@pytest.fixture(autouse=True)
def _eighty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


@pytest.mark.parametrize("verb", cli.VERBS)
def test_help_has_every_flag_once_and_fits(verb: str, capsys: pytest.CaptureFixture) -> None:
    parser = importlib.import_module(f"scaling.{verb}").arguments()
    with pytest.raises(SystemExit):
        parser.parse_args(["--help"])
    shown = capsys.readouterr().out
    flags = {name for action in parser._actions for name in action.option_strings if name.startswith("--")}
    for flag in flags:
        assert len(re.findall(rf"^  .*?(?<![\w-]){flag}(?![\w-])", shown, re.M)) >= 1, flag
    body = shown.partition("example:")[0]
    assert [line for line in body.splitlines() if len(line) > 80 and "{" not in line] == []  # choices stay whole


@pytest.mark.parametrize("verb", help_text.GROUPS)
def test_groups_name_flags_that_exist(verb: str) -> None:
    parser = importlib.import_module(f"scaling.{verb}").arguments()
    known = {
        action.option_strings[-1].lstrip("-").removeprefix("no-") for action in parser._actions if action.option_strings
    }
    listed = [name for names in help_text.GROUPS[verb].values() for name in names]
    assert set(listed) <= known
    assert len(help_text.GROUPS[verb][help_text.FIRST]) <= 10


def test_the_ten_flags_of_plan_stand_first(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit):
        cli.main(["plan", "--help"])
    first = capsys.readouterr().out.split("more runs:")[0]
    assert len(re.findall(r"^  (--|-o)", first, re.M)) == 10


@pytest.mark.parametrize(("word", "verb", "says"), [(word, *case) for word, case in WORDS.items()], ids=WORDS)
def test_a_wrong_flag_is_answered_with_the_right_one(
    word: str, verb: str, says: str, capsys: pytest.CaptureFixture
) -> None:
    target = [] if verb == "plan" else ["x"]
    assert cli.main([verb, *target, word]) == cli.USAGE
    assert says in capsys.readouterr().err


def test_a_wrong_verb_and_the_version(capsys: pytest.CaptureFixture) -> None:
    assert cli.main(["reprot"]) == cli.USAGE
    assert "did you mean report" in capsys.readouterr().err
    assert cli.main(["--version"]) == cli.DONE
    with pytest.raises(SystemExit):
        cli.main(["fit", "--version"])
    assert capsys.readouterr().out == f"scaling {VERSION}\n" * 2


@pytest.mark.parametrize("columns", [60, 80, 132])
def test_a_plan_fits_the_terminal(columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    assert cli.main([*PLAN, "--budget", "1e12,2e12"]) == cli.DONE
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if len(line) > columns] == []
    assert sum("x3 seeds" in line for line in lines) == 18


def test_wide_shows_every_run_and_column(capsys: pytest.CaptureFixture) -> None:
    assert cli.main([*PLAN, "--wide"]) == cli.DONE
    shown = capsys.readouterr().out
    assert "d_expert" in shown
    assert len(re.findall(r"^[0-9a-f]{12}  ", shown, re.M)) == 27


def test_refusals_come_first(capfd: pytest.CaptureFixture) -> None:
    """On a terminal, where both streams go to one place."""
    import os
    import subprocess
    import sys

    command = [
        sys.executable,
        "-m",
        "scaling.plan",
        "--budget",
        "1e18",
        "--total-params",
        "100M",
        "--activation",
        "1,.3,.01",
    ]
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "80"},
    )
    assert done.returncode == cli.GAPS
    assert done.stdout.startswith("refused: r_a 0.01")


def test_tables_and_commands_are_not_broken() -> None:
    table, command = "arm" + " " * 90 + "N", f"next: python -m scaling.plan {'x ' * 60}"
    assert help_text.wrapped(f"{table}\n{command}") == f"{table}\n{command}"
    broken = help_text.wrapped("word " * 40)
    assert max(map(len, broken.splitlines())) <= 80
    assert broken.split() == ["word"] * 40
