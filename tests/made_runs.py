"""Records, attempts, child runs and submissions that are made up, without any training."""

import json
from collections.abc import Iterable
from dataclasses import replace

import pytest

from jobs.machine import boot_id, host, utc_now
from jobs.record import Environment, RunRecord, write_record
from jobs.run import worker
from jobs.run.attempts import path_of
from jobs.sweep.ledger import Submission, new_id
from planners import RunSpec, Study
from planners.records.files import write_json, write_jsonl
from planners.records.json import to_json


def record_of(spec: RunSpec, state: str = "done", **fields: object) -> RunRecord:
    where = Environment(version="", commit=None, python="", torch="", device="", host="", started="", ended="")
    outcome = {"loss": 2.0, "bpb": 3.0} if state == "done" else {"error": "it broke", "failure": "exception"}
    fields = {"D_seen": spec.training.D, "wall_s": 1.0, "environment": where, **outcome, **fields}
    return RunRecord(spec=spec, state=state, **fields)  # type: ignore[arg-type]


def replan(study: Study, runs: Iterable[RunSpec]) -> None:
    """Give a study another plan."""
    write_jsonl(study.plan_path, (run.to_line() for run in runs))
    write_json(study.question_path, to_json(replace(study.asked(), plan=None)))
    study.seal()


def begun(study: Study, spec: RunSpec, times: int = 1, job: str | None = None, *, failed: bool = False) -> None:
    """Write the attempts of a run that were killed, or that failed."""
    folder = study.run_folder(spec.run_id)
    folder.mkdir(parents=True, exist_ok=True)
    lines = [{"event": "started", "D": 0, "job": job}]
    if failed:
        lines.append({"event": "ended", "failure": "exception", "wall_s": 1.0})
    path_of(folder).write_text(times * "".join(json.dumps(line) + "\n" for line in lines))


def child_of(parent: RunSpec, like: RunSpec, seed: int = 7) -> RunSpec:
    names = ("study", "arm", "shape", "router", "data", "recipe", "flops_convention", "target")
    given = {name: getattr(like, name) for name in names}
    return RunSpec.build(**given, training=replace(like.training, init_from=parent.run_id, seed=seed))


def end_runs_with(monkeypatch: pytest.MonkeyPatch, outcomes: list[Exception | str]) -> None:
    """Let workers end runs as `outcomes` say, in this order: an error, `done`, or the failure class of a record."""

    def train_and_record(study: Study, spec: RunSpec, **_: object) -> RunRecord:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        record = record_of(spec) if outcome == "done" else record_of(spec, "failed", failure=outcome)
        write_record(study, record)
        return record

    monkeypatch.setattr(worker, "train_and_record", train_and_record)


def local_submission(study: Study, /, n_runs: int | None = None, **where: object) -> Submission:
    """Return a submission of the first runs (default: all) to this machine, without a living process."""
    packs = (tuple(spec.run_id for spec in study.runs()[:n_runs]),)
    where = {"host": host(), "boot": boot_id(), "pid": 2**22 + 1, "executor": "local", **where}
    return Submission(id=new_id(), time=utc_now(), packs=packs, predicted_s=(1.0,), **where)  # type: ignore[arg-type]
