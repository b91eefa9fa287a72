"""make soak: damaged files end a command with a result or one sentence; a failed or killed write loses nothing."""

import errno
import json
import os
import random
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from attacks import Outcome, Totals, command, count_of, files_below
from made_runs import record_of

from jobs.run.attempts import path_of
from jobs.sweep.ledger import Job, Ledger, Submission
from planners import Question, Study, make_plan
from scaling import cli

pytestmark = pytest.mark.soak
ODD: list[Any] = [None, True, 0, -1, 1.5, 1e308, 10**25, "", "x", "9" * 400, "\x1b[31m", "\ud800", [], [1], {}]
LINKS = ["/dev/null", "/dev/full", "/nowhere", "/etc/passwd"]
TEXTS = ["NaN", "1e400", "-Infinity", "9" * 5000, "[" * 5000, "{" * 3000, '"\\ud800"', "\x00", "\\", '{"a": ', "nul"]
CONFIG = {"model_type": "llama", "hidden_size": 64, "intermediate_size": 172, "num_hidden_layers": 2, "vocab_size": 256}
CONFIG |= {"num_attention_heads": 4, "num_key_value_heads": 2, "tie_word_embeddings": True}
READERS = [["sweep", "s", "--status"], ["sweep", "s"], ["fit", "s", "--bootstrap", "0"], ["next", "s"]]
CHANGED = ("fits/", "runs.csv", "report/", "sweep.lock")
"""Files of a study that reading commands may write."""


