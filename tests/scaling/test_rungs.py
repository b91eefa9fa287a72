"""The rung that a machine gets: by its speed, the same on a second call, and never by chance of the folder."""

from dataclasses import replace
from pathlib import Path

import pytest

from planners import Study, make_plan, preset
from planners.presets.laptop import LADDER, REFERENCE_SPEED, RUNG_S
from scaling import rungs, study


def on_a_machine(monkeypatch: pytest.MonkeyPatch, workers: int, speed: float) -> None:
    monkeypatch.setattr(rungs, "places", lambda threads: workers)
    monkeypatch.setattr(rungs, "measured_speed", lambda spec, count: speed)


@pytest.mark.parametrize(
    ("workers", "share", "rung"), [(2, 1.0, 1e12), (1, 1.0, 5e11), (4, 1.0, 2e12), (2, 0.4, 5e11), (64, 1.0, 2e12)]
)
def test_the_rung_suits_the_machine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, workers: int, share: float, rung: float
) -> None:
    on_a_machine(monkeypatch, workers, share * REFERENCE_SPEED)
    asked, why = rungs.on_a_rung(preset("laptop"), Study(tmp_path / "x"))
    assert asked.budgets == (rung,)
    assert f"{workers} worker" in why
    assert "--budget" in why


def test_a_study_stays_on_its_rung_whatever_the_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = replace(preset("laptop"), budgets=(LADDER[2],), data=None)
    Study(tmp_path).write(make_plan(asked))
    monkeypatch.setattr(rungs, "measured_speed", lambda spec, count: pytest.fail("the speed was measured again"))
    again, why = rungs.on_a_rung(replace(preset("laptop"), data=None), Study(tmp_path))
    assert (again.budgets, why) == ((LADDER[2],), "")
    assert Study(tmp_path).holds(again)


def test_rungs_cost_what_their_compute_does_and_are_one_preset() -> None:
    assert tuple(RUNG_S) == LADDER
    assert [RUNG_S[C] for C in LADDER] == sorted(RUNG_S.values())
    ids = [{run.run_id for run in make_plan(replace(preset("laptop"), budgets=(C,), data=None)).runs} for C in LADDER]
    assert len(set.union(*ids)) == sum(map(len, ids)) == 3 * 27


def test_a_budget_that_is_given_is_no_rung_of_the_machine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(rungs, "measured_speed", lambda spec, count: pytest.fail("the speed was measured"))
    assert study.main(["laptop", "--budget", "x", "-o", str(tmp_path / "s")]) == 2
    assert "--budget" in capsys.readouterr().err
