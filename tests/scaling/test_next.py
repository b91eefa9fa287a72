"""Which runs to make next, from the command line, on simulated studies."""

import json
import shlex
from pathlib import Path

import pytest

from planners import Study
from scaling import cli, next_runs

PLAN = (
    "plan --total-params 300k --budget 1e12 --top-k 0,1,2,4,8,16 --d-model 32 --n-layers 3 --d-expert 16 --seeds 0,1,2"
)


@pytest.fixture
def simulated(tmp_path: Path) -> Study:
    study = Study(tmp_path / "x")
    words = f"{PLAN} --repeat K4 --margin .01 -o {study.folder}"
    assert cli.main(shlex.split(words)) == cli.DONE
    assert cli.main(["simulate", str(study.folder), "--noise", ".01", "--repeats", "0"]) == cli.DONE
    return study


def test_the_chosen_runs_are_planned_by_the_command_that_is_printed(
    simulated: Study, capsys: pytest.CaptureFixture
) -> None:
    capsys.readouterr()
    assert cli.main(["next", str(simulated.folder), "--runs", "5", "--studies", "20"]) == cli.DONE
    shown = capsys.readouterr().out
    assert "median of 20 simulated studies" in shown
    command = shown[shown.index("next: ") :].removeprefix("next: ").split(" ", 2)[2].strip()
    assert command.startswith("scaling.plan")
    before = {run.run_id for run in simulated.runs()}
    assert cli.main(["plan", *shlex.split(command)[1:]]) == cli.DONE, capsys.readouterr().err
    after = {run.run_id for run in simulated.runs()}
    assert before < after
    assert len(after - before) <= 5
    assert cli.main(["next", str(simulated.folder), "--runs", "3", "--studies", "10"]) == cli.DONE
    assert f"{len(after - before)} planned runs have no record yet" in capsys.readouterr().out


def test_the_answer_as_json(simulated: Study, capsys: pytest.CaptureFixture) -> None:
    capsys.readouterr()
    for aim in ("lead", "reuse"):
        assert cli.main(["next", str(simulated.folder), "--for", aim, "--runs", "6", "--json"]) == cli.DONE
        found = json.loads(capsys.readouterr().out)
        (outlook,) = found["outlook"]
        assert (outlook["after"] > outlook["now"]) == (aim == "reuse")
        assert sum(len(cell["seeds"]) for cell in found["cells"]) == found["runs"] <= 6
        assert {cell["arm"] for cell in found["cells"]} <= (
            {"K4", "K4 U=strict"} if aim == "reuse" else {"dense", "K1", "K2", "K4", "K8", "K16"}
        )
        assert not set(found["cells"][0]["seeds"]) & {0, 1, 2}


def test_device_hours_limit_the_choice(simulated: Study) -> None:
    hour = next_runs(simulated, runs=1, aim="lead").cells[0].device_hours
    assert next_runs(simulated, device_hours=3.5 * hour, aim="lead").runs == 3


MISTAKES = {
    "no aim": (["--for", "fame"], "optimum, lead, reuse"),
    "two allowances": (["--runs", "3", "--device-hours", "4"], "one of the two"),
    "too little": (["--runs", "1", "--for", "reuse"], "too few"),
}


@pytest.mark.parametrize(("flags", "says"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_sentence(
    flags: list[str], says: str, simulated: Study, capsys: pytest.CaptureFixture
) -> None:
    capsys.readouterr()
    assert cli.main(["next", str(simulated.folder), *flags]) == cli.USAGE
    assert says in capsys.readouterr().err


def test_a_study_without_runs_says_how_to_train_them(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert cli.main([*shlex.split(PLAN), "-o", str(tmp_path / "x")]) == cli.DONE
    assert cli.main(["next", str(tmp_path / "x")]) == cli.USAGE
    assert "scaling.sweep" in capsys.readouterr().err
