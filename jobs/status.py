"""Where each run of a study stands, read from its files alone."""

from dataclasses import dataclass

from jobs.record import RunRecord, read_record
from jobs.worker import is_running
from planners.files import last_row
from planners.spec import RunSpec
from planners.study import Study


@dataclass(frozen=True, kw_only=True)
class RunStatus:
    """One run, now."""

    spec: RunSpec
    """What was asked for."""
    state: str
    """done, diverged, failed, running or waiting."""
    record: RunRecord | None
    """Its record, once it ended."""
    D_seen: int
    """Tokens consumed so far."""
    loss: float | None
    """Validation loss of a run that is done, else the last training loss; nats per token."""
    tokens_per_s: float | None
    """Speed so far."""

    @property
    def C_seen(self) -> float:
        """Training FLOPs spent so far; a run that ended counts whole."""
        return self.spec.C * (1.0 if self.record else self.D_seen / self.spec.training.D)


def status(study: Study) -> list[RunStatus]:
    """Return the status of every planned run, in the order of the plan."""
    return [run_status(study, spec) for spec in study.runs()]


def run_status(study: Study, spec: RunSpec) -> RunStatus:
    """Return the status of one run."""
    record = read_record(study, spec)
    if record is not None:
        return RunStatus(
            spec=spec,
            state=record.state,
            record=record,
            D_seen=record.D_seen,
            loss=record.loss,
            tokens_per_s=record.tokens_per_s,
        )
    folder = study.run_folder(spec.run_id)
    line = last_row(folder / "metrics.jsonl")
    return RunStatus(
        spec=spec,
        state="running" if is_running(folder) else "waiting",
        record=None,
        D_seen=line.get("D", 0),
        loss=line.get("loss"),
        tokens_per_s=line.get("tokens_per_s"),
    )
