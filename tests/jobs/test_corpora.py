import json
from pathlib import Path

import pytest

from jobs.corpora import describe, hub, open_store, prepare, stdlib, text
from planners import Data, UsageError


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
    assert list(text.documents(str(tmp_path))) == [b"text"]


def test_a_file_is_cut_at_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "book.txt"
    path.write_text("".join(f"line {number}\n" for number in range(3000)))
    documents = list(text.documents(str(path)))
    assert len(documents) > 5
    assert b"".join(documents) == path.read_bytes()
    assert all(document.endswith(b"\n") for document in documents)


@pytest.mark.parametrize("name", ["text:/nowhere/at/all", "nonsense", "hf:", "hf:absent.jsonl", "stdlib:x"])
def test_what_cannot_be_read_is_one_sentence(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
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
    with pytest.raises(UsageError, match="when the study was planned"):
        open_store(Data(name=planned.name, fingerprint="0123456789abcdef"))
