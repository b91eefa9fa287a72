"""Logs of runs: the traceback of a run, and its section of its worker's log."""

from collections import deque
from pathlib import Path

from jobs.run.attempts import read_attempts
from planners.study import Study

LOG_MARK = "--- run "
"""Start of the line that a worker writes to its log before each run."""


def run_log(study: Study, run_id: str, lines: int = 30) -> list[str]:
    """Return the last lines of a run's `error.txt`, then those of its last attempt in its worker's log.

    A worker trains several runs; a marked line starts the section of each.
    """
    folder = study.run_folder(run_id)
    error = _tail(folder / "error.txt", lines)
    past = read_attempts(folder)
    if not past or past[-1].log is None:
        return error
    log = Path(past[-1].log)
    section = _section(log, run_id, lines) or ["nothing was written" if log.is_file() else "the log is gone"]
    return [*error, f"{log}:", *section]


def newest_log(study: Study, lines: int = 15) -> list[str]:
    """Return the end of the newest non-empty error log in the cluster folder, or nothing if all are empty."""
    logs = [path for path in study.cluster.glob("*/*_log.err") if path.stat().st_size]
    if not logs:
        return []
    newest = max(logs, key=lambda path: path.stat().st_mtime)
    return [f"{newest}:", *_tail(newest, lines)]


def _tail(path: Path, lines: int) -> list[str]:
    try:
        with open(path, errors="replace") as file:
            return [line.rstrip("\n") for line in deque(file, lines)]
    except OSError:
        return []


def _section(path: Path, run_id: str, lines: int) -> list[str]:
    """Return the last lines between the last mark of a run and the next mark."""
    kept: deque[str] = deque(maxlen=lines)
    inside = False
    try:
        with open(path, errors="replace") as file:
            for line in file:
                if line.startswith(LOG_MARK):
                    inside = line.strip() == LOG_MARK + run_id
                    if inside:
                        kept.clear()
                elif inside:
                    kept.append(line.rstrip("\n"))
    except OSError:
        return []
    return list(kept)
