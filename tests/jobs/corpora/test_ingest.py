"""Sources of corpora: their documents, that they are read once, and one sentence for each error."""

import json
import os
import subprocess
import sys
import types
from dataclasses import replace
from pathlib import Path

import pytest

from jobs.corpora import describe, open_store, prepare
from jobs.corpora.left_out import LeftOut
from jobs.corpora.readers import READERS, hub, stdlib, text
from planners import Data, Question, UsageError, make_plan


def test_stdlib_is_source_code_without_tests() -> None:
    documents = list(stdlib.documents(""))
    assert len(documents) > 500
    assert 5e6 < sum(map(len, documents)) < 5e7
    assert not any(b"class TestCase" in document and b"test_case_import" in document for document in documents)
    with pytest.raises(UsageError, match="no argument"):
        list(stdlib.documents("x"))


def test_a_folder_of_text(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "a.md").write_text("text")
    (tmp_path / "b.bin").write_bytes(b"\x00\x01")
    (tmp_path / ".hidden").write_text("no")
    assert list(text.documents(str(tmp_path))) == [LeftOut.BINARY, b"text"]


def test_a_file_is_cut_at_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "book.txt"
    path.write_text("".join(f"line {number}\n" for number in range(3000)))
    documents = list(text.documents(str(path)))
    assert len(documents) > 5
    assert b"".join(documents) == path.read_bytes()
    assert all(document.endswith(b"\n") for document in documents)


@pytest.mark.parametrize("name", ["text:/nowhere/at/all", "nonsense", "hf:", "hf:absent.jsonl", "stdlib:x"])
def test_an_unreadable_corpus_gives_one_sentence(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UsageError) as caught:
        prepare(name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", ["jsonl", "parquet", "csv"])
def test_local_files_come_through_datasets(tmp_path: Path, suffix: str) -> None:
    import pandas as pd

    path = tmp_path / f"stories.{suffix}"
    frame = pd.DataFrame({"id": [1, 2], "text": ["once upon a time", "the end, äöü"]})
    if suffix == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in frame.to_dict("records")))
    elif suffix == "csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path)
    assert list(hub.documents(str(path))) == [b"once upon a time", "the end, äöü".encode()]


def test_a_file_without_a_text_column_names_its_columns(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"number": 1}\n')
    with pytest.raises(UsageError, match="number"):
        list(hub.documents(str(path)))


def test_a_hub_name_without_network_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    def offline(*_: object, **__: object) -> None:
        raise ConnectionError("no network")

    monkeypatch.setattr(hub, "check_reachable", lambda: None)
    monkeypatch.setattr(datasets, "load_dataset", offline)
    with pytest.raises(UsageError, match="cannot be reached"):
        list(hub.documents("roneneldan/TinyStories"))


def test_a_changed_corpus_is_refused_by_its_fingerprint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCALING_CORPORA", str(tmp_path / "stores"))
    source = tmp_path / "source"
    source.mkdir()
    for number in range(60):
        (source / f"{number}.txt").write_text(f"document {number}")
    planned = describe(f"text:{source}").data
    assert open_store(planned).manifest.fingerprint == planned.fingerprint
    monkeypatch.setenv("SCALING_CORPORA", str(tmp_path / "elsewhere"))
    assert open_store(planned).manifest.fingerprint == planned.fingerprint  # written anew from its source
    with pytest.raises(UsageError, match="the study was planned with"):
        open_store(Data(name=planned.name, fingerprint="0123456789abcdef"))


