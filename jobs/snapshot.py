"""A copy of the code for the jobs of a sweep: editing the checkout during a sweep changes none of its runs.

The copy is named by the hash of its files. The job checks that hash when it starts, and every record keeps it.
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
"""All packages of this toolkit that a worker imports."""
COMMIT = "COMMIT"
"""File in a copy that holds the commit, because a copy is not a git checkout."""


@cache
def code() -> str:
    """Return the hash of the sources, as they were at the first call in this process."""
    return _hash(ROOT)


@cache
def commit() -> str | None:
    """Return the commit of the sources, with + if files were changed; None if they are not a git checkout."""
    if (ROOT / COMMIT).is_file():
        return (ROOT / COMMIT).read_text().strip() or None
    git = ["git", "-C", str(Path(__file__).parent)]
    known = [
        *git,
        "ls-files",
        "--error-unmatch",
        Path(__file__).name,
    ]  # fails in another project's checkout
    describe = [*git, "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"]
    try:
        for command in (known, describe):
            done = subprocess.run(command, capture_output=True, text=True, timeout=10)
            if done.returncode != 0:
                return None
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None


def fix() -> None:
    """Fix the hash and the commit at the start: the record, written at the end, must name the loaded code."""
    code()
    commit()


def take(folder: Path) -> Path:
    """Copy the sources into `folder`/<hash> and return that path; an intact copy from before is used again.

    A copy that came with a study of somebody else is code that Python would run, so it must hold our files only.
    Raises UsageError if the sources have changed since this process started.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        copy = Path(temporary) / "code"
        for path in _sources(ROOT):
            target = copy / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        (copy / COMMIT).write_text(commit() or "")
        # hash the copy, not the checkout: an edit while we copied must be noticed
        if (name := _hash(copy)) != code():
            raise UsageError(f"the sources in {ROOT} changed since this command was started; start it again")
        place = folder / name
        if place.exists() and not _is_same(place, copy):
            place.rename(Path(temporary) / "damaged")
        # the rename is atomic, so a job never sees half a copy
        if not place.is_dir():
            copy.rename(place)
    return place


@contextmanager
def used(place: Path) -> Iterator[None]:
    """Let Python processes that are started inside, and jobs that inherit this environment, import the copy.

    PYTHONSAFEPATH keeps Python from searching the current folder for modules: it may be the checkout. No bytecode is
    written, because nobody could check it: the copy keeps exactly the files that were copied.
    """
    before = {name: os.environ.get(name) for name in ("PYTHONPATH", "PYTHONSAFEPATH", "PYTHONDONTWRITEBYTECODE")}
    path = f"{place}{os.pathsep}{before['PYTHONPATH']}" if before["PYTHONPATH"] else str(place)
    os.environ.update(PYTHONPATH=path, PYTHONSAFEPATH="1", PYTHONDONTWRITEBYTECODE="1")
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def check(expected: str | None) -> None:
    """Raise UsageError if this job runs other code than it was submitted with, because its copy was removed."""
    if expected is not None and code() != expected:
        raise UsageError(
            f"this job was submitted with the code {expected}, but {ROOT} holds {code()}; nothing was trained:"
            " submit the remaining runs with scaling.sweep --go"
        )


def _is_same(place: Path, copy: Path) -> bool:
    """Whether a folder holds the same files as a fresh copy, and neither further files nor links."""
    found = [{path.relative_to(root) for path in root.rglob("*")} for root in (place, copy)]
    if found[0] != found[1] or any(path.is_symlink() for path in (place, *place.rglob("*"))):
        return False
    return all(
        not path.is_file() or path.read_bytes() == (place / path.relative_to(copy)).read_bytes()
        for path in copy.rglob("*")
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
