"""MLflow: a folder `mlruns`, or the database `mlflow.db`; its CSV export is an ordinary table."""

from pathlib import Path

from fits.runs.sources.source import Run, Source
from fits.runs.sources.sqlite import START, has_tables, rows

_STATES = {"1": "RUNNING", "2": "SCHEDULED", "3": "FINISHED", "4": "FAILED", "5": "KILLED"}


def _is_log(content: bytes) -> bool:
    if content.startswith(START):
        return has_tables(content, b"latest_metrics", b"run_uuid")
    return b"\nlifecycle_stage:" in content and b"\nrun_id:" in content


def _read(path: Path, content: bytes) -> list[Run]:
    """Return the parameters and the last value of every metric of each run that was not deleted."""
    return _from_database(path) if content.startswith(START) else _from_folder(path, content)


def _from_database(path: Path) -> list[Run]:
    found = rows(path, "SELECT run_uuid, name, status FROM runs WHERE lifecycle_stage = 'active'")
    runs: dict[str, Run] = {uuid: {"run_id": uuid, "run": name, "status": state} for uuid, name, state in found}
    for kind, query in (
        ("params", "SELECT run_uuid, key, value FROM params"),
        ("metrics", "SELECT run_uuid, key, CASE WHEN is_nan THEN 'nan' ELSE value END FROM latest_metrics"),
    ):
        for uuid, key, value in rows(path, query):
            if uuid in runs:
                runs[uuid][f"{kind}.{key}"] = value
    return list(runs.values())


def _from_folder(path: Path, content: bytes) -> list[Run]:
    pairs = (line.partition(": ") for line in content.decode(errors="replace").splitlines())
    meta = {key: value.strip().strip("'\"") for key, _, value in pairs}
    if meta.get("lifecycle_stage") == "deleted":
        return []
    status = meta.get("status", "")
    run: Run = {"run_id": meta["run_id"], "run": meta.get("run_name"), "status": _STATES.get(status, status)}
    for kind in ("params", "metrics"):
        folder = path.parent / kind
        for file in sorted(each for each in folder.rglob("*") if each.is_file()):
            text = file.read_text(errors="replace").strip()
            value = text if kind == "params" else _last_value(text)
            run[f"{kind}.{file.relative_to(folder).as_posix()}"] = value
    return [run]


def _last_value(text: str) -> float | None:
    """Return the value of the highest step; a line is `timestamp value step`."""
    points = [line.split() for line in text.splitlines() if line.strip()]
    return float(max(points, key=lambda point: (int(point[2]) if len(point) > 2 else 0, int(point[0])))[1])


SOURCE = Source(what="runs of MLflow", files=("meta.yaml", "mlflow.db"), is_log=_is_log, read=_read)