def test_a_hub_name_is_requested_as_written_and_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test cannot reach the hub, so it checks the calls to the library."""
    import datasets

    asked = []

    def load_dataset(*names: object, **options: object):
        asked.append((names, options))
        return ({"story": f"once there was {number}", "id": number} for number in range(100))

    monkeypatch.setenv("SCALING_CORPORA", str(tmp_path))
    monkeypatch.setattr(hub, "check_reachable", lambda: None)
    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    monkeypatch.setattr(hub, "size", lambda argument, **options: None)
    names = [
        "tinystories",
        "hf:allenai/c4,config=en,split=validation,revision=abc,field=story",
        "hf:a/b:c",
        "tinystories",
    ]
    fingerprints = {prepare(name).manifest.fingerprint for name in names}
    assert len(fingerprints) == 1  # the same documents are the same corpus
    assert asked == [
        (("roneneldan/TinyStories", None), {"split": "train", "revision": None, "streaming": True}),
        (("allenai/c4", "en"), {"split": "validation", "revision": "abc", "streaming": True}),
        (("a/b", "c"), {"split": "train", "revision": None, "streaming": True}),
    ]


def test_the_size_of_a_corpus_is_known_before_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets
    import pandas as pd

    rows = pd.DataFrame({"text": [f"{number:>10000}" for number in range(50)]})
    rows.to_json(tmp_path / "a.jsonl", orient="records", lines=True)
    rows.to_parquet(tmp_path / "a.parquet", compression=None)
    for name in ("a.jsonl", "a.parquet"):
        assert hub.size(str(tmp_path / name)) == pytest.approx(500_000, rel=0.02)
    split = types.SimpleNamespace(num_bytes=12)
    builder = types.SimpleNamespace(info=types.SimpleNamespace(splits={"validation": split}))
    monkeypatch.setattr(hub, "check_reachable", lambda: None)
    monkeypatch.setattr(datasets, "load_dataset_builder", lambda *names, **options: builder)
    assert hub.size("a/b", split="validation") == 12
    assert hub.size("a/b") is None


def test_a_damaged_note_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCALING_CORPORA", str(tmp_path / "stores"))
    (tmp_path / "book.txt").write_text("".join(f"line {number}\n" for number in range(30_000)))
    first = prepare(f"text:{tmp_path / 'book.txt'}")
    for content in ("{", "[]", "{}", '{"fingerprint": "gone"}'):
        next((tmp_path / "stores" / "ingested").glob("*.json")).write_text(content)
        assert prepare(f"text:{tmp_path / 'book.txt'}").manifest == first.manifest


def test_a_file_is_read_again_only_when_it_has_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, read = tmp_path / "book.txt", []
    path.write_text("".join(f"line {number}\n" for number in range(30_000)))

    def documents(argument: str):
        read.append(argument)
        yield from text.documents(argument)

    monkeypatch.setitem(READERS, "text", replace(text.READER, documents=documents))
    first = prepare(f"text:{path}")
    assert prepare(f"text:{path}").manifest == first.manifest
    assert len(read) == 1
    (first.domains[0].store.folder / "train.bin").write_bytes(b"damaged")
    assert prepare(f"text:{path}").manifest == first.manifest
    assert len(read) == 2
    path.write_text(path.read_text() + "more\n")
    assert prepare(f"text:{path}").manifest.fingerprint != first.manifest.fingerprint
    assert len(read) == 3


def test_two_processes_read_one_corpus_once(tmp_path: Path) -> None:
    path = tmp_path / "book.txt"
    path.write_text("".join(f"line {number}\n" for number in range(30_000)))
    code = f"""
import time
from dataclasses import replace
from jobs.corpora import prepare
from jobs.corpora.readers import text
from jobs.corpora.readers import READERS
def slow(argument):
    print("read", flush=True)
    time.sleep(1)
    yield from text.documents(argument)
READERS["text"] = replace(text.READER, documents=slow)
print(prepare("text:{path}").manifest.fingerprint)
"""
    environment = {**os.environ, "SCALING_CORPORA": str(tmp_path / "stores")}
    started = [
        subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    words = [process.communicate()[0].split() for process in started]
    assert sorted(map(len, words)) == [1, 2]  # one of them read
    assert words[0][-1] == words[1][-1]


def test_a_killed_reader_leaves_no_store_and_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, stores = tmp_path / "book.txt", tmp_path / "stores"
    path.write_text("".join(f"line {number}\n" for number in range(30_000)))
    code = f"""
import time
from dataclasses import replace
from jobs.corpora import prepare
from jobs.corpora.readers import text
from jobs.corpora.readers import READERS
def slow(argument):
    for number, document in enumerate(text.documents(argument)):
        if number == 50:
            print("half", flush=True)
            time.sleep(60)
        yield document
