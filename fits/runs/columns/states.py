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
_FLAG = re.compile(
    r"(.*[._/ ])?(is[_ ]?|run[_ ]?)?(?P<what>finished|completed?|done|diverged|crashed|failed|oom)", re.IGNORECASE
)
_YES, _NO = {"true", "yes"}, {"false", "no"}
_COLUMN = re.compile(r"(.*[._/ ])?(run|job|training|slurm|wandb|final)?[ _]?(state|status)", re.IGNORECASE)


def state_column(runs: Iterable[Mapping[str, Any]], names: Iterable[str]) -> str | None:
    """Return the column that holds the state: `state`, or one called State, Status, run_state, … with known words.

    Without such a name it is a column of which all words are known, some for runs that ended and some for others, or
    one that is called finished, diverged, … and says yes or no.
    """
    names, runs = list(names), list(runs)
    if "state" in names:
        return "state"
    words = {name: _words(runs, name) for name in names}
    known = [name for name, said in words.items() if said and said <= DONE | NOT_DONE]
    both = [name for name in known if words[name] & DONE and words[name] & NOT_DONE]
    flags = [name for name in names if _FLAG.fullmatch(name) and words[name] and words[name] <= _YES | _NO]
    return next((name for name in (*filter(_COLUMN.fullmatch, known), *both, *flags)), None)


def _words(runs: Iterable[Mapping[str, Any]], name: str) -> set[str]:
    """Return the words of a column; an empty set if its first cell does not say a state, as in most columns."""
    cells = [run.get(name) for run in runs if not is_missing(run.get(name))]
    if not cells or _word(cells[0]) not in DONE | NOT_DONE | _YES | _NO:
        return set()
    return set(map(_word, cells))


def is_done(state: Any, column: str = "state") -> bool:
    """Return whether `state` says that the run ended as planned; a missing state counts as such."""
    if is_missing(state):
        return True
    flag = _FLAG.fullmatch(column)
    if flag and _word(state) in _YES | _NO:
        return (_word(state) in _YES) == (_word(flag["what"]) in DONE)
    return _word(state) in DONE


def _word(state: Any) -> str:
    return re.sub(r"[\s_-]+", "_", str(state).strip().lower()).partition("_by_")[0]  # Slurm: CANCELLED by 1000
