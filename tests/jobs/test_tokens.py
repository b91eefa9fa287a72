import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.corpora.tokens import TokenStore, WindowOrder, read_windows, store_folder, validation_windows, write_store
from planners import UsageError

DOCUMENTS = [f"document {number} ".encode() * (number % 7 + 1) for number in range(100)]


def test_a_store_holds_every_document_once_and_splits_them() -> None:
    store = write_store("a", [*DOCUMENTS, *DOCUMENTS[:10], b""])
    manifest = store.manifest
    assert sum(manifest.documents.values()) == 100
    assert sum(manifest.text_bytes.values()) == sum(map(len, DOCUMENTS))
    texts = {split: bytes(store.tokens(split)).split(b"\x00")[:-1] for split in ("train", "validation")}
    assert sorted(texts["train"] + texts["validation"]) == sorted(DOCUMENTS)
    assert not set(texts["train"]) & set(texts["validation"])
    assert store.bytes_per_token == manifest.text_bytes["validation"] / manifest.tokens["validation"]


def test_the_same_documents_are_the_same_store_whatever_their_name() -> None:
    first, second = write_store("a", DOCUMENTS), write_store("b", DOCUMENTS)
    assert first.folder == second.folder
    assert write_store("a", DOCUMENTS[1:]).folder != first.folder
    assert [path.name for path in store_folder().iterdir() if path.name.startswith(".")] == []


def test_a_failing_source_leaves_nothing_behind() -> None:
    def documents():
        yield b"a"
        raise UsageError("the source broke")

    before = sorted(store_folder().iterdir())
    with pytest.raises(UsageError, match="broke"):
        write_store("broken", documents())
    assert sorted(store_folder().iterdir()) == before


def test_too_few_documents_are_refused() -> None:
    with pytest.raises(UsageError, match="too few"):
        write_store("one", [b"only one"])


def test_a_store_that_is_not_whole_is_named(tmp_path: Path) -> None:
    store = write_store("a", DOCUMENTS)
    copy = tmp_path / "store"
    copy.mkdir()
    (copy / "manifest.json").write_text((store.folder / "manifest.json").read_text())
    (copy / "train.bin").write_bytes(b"short")
    with pytest.raises(UsageError, match="not whole"):
        TokenStore(copy).tokens("train")
    (copy / "manifest.json").write_text(json.dumps({"name": "a"}))
    with pytest.raises(UsageError, match="missing"):
        TokenStore(copy)


@settings(deadline=None)
@given(
    windows=st.integers(1, 50), unique=st.integers(1, 50), length=st.integers(1, 120), seed=st.integers(0, 5),
    chunk=st.integers(1, 30),
)  # fmt: skip
def test_every_unique_window_is_seen_equally_often(
    windows: int, unique: int, length: int, seed: int, chunk: int
) -> None:
    unique = min(unique, windows)
    order = WindowOrder(windows * 8 + 1, 8, unique * 8, seed)
    seen = order(0, length)
    counts = Counter(seen.tolist())
    low, high = length // unique, -(-length // unique)
    assert all(low <= counts[window] <= high for window in counts)
    assert len(counts) == min(unique, length)
    # in pieces, and from a fresh object at any place, the stream is the same
    pieces = [
        WindowOrder(windows * 8 + 1, 8, unique * 8, seed)(at, min(chunk, length - at)) for at in range(0, length, chunk)
    ]
    assert np.array_equal(np.concatenate(pieces), seen)


def test_smaller_u_is_a_subset_and_the_first_epoch_is_shared() -> None:
    small, large = (WindowOrder(10_001, 10, U, seed=3)(0, U // 10) for U in (500, 5000))
    assert set(small) < set(large)
    assert np.array_equal(large[: len(small)], small)
    again = WindowOrder(10_001, 10, 500, seed=3)(50, 50)
    assert set(again) == set(small)
    assert not np.array_equal(again, small)
    assert set(small) != set(WindowOrder(10_001, 10, 500, seed=4)(0, 50))


def test_more_unique_tokens_than_there_are_is_refused() -> None:
    with pytest.raises(UsageError, match="fewer"):
        WindowOrder(100, 10, 100, seed=0)
    with pytest.raises(UsageError, match="fewer"):
        list(validation_windows(100, 10, 10))


def test_windows_overlap_by_their_next_token() -> None:
    batch = read_windows(np.arange(100, dtype=np.uint8), np.array([0, 3]), 10)
    assert batch.shape == (2, 11)
    assert batch[0, -1] == 10
    assert batch[1, 0] == 30


def test_validation_windows_are_fixed_and_nested() -> None:
    few, many = (np.concatenate(list(validation_windows(10_001, 10, count))) for count in (40, 400))
    assert set(few) < set(many)
    assert len(set(many)) == 400
