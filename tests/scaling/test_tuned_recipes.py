"""Learning rates from a tuning study."""

import json
import math
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from made_runs import record_of

from jobs.record import write_record
from planners import Study
from scaling import cli
from scaling.tuned_recipes import read_tuned

SIZE = "--total-params 300k --top-k 0,1,4 --d-model 32 --n-layers 3 --d-expert 16"
BEST = {"dense": 0.5, "K1": 0.0, "K4": -0.3}
"""ln of the best learning rate over the rule's."""


@pytest.fixture
def tuning(tmp_path: Path) -> Study:
    """A study that tuned three arms with two seeds; the loss is a parabola in ln lr with little noise."""
    study = Study(tmp_path / "tuning")
    words = f"plan {SIZE} --budget 1e12 --tune --tune-at 1e12 --tune-seeds 5,6 --seeds 0 -o {study.folder}"
    assert cli.main(shlex.split(words)) == cli.DONE
    rules = {run.shape: run.training for run in study.runs() if run.role == "matched"}
    for at, run in enumerate(study.runs()):
        rule = rules[run.shape]
        away = math.log(run.training.lr / rule.lr) - next(BEST[arm] for arm in BEST if run.arm.split()[0] == arm)
        batch = abs(math.log(run.training.batch_tokens / rule.batch_tokens))
        record = record_of(run)
        write_record(study, replace(record, loss=2.0 + 0.1 * away**2 + 0.05 * batch + 1e-4 * math.sin(7 * at)))
    return study


def test_tuning_runs_have_their_own_budget_and_seeds(tuning: Study) -> None:
    runs = tuning.runs()
    assert {run.training.seed for run in runs if run.role == "tuning"} == {5, 6}
    assert {run.training.seed for run in runs if run.role == "matched"} == {0, 5, 6}
    assert len(runs) == 3 * (6 * 2 + 3)


def test_each_arm_gets_its_best_with_an_interval_and_a_warning_at_an_edge(tuning: Study) -> None:
    found = {one.arm: one for one in read_tuned(tuning)}
    rules = {run.arm: run.training for run in tuning.runs() if run.role == "matched"}
    for arm, one in found.items():
        truth = rules[arm].lr * math.exp(BEST[arm])
        assert one.tried == 7
        assert one.interval is not None
        assert one.interval[0] < truth < one.interval[1]
        assert one.lr == pytest.approx(rules[arm].lr * (2 if arm == "dense" else 1))
    assert found["dense"].edges == ("learning rate",)
    assert found["K4"].edges == ()


def test_a_plan_takes_the_tuned_rates(tuning: Study, capsys: pytest.CaptureFixture) -> None:
    capsys.readouterr()
    words = f"plan {SIZE.replace('1,4', '1,4,8')} --budget 1e12,2e12 --recipe from:{tuning.folder} --json"
    assert cli.main(shlex.split(words)) == cli.DONE
    found = json.loads(capsys.readouterr().out)
    tuned = {one.arm: one.lr for one in read_tuned(tuning)}
    for run in found["runs"]:
        if run["arm"] in tuned:
            assert run["lr"] == tuned[run["arm"]]
            assert run["recipe"] == "small-scale, lr and batch given"
        else:
            assert (run["arm"], run["recipe"]) == ("K8", "small-scale")
    notes = " ".join(found["notes"])
    assert "best learning rate is at an end" in notes
    assert "Not tuned, so by the rule: K8" in notes
    assert "C = 2e12, where they were not tried" in notes


MISTAKES = {
    "no such study": ("--recipe from:nowhere", "no study"),
    "no tuning": ("--tune-at 1e12", "give --tune too"),
    "another budget": ("--tune --tune-at 3e12", "not a budget"),
    "no such rule": ("--recipe form:x", "step-law"),
}


@pytest.mark.parametrize(("flags", "says"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_sentence(flags: str, says: str, capsys: pytest.CaptureFixture) -> None:
    assert cli.main(shlex.split(f"plan {SIZE} --budget 1e12 {flags}")) == cli.USAGE
    assert says in capsys.readouterr().err