@pytest.fixture
def whole(tmp_path: Path, tiny_question: Question, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder `s` with every file that a study can have, a configuration of a model, and a cluster.toml."""
    from jobs.record import write_record

    study = Study(tmp_path / "whole" / "s")
    study.folder.parent.mkdir()
    study.write(make_plan(tiny_question))
    specs = study.runs()
    for number, spec in enumerate(specs):
        write_record(study, record_of(spec, loss=2.0 + number / 10))
        folder = study.run_folder(spec.run_id)
        (folder / "metrics.jsonl").write_text("".join(f'{{"step": {n}, "D": {64 * n}, "loss": 3.5}}\n' for n in (1, 2)))
        path_of(folder).write_text('{"event": "started", "D": 0}\n{"event": "ended", "failure": null, "wall_s": 1.0}\n')
        (folder / "lock").write_text('{"host": "x", "pid": 1}\n')
    packs = (tuple(spec.run_id for spec in specs),)
    one = Submission(
        id="a", time="2026-01-01T00:00:00Z", host="x", pid=1, executor="local", packs=packs, predicted_s=(1.0,)
    )
    ledger = Ledger(study)
    ledger.submitting(one)
    ledger.submitted("a", [Job(id="7", pack=0)])
    ledger.ended("a", "it is over", {}, {})
    (study.folder / "sweep.lock").write_text(" " * 256)
    (study.folder.parent / "config.json").write_text(json.dumps(CONFIG))
    (study.folder.parent / "cluster.toml").write_text('cluster = "local"\nparallel = 2\n[short]\ntimeout_min = 5\n')
    monkeypatch.setenv("SCALING_CLUSTER", "cluster.toml")
    monkeypatch.chdir(study.folder.parent)
    assert command("fit", "s", "--bootstrap", "0").code == cli.DONE
    return study.folder.parent


def damaged(content: bytes, draw: random.Random) -> bytes:
    """Return the content of a file with one thing changed: a JSON value, bytes, lines, or its end."""
    lines = content.splitlines(keepends=True) or [b"\n"]
    at = draw.randrange(len(lines))
    match draw.randrange(8):
        case 0:
            return content[: draw.randrange(len(content) + 1)]
        case 1:
            return b"".join(lines[:at] + lines[at + 1 :])
        case 2:
            return b"".join([*lines[: at + 1], *lines[at:]])
        case 3:
            return b"".join([*lines[:at], draw.choice(TEXTS).encode(errors="surrogatepass") + b"\n", *lines[at:]])
        case 4:
            spot = draw.randrange(len(content) + 1)
            return content[:spot] + draw.randbytes(draw.choice([1, 3, 40])) + content[spot + draw.choice([0, 1, 3]) :]
        case 5:
            spot = draw.randrange(len(content) + 1)
            return content[:spot] + draw.choice(TEXTS).encode(errors="surrogatepass") + content[spot + 1 :]
        case _:
            return with_odd_value(content, at, draw)


def with_odd_value(content: bytes, at: int, draw: random.Random) -> bytes:
    """Return JSON, or one line of JSONL, with an odd value in a random place or an odd key."""
    try:
        whole, lines = json.loads(content), None
    except ValueError:
        lines = content.splitlines()
        try:
            whole = json.loads(lines[at])
        except (ValueError, IndexError):
            return content
    node, parent, key = whole, None, None
    while isinstance(node, dict | list) and node and (parent is None or draw.random() < 0.8):
        parent, key = node, draw.choice(list(node) if isinstance(node, dict) else range(len(node)))
        node = node[key]
    if parent is None:
        whole = draw.choice(ODD)
    elif isinstance(parent, dict) and draw.random() < 0.2:
        parent[draw.choice(["odd", "", "\x1b", "N"])] = parent.pop(key)
    else:
        parent[key] = draw.choice(ODD)
    text = json.dumps(whole).encode()
    return text if lines is None else b"\n".join([*lines[:at], text, *lines[at + 1 :]]) + b"\n"


def commands_for(name: str, draw: random.Random) -> list[str]:
    """Return a command that reads the file."""
    if name == "config.json":
        return ["count", name]
    if name.endswith("runs.csv") and draw.random() < 0.5:
        return ["fit", "--runs", name, "--bootstrap", "0"]
    return ["report", "s"] if draw.random() < 0.02 else draw.choice(READERS)


def test_damaged_files(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    totals, draw = Totals("damaged files"), random.Random(0)
    pristine = files_below(whole)
    place = tmp_path / "damaged"
    for _ in range(count_of(5600)):
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(whole, place)
        monkeypatch.chdir(place)
        name = draw.choice([one for one in pristine if "fits/" not in one or one.endswith("fits.json")])
        kind = draw.random()
        if kind < 0.04:
            (place / name).unlink()
            (place / name).symlink_to(draw.choice([*LINKS, name]))
        elif kind < 0.06:
            (place / name).unlink()
            (place / name).mkdir()
        elif kind < 0.08:
            (place / name).unlink()
        else:
            (place / name).write_bytes(damaged(pristine[name], draw))
        words = commands_for(name, draw)
        before = files_below(place) if kind >= 0.06 else None
        fault = command(*words).fault
        if before is not None:
            fault = fault or changed_inputs(before, files_below(place))
        totals.add(Path(name).name, fault, (name, words))
    totals.close()


def changed_inputs(before: dict[str, bytes], after: dict[str, bytes]) -> str | None:
    """Return which file that a reading command must not write has changed."""
    other = [name for name in before if after.get(name) != before[name]]
    return next((f"{name} changed" for name in other if not name.removeprefix("s/").startswith(CHANGED)), None)


EVENTS = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate")
"""Operations on files that Python announces before it carries them out."""
ERRORS = {"ENOSPC": errno.ENOSPC, "EIO": errno.EIO, "EACCES": errno.EACCES, "EROFS": errno.EROFS, "kill": 0}
KILLED = 137
PLACE = "attacked"
"""Folder of the study; no other file has this word in its path."""


def failing(folder: str, at: int, error: int) -> Callable[[], None]:
    """Return what makes operation number `at` on files below `folder` fail, or kills the process there."""

    def install() -> None:
        count = 0

        def strike() -> None:
            nonlocal count
            count += 1
            if count == at:
                if not error:
                    os._exit(KILLED)
                raise OSError(error, os.strerror(error), folder)

        def hook(event: str, arguments: tuple[Any, ...]) -> None:
            if event in EVENTS and isinstance(arguments[0], str | Path) and folder in str(arguments[0]):
                strike()

        sys.addaudithook(hook)
        sync = os.fsync
        os.fsync = lambda file: (strike(), sync(file))[1]  # type: ignore[assignment]

    return install


def settled(folder: Path) -> dict[str, Any]:
    """Return the files of a study without what differs from call to call: ids, times, locks and temporary files."""
    kept = {}
    for name, content in files_below(folder).items():
        if not name.endswith(".lock") and "/." not in f"/{name}":
            text = content.decode(errors="replace")
            data = json.loads(text) if name.endswith(".json") else text
            if isinstance(data, dict):
                data = {key: value for key, value in data.items() if key not in ("id", "environment")}
            kept[name] = data if not name.endswith(".csv") else len(text.splitlines())
    return kept


WRITERS = {
    "plan": ["plan", "--preset", "smoke", "--data", "none", "-o", PLACE],
    "simulate": ["simulate", PLACE, "--noise", "0.01", "--repeats", "0"],
    "fit": ["fit", PLACE, "--law", "quadratic", "--bootstrap", "0"],
    "clear": ["simulate", PLACE, "--clear"],
}
"""Commands in an order in which each finds what it needs."""


def test_failing_and_killed_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    totals, draw = Totals("failing writes"), random.Random(0)
    monkeypatch.chdir(tmp_path)
    share = count_of(448) // len(WRITERS)
    for name, words in WRITERS.items():
        start = tmp_path / f"before-{name}"
        shutil.copytree(PLACE, start) if Path(PLACE).exists() else start.mkdir()
        assert command(*words).code in (cli.DONE, cli.GAPS), name
        wanted, moment = settled(Path(PLACE)), 1
        for _ in range(share):
            shutil.rmtree(PLACE, ignore_errors=True)
            if any(start.iterdir()):
                shutil.copytree(start, PLACE)
            kind = draw.choice(list(ERRORS))
            outcome = command(*words, before=failing(PLACE, moment, ERRORS[kind]))
            again = outcome if outcome.code in (cli.DONE, cli.GAPS) else command(*words)
            totals.add(f"{name} {kind}", wrong(outcome, again, wanted), (words, kind, moment))
            moment = moment + 1 if again is not outcome else 1
    totals.close()


def wrong(outcome: Outcome, again: Outcome, wanted: dict[str, Any]) -> str | None:
    """Return what is wrong with a command that was struck, or with the same command after it."""
    if outcome.code != KILLED and outcome.fault:
        return outcome.fault
    if again.code not in (cli.DONE, cli.GAPS):
        return f"the next call ends with {again.code}: {again.err[-200:]}"
    found = settled(Path(PLACE))
    return next((f"{name} differs" for name in {**found, **wanted} if found.get(name) != wanted.get(name)), None)
