"""The state of a run, under any usual name of the column and any usual word."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from fits.runs.columns.cells import is_missing

DONE = frozenset({"done", "finished", "finish", "success", "succeeded", "successful", "completed", "complete", "ok"})
"""Words for a run that ended as planned."""
NOT_DONE = frozenset({"crashed", "crash", "failed", "failure", "fail", "error", "killed", "aborted", "interrupted"})
NOT_DONE |= {"running", "pending", "queued", "starting", "submitted", "scheduled", "unfinished", "suspended", "stopped"}
NOT_DONE |= {"preempted", "preempting", "cancelled", "canceled", "timeout", "timed_out", "deadline", "requeued"}
NOT_DONE |= {"diverged", "nan", "oom", "out_of_memory", "node_fail", "boot_fail", "early_stopped"}
"""Words for a run that did not."""
_COLUMN = re.compile(r"(.*[._/ ])?(run|job|training|slurm|wandb|final)?[ _]?(state|status)", re.IGNORECASE)


def state_column(runs: Iterable[Mapping[str, Any]], names: Iterable[str]) -> str | None:
    """Return the column that holds the state: `state`, or one called State, Status, run_state, … with known words."""
    names, runs = list(names), list(runs)
    if "state" in names:
        return "state"
    for name in filter(_COLUMN.fullmatch, names):
        words = {_word(run.get(name)) for run in runs if not is_missing(run.get(name))}
        if words and words <= DONE | NOT_DONE and all(isinstance(run.get(name), str | None) for run in runs):
            return name
    return None


def is_done(state: Any) -> bool:
    """Return whether `state` says that the run ended as planned; a missing state counts as such."""
    return is_missing(state) or _word(state) in DONE


def _word(state: Any) -> str:
    return re.sub(r"[\s_-]+", "_", str(state).strip().lower()).partition("_by_")[0]  # Slurm: CANCELLED by 1000
