"""Token stores: their content, their splits, and that they are either whole or absent."""

import hashlib
import json
import os
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from jobs.corpora.tokens import TokenStore, batches, is_whole, read_windows, store_folder
from jobs.corpora.write_store import HashSet, write_store
from planners import UsageError

DOCUMENTS = [f"document {number} ".encode() * (number % 7 + 1) for number in range(100)]


def test_a_store_holds_every_document_once_and_splits_them() -> None:
    store = write_store("a", [*DOCUMENTS, *DOCUMENTS[:10], b""])
    manifest = store.manifest
    assert sum(manifest.documents.values()) == 100
    assert manifest.duplicates == 10
    assert sum(manifest.text_bytes.values()) == sum(map(len, DOCUMENTS))
    texts = {split: bytes(store.tokens(split)).split(b"\x00")[:-1] for split in ("train", "validation")}
    assert sorted(texts["train"] + texts["validation"]) == sorted(DOCUMENTS)
    assert not set(texts["train"]) & set(texts["validation"])
    assert store.bytes_per_token == manifest.text_bytes["validation"] / manifest.tokens["validation"]


@settings(deadline=None, max_examples=20)
@given(st.lists(st.binary(max_size=6), min_size=80, max_size=120), st.lists(st.binary(max_size=6), max_size=40))
def test_a_document_is_in_the_same_split_of_every_corpus(first: list[bytes], second: list[bytes]) -> None:
    padding = [b"%d" % number for number in range(200)]
    stores = [write_store("a", [*first, *padding]), write_store("b", [*second, *padding])]
    texts = {
        split: {text for store in stores for text in bytes(store.tokens(split)).split(b"\x00")[:-1]}
        for split in ("train", "validation")
    }
    assert not texts["train"] & texts["validation"]


def test_the_same_documents_give_the_same_store_under_any_name() -> None:
    first, second = write_store("a", DOCUMENTS), write_store("b", DOCUMENTS)
    assert first.folder == second.folder
    assert write_store("a", DOCUMENTS[1:]).folder != first.folder
    assert [path.name for path in store_folder().iterdir() if path.name.startswith(".")] == []


def test_the_fingerprint_of_bytes_never_changes() -> None:
    """Run ids hash the fingerprint, so it must never change; this one comes from the first version."""
    assert write_store("a", DOCUMENTS).manifest.fingerprint == "2f4dfb4cba9aac48"


def test_a_failing_source_leaves_nothing_behind() -> None:
    def documents():
        yield b"a"
        raise UsageError("the source broke")

    before = sorted(store_folder().iterdir())
    with pytest.raises(UsageError, match="broke"):
        write_store("broken", documents())
    assert sorted(store_folder().iterdir()) == before


@pytest.mark.parametrize(("documents", "words"), [([b"only one"], "too few"), ([], "no text"), ([b"\x00"], "no text")])
def test_too_few_documents_are_refused(documents: list[bytes], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        write_store("one", documents)


def test_a_store_that_is_not_whole_is_named(tmp_path: Path) -> None:
    store = write_store("a", DOCUMENTS)
    copy = tmp_path / "store"
    copy.mkdir()
    (copy / "manifest.json").write_text((store.folder / "manifest.json").read_text())
    (copy / "train.bin").write_bytes(b"short")
    assert not is_whole(copy)
    with pytest.raises(UsageError, match="not whole"):
        TokenStore(copy).tokens("train")
    (copy / "manifest.json").write_text(json.dumps({"name": "a"}))
    assert not is_whole(copy)
    with pytest.raises(UsageError, match="missing"):
        TokenStore(copy)


def test_a_damaged_store_is_written_again_and_a_whole_one_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCALING_CORPORA", str(tmp_path))
    store = write_store("a", DOCUMENTS)
    inode = (store.folder / "train.bin").stat().st_ino
    write_store("a", DOCUMENTS)
    assert (store.folder / "train.bin").stat().st_ino == inode
    (store.folder / "train.bin").write_bytes(b"short")
    assert is_whole(write_store("a", DOCUMENTS).folder)
    assert [path.name for path in tmp_path.iterdir()] == [store.manifest.fingerprint]


def test_simultaneous_writers_all_get_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCALING_CORPORA", str(tmp_path))
    together, found = threading.Barrier(4), []

    def documents():
        yield from DOCUMENTS
        together.wait()  # nobody has renamed yet, everybody is about to

    def write() -> None:
        found.append(is_whole(write_store("a", documents()).folder))

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 4
    assert len(list(tmp_path.iterdir())) == 1


def test_neighbouring_windows_overlap_by_one_token() -> None:
    batch = read_windows(np.arange(100, dtype=np.uint8), np.array([0, 3]), 10)
    assert batch.shape == (2, 11)
    assert batch[0, -1] == 10
    assert batch[1, 0] == 30


def test_validation_windows_are_fixed_and_nested() -> None:
    store = write_store("a", [b"%d" % number for number in range(9000)])
    few, many = (store.validation_windows(10, count) for count in (40, 300))
    assert set(few) < set(many)
    assert len(set(many)) == 300
    assert max(map(len, batches(many, 32))) <= 32
    assert np.array_equal(np.concatenate(list(batches(many, 32))), many)
    with pytest.raises(UsageError, match="fewer than"):
        store.validation_windows(10, 10**6)


@given(st.lists(st.integers(0, 5000).map(str), max_size=3000))
def test_a_hash_set_is_a_set(texts: list[str]) -> None:
    ours, reference = HashSet(), set[str]()
    for text in texts:
        assert ours.add(hashlib.sha256(text.encode()).digest()) == (text not in reference)
        reference.add(text)


def test_a_store_with_other_bytes_of_the_same_length_is_not_whole() -> None:
    store = write_store("a", [b"other %d" % number for number in range(100)])
    assert is_whole(store.folder)
    path = store.folder / "train.bin"
    content = path.read_bytes()
    path.write_bytes(content[:-2] + b"x\x00")
    assert not is_whole(store.folder)
    again = write_store("a", [b"other %d" % number for number in range(100)])
    assert again.folder == store.folder
    assert path.read_bytes() == content
    assert is_whole(store.folder)


@pytest.mark.parametrize("mask", [0o022, 0o002, 0o077])
def test_the_mode_of_a_store_follows_the_umask(mask: int) -> None:
    before = os.umask(mask)
    try:
        store = write_store("a", [b"%d of %d" % (number, mask) for number in range(100)])
    finally:
        os.umask(before)
    assert store.folder.stat().st_mode & 0o777 == 0o777 & ~mask
    assert (store.folder / "manifest.json").stat().st_mode & 0o777 == 0o666 & ~mask


@pytest.mark.parametrize("change", [{"dtype": "O"}, {"dtype": "V8"}, {"dtype": "float16"}, {"tokens": {"train": 3}}])
def test_a_manifest_of_somebody_else_cannot_choose_any_type(change: dict) -> None:
    store = write_store("a", DOCUMENTS)
    path = store.folder / "manifest.json"
    content = path.read_text()
    path.write_text(json.dumps({**json.loads(content), **change}))
    with pytest.raises(UsageError):
        TokenStore(store.folder)
    path.write_text(content)
