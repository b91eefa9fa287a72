"""Code snapshots: a job runs the code it was submitted with, whatever happens to the checkout meanwhile."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from jobs import snapshot
from jobs.record import read_record
from jobs.run.worker import Worker
from planners import Study, UsageError


def shown(*command: str, cwd: Path) -> list[str]:
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


CODE = "import jobs.snapshot as s; print(s.__file__, s.code(), s.commit())"


def test_an_edit_after_the_submission_does_not_reach_the_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkout = tmp_path / "checkout"
    for package in snapshot.PACKAGES:
        shutil.copytree(snapshot.ROOT / package, checkout / package, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(snapshot, "ROOT", checkout)
    monkeypatch.setattr(snapshot, "code", lambda: snapshot._hash(snapshot.ROOT))
    place = snapshot.take(tmp_path / "code")
    assert snapshot.take(tmp_path / "code") == place
    (checkout / "planners" / "records" / "errors.py").write_text("raise SystemExit('edited')\n")
    (checkout / "jobs" / "new.py").touch()
    with snapshot.used(place):
        file, code, commit = shown("-c", CODE, cwd=checkout)  # the current folder is not searched
        assert shown("-m", "jobs.snapshot", cwd=checkout) == []
    assert Path(file).is_relative_to(place)
    assert code == place.name
    assert commit == str(snapshot.commit())
    monkeypatch.setattr(snapshot, "code", lambda: code)
    with pytest.raises(UsageError, match="changed since this command was started"):
        snapshot.take(tmp_path / "code")
    assert [path.name for path in (tmp_path / "code").iterdir()] == [code]


def test_a_damaged_copy_is_replaced(tmp_path: Path) -> None:
    place = snapshot.take(tmp_path)
    (place / "jobs" / "run" / "worker.py").write_text("")
    assert snapshot.take(tmp_path) == place
    assert (place / "jobs" / "run" / "worker.py").read_bytes() == (
        snapshot.ROOT / "jobs" / "run" / "worker.py"
    ).read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == [place.name]


@pytest.mark.parametrize("extra", ["sitecustomize.py", "jobs/run/__pycache__/worker.cpython-311.pyc", "jobs/extra.so"])
def test_a_copy_with_further_files_is_replaced(tmp_path: Path, extra: str) -> None:
    place = snapshot.take(tmp_path)
    (place / extra).parent.mkdir(exist_ok=True)
    (place / extra).write_text("raise SystemExit('code of somebody else')\n")
    assert not (snapshot.take(tmp_path) / extra).exists()


def test_a_copy_that_is_a_link_is_replaced(tmp_path: Path) -> None:
    place = snapshot.take(tmp_path / "code")
    place.rename(tmp_path / "elsewhere")
    place.symlink_to(tmp_path / "elsewhere")
    assert not snapshot.take(tmp_path / "code").is_symlink()


def test_the_environment_is_restored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    with snapshot.used(tmp_path):
        assert os.environ["PYTHONPATH"] == f"{tmp_path}{os.pathsep}elsewhere"
        assert os.environ["PYTHONSAFEPATH"] == "1"
    assert os.environ["PYTHONPATH"] == "elsewhere"
    assert "PYTHONSAFEPATH" not in os.environ


def test_a_job_with_other_code_trains_nothing(tiny_study: Study) -> None:
    specs = tiny_study.runs()
    with pytest.raises(UsageError, match=r"submitted with the code 0123.*nothing was trained"):
        Worker(str(tiny_study.folder), code="0123")([spec.run_id for spec in specs])
    assert not tiny_study.run_folder(specs[0].run_id).exists()
    Worker(str(tiny_study.folder), code=snapshot.code())([specs[0].run_id])
    record = read_record(tiny_study, specs[0])
    assert record is not None
    assert record.environment.code == snapshot.code()
    assert record.environment.commit == snapshot.commit()
    assert record.environment.torch
    assert record.environment.device
    assert record.environment.host