READERS["text"] = replace(text.READER, documents=slow)
prepare("text:{path}")
"""
    environment = {**os.environ, "SCALING_CORPORA": str(stores)}
    process = subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "half\n"
    process.kill()
    process.wait()
    assert list(stores.glob("*/manifest.json")) == []
    monkeypatch.setenv("SCALING_CORPORA", str(stores))
    left = next(stores.glob(".writing-*"))
    os.utime(left, (0, 0))  # long ago
    assert sum(prepare(f"text:{path}").manifest.documents.values()) > 50
    assert not left.exists()


BAD_FILES = {
    "empty.jsonl": b"",
    "torn.jsonl": b'{"text": "a"\n',
    "number.jsonl": b'{"text": 5}\n',
    "list.jsonl": b'{"text": ["a"]}\n',
    "null.jsonl": b'{"text": null}\n',
    "latin.jsonl": b'{"text": "\xe4"}\n',
    "random.jsonl": bytes(range(256)) * 8,
    "bad.parquet": b"PAR1" + bytes(range(256)),
    "other.xml": b"<a/>",
    "empty.txt": b"",
    "binary.txt": b"\x00\x01" * 9000,
    "short.txt": b"one line",
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_gives_one_sentence_and_leaves_no_store(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture
) -> None:
    stores = tmp_path / "stores"
    monkeypatch.setenv("SCALING_CORPORA", str(stores))
    (tmp_path / name).write_bytes(BAD_FILES[name])
    kind = "text" if name.endswith(".txt") else "hf"
    with pytest.raises(UsageError) as caught:
        prepare(f"{kind}:{tmp_path / name}")
    assert "\n" not in str(caught.value)
    assert name in str(caught.value)
    assert capfd.readouterr().err == ""
    assert [path for path in stores.glob("*") if path.name != "ingested"] == []
    assert list(stores.glob("ingested/*.json")) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (",field=body", "the fields id, text but not body"),
        (",field=id", "holds int, not text"),
        (",split=test", "do not apply"),
        (",config=en", "do not apply"),
        (",columns=text", "not 'columns'"),
    ],
)
def test_a_wrong_option_says_so(tmp_path: Path, options: str, words: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"id": number, "text": f"text {number}"}) + "\n" for number in range(100)))
    assert sum(prepare(f"hf:{path},field=text").manifest.documents.values()) == 100
    with pytest.raises(UsageError, match=words):
        prepare(f"hf:{path}{options}")


def test_a_folder_of_shards(tmp_path: Path) -> None:
    for shard in range(3):
        rows = [json.dumps({"text": f"shard {shard} text {number}"}) + "\n" for number in range(50)]
        (tmp_path / f"{shard}.jsonl").write_text("".join(rows))
    assert sum(prepare(f"hf:{tmp_path}").manifest.documents.values()) == 150
    (tmp_path / "x.csv").write_text("text\na\n")
    with pytest.raises(UsageError, match="single kind"):
        prepare(f"hf:{tmp_path}")


def test_a_plan_refuses_more_tokens_than_a_domain_has(tiny_question: Question, prose: str) -> None:
    def reasons(name: str, **changes: object) -> set[str]:
        try:
            plan = make_plan(replace(tiny_question, data=name, **changes), describe(name))
        except UsageError as error:
            return {str(error)}
        return {refused.reason for refused in plan.refused}

    assert reasons(f"a={prose}*0.5+b=synthetic:code*0.5", budgets=(1.2e10,)) == set()
    few = reasons(f"a={prose}*0.9+b=synthetic:code*0.1", budgets=(6e11,))
    assert all("unique tokens of the domain a, which has" in reason for reason in few)
    assert few
    assert "window for the domain a" in reasons(f"a={prose}*0.001+b=synthetic:code", unique_tokens=320).pop()
    many = reasons(f"a={prose}*0.9+b=synthetic:code*0.1", eval_windows=5000)
    assert all("validation windows" in reason for reason in many)


MEASURE = """
import resource, sys
from jobs.corpora import prepare
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
prepare("text:" + sys.argv[1])
before = peak()
prepare("text:" + sys.argv[2])
print(peak() - before)
"""


def test_a_corpus_is_read_in_constant_memory(tmp_path: Path) -> None:
    """From 1 MB to 80 MB of text, peak memory grows only by the table of hashes."""
    for name, lines in (("small.txt", 10_000), ("large.txt", 800_000)):
        with open(tmp_path / name, "w") as file:
            file.writelines(f"{number:>99}\n" for number in range(lines))
    environment = {**os.environ, "SCALING_CORPORA": str(tmp_path / "stores")}
    command = [sys.executable, "-c", MEASURE, *(str(tmp_path / name) for name in ("small.txt", "large.txt"))]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 10e6
