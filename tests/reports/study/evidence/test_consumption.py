"""Device-hours of a run, and speeds of runs with equal steps."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from report_checks import evidence_of, verdicts

from jobs.execution import Execution
from jobs.record import RunRecord
from planners import RunSpec, Study, preset
from reports.study.evidence import read_evidence
from reports.study.evidence.consumption import hours

Make = Callable[..., Study]


def test_hours_are_of_what_a_run_has_of_its_devices(smoke: Study) -> None:
    record = read_evidence(smoke).arms[0].done[0]
    alone = hours(replace(record, wall_s=3600.0, execution=None))
    assert alone == record.spec.training.threads
    for execution, wanted in ((Execution(), 1), (Execution(devices=4), 4), (Execution(runs_per_device=4), 0.25)):
        assert hours(replace(record, wall_s=3600.0, execution=execution)) == wanted * alone


@pytest.mark.parametrize(("device", "verdict"), [("one", "warn"), ("two", "ok")])
def test_a_budget_trained_in_a_slow_hour_is_said_and_another_device_is_none(
    make: Make, tmp_path: Path, device: str, verdict: str
) -> None:
    """Seeds of one budget agree; budgets with the same batch do not."""
    asked = replace(preset("smoke"), budgets=(1e11, 2e11), seeds=(0, 1), batch_tokens=512)

    def timed(spec: RunSpec, made: RunRecord) -> RunRecord:
        late = spec.budget > 1.5e11
        environment = replace(made.environment, device=device if late else "one")
        return replace(made, tokens_per_s=1000.0 if late else 1400.0, environment=environment)

    study = make(tmp_path / "slow", asked, lambda spec: 3.0, change=timed, fit=False)
    assert verdicts(study)["timings"] == verdict
    assert ("a factor of up to 1.4" in evidence_of(study, "timings")) == (verdict == "warn")
