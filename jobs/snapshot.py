"""The code that jobs run: copied when they are submitted, so that an edit during a sweep changes none of its runs.

A copy is named by the hash of its files, which the job checks when it starts and its runs' records keep.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from planners.records.errors import UsageError

ROOT = Path(__file__).parent.parent
PACKAGES = ("jobs", "planners")
"""All of ours that a worker imports."""
COMMIT = "COMMIT"
"""File of a copy that keeps the commit, which git cannot tell there."""


@cache
def code() -> str:
    """Return the hash of the sources of this process, as they were when it was first asked for."""
    return _hash(ROOT)


@cache
def commit() -> str | None:
    """Return the commit of our sources, with + where files were changed; None where they are no checkout."""
    if (ROOT / COMMIT).is_file():
        return (ROOT / COMMIT).read_text().strip() or None
    git = ["git", "-C", str(Path(__file__).parent)]
    known = [*git, "ls-files", "--error-unmatch", Path(__file__).name]  # not the checkout of somebody's .venv
    describe = [*git, "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"]
    try:
        for command in (known, describe):
            done = subprocess.run(command, capture_output=True, text=True, timeout=10)
            if done.returncode != 0:
                return None
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None


def remember() -> None:
    """Look at the sources now: a record is written at the end of a run, and tells of the code that was loaded."""
    code()
    commit()


def take(folder: Path) -> Path:
    """Copy the sources into `folder`/<hash> and return that; a whole copy that is there already is used again.

    Raises UsageError where they are no longer those of this process.
    """
    with tempfile.TemporaryDirectory(dir=_made(folder)) as temporary:
        copy = Path(temporary) / "code"
        for path in _sources(ROOT):
            target = copy / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        (copy / COMMIT).write_text(commit() or "")
        if (name := _hash(copy)) != code():
            raise UsageError(f"the sources in {ROOT} were edited since this command was started; start it again")
        place = folder / name
        if place.is_dir() and _hash(place) != name:
            place.rename(Path(temporary) / "damaged")
        if not place.is_dir():
            copy.rename(place)
    return place


@contextmanager
def used(place: Path) -> Iterator[None]:
    """Let the Python processes that are started meanwhile, and jobs that get this environment, run the copy.

    The folder that they start in is not searched for modules: it may be our checkout.
    """
    before = {name: os.environ.get(name) for name in ("PYTHONPATH", "PYTHONSAFEPATH")}
    path = f"{place}{os.pathsep}{before['PYTHONPATH']}" if before["PYTHONPATH"] else str(place)
    os.environ.update(PYTHONPATH=path, PYTHONSAFEPATH="1")
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def check(expected: str | None) -> None:
    """Raise UsageError where a job finds other code than it was submitted with, because its copy was removed."""
    if expected is not None and code() != expected:
        raise UsageError(
            f"this job was submitted with the code {expected}, and {ROOT} holds {code()}; nothing was trained:"
            " submit what is left with scaling.sweep"
        )


def _sources(root: Path) -> list[Path]:
    found = [path for package in PACKAGES for path in (root / package).rglob("*") if path.is_file()]
    return sorted(path for path in found if "__pycache__" not in path.parts)


def _hash(root: Path) -> str:
    digest = hashlib.sha256()
    for path in _sources(root):
        digest.update(f"{path.relative_to(root).as_posix()}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
