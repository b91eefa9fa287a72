"""What a report says to do next, and that its commands run."""

import shlex
from pathlib import Path

import pytest

from planners import Study
from reports.study.evidence import read_evidence
from reports.study.next_steps import steps
from scaling import cli

BACKBONE = "--d-model 32 --n-layers 3 --d-expert 16 --total-params 300k --budget 1e12"
DESIGNS = {
    "one budget": ("--top-k 0,1,2,4,8,16 --seeds 0,1,2", "best=.2", 2),
    "an edge": ("--top-k 0,1,2,4,8,16 --seeds 0,1,2", "best=.05", 1),
    "few rates": ("--top-k 0,2,8,32 --seeds 0,1", "best=.2", 1),
    "few rates by rate": ("--activation 1,.15,.3,.5 --seeds 4,5", "best=.2", 1),
    "dense alone": ("--top-k 0 --seeds 0,1", "", 1),
}


@pytest.mark.parametrize(("design", "truth", "count"), DESIGNS.values(), ids=DESIGNS)
def test_every_page_ends_in_a_command_that_runs(
    design: str, truth: str, count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    study = Study("x")
    assert cli.main(shlex.split(f"plan {BACKBONE} {design} -o x")) in (cli.DONE, cli.GAPS)
    if truth:
        assert cli.main(shlex.split(f"simulate x --noise .003 --repeats 0 --params {truth}")) == cli.DONE
    else:
        from made_runs import record_of

        from jobs.record import write_record

        for spec in study.runs():
            write_record(study, record_of(spec))
    if truth:
        assert cli.main(["fit", "x"]) in (cli.DONE, cli.GAPS)
    found = [step for step in steps(read_evidence(study)) if "scaling.fit" not in (step.command or "")]
    assert len(found) == count
    before = {run.run_id for run in study.runs()}
    for step in found:
        assert step.command is not None
        if "scaling.next" in step.command:
            continue  # tests/scaling/test_next.py
        words = shlex.split(step.command)
        assert words[:3] == ["python", "-m", "scaling.plan"]
        assert cli.main(["plan", *words[3:]]) in (cli.DONE, cli.GAPS)
        if words[-1] == "x":
            assert before < {run.run_id for run in study.runs()}
