"""Writing token stores: documents into a store of bytes, and a store of bytes into one of BPE tokens.

Everything is written to a temporary folder and renamed when it is whole. An interrupted or failed write therefore
leaves no store behind, and two processes can write the same store at the same time.
"""

import hashlib
import os
import shutil
import time
import uuid
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from jobs.corpora.bpe import BPE
from jobs.corpora.left_out import LeftOut
from jobs.corpora.progress_bar import progress
from jobs.corpora.tokens import SPLITS, Manifest, TokenStore, is_whole, store_folder
from planners.records.errors import UsageError
from planners.records.files import write_json
from planners.records.json import to_json

SEPARATOR = b"\x00"
"""Ends a document; text does not contain this byte."""
VALIDATION_SHARE = 13
"""One document in this many is a validation document, selected by its hash."""
ENOUGH = 5 * VALIDATION_SHARE
"""Documents of which one is held out almost surely (99.5 %)."""
ABANDONED_S = 7 * 24 * 3600
"""Seconds after which a temporary folder must have been left by a killed process."""


def write_store(name: str, documents: Iterable[bytes | LeftOut]) -> TokenStore:
    """Write `documents` as a store of bytes and return it. The same documents give the same store under any name.

    Duplicates are skipped, and the hash of a document decides its split. No training document is therefore a validation
    document as well, not even of another corpus. Raises UsageError if there is too little text for both splits.
    """

    left_out = Counter[str]()

    def write(folder: Path) -> Manifest:
        """Write each document that is not a duplicate to its split, as bytes."""
        splits = {split: _SplitWriter(folder, split, b"bytes") for split in SPLITS}
        seen, duplicates = HashSet(), 0
        for document in documents:
            if isinstance(document, LeftOut):
                left_out[document.value] += 1
                continue
            text = document.replace(SEPARATOR, b"")
            digest = hashlib.sha256(text).digest()
            if text and seen.add(digest):
                splits[split_of(digest)].add(np.frombuffer(text + SEPARATOR, dtype=np.uint8), len(text))
            elif text:
                duplicates += 1
        return _manifest(
            name, splits, tokenizer="bytes", vocab_size=256, dtype="uint8", duplicates=duplicates,
            left_out=dict(left_out),
        )  # fmt: skip

    return with_left_out(TokenStore(publish(name, write)), dict(left_out))


def with_left_out(store: TokenStore, left_out: dict[str, int]) -> TokenStore:
    """Return the store with the counts of one source: another source may have written the same documents."""
    store.manifest = replace(store.manifest, left_out=left_out)
    return store


def encode_store(store: TokenStore, tokenizer: BPE) -> TokenStore:
    """Write the documents of a store of bytes as tokens, together with the tokenizer's own file.

    Documents that are not UTF-8 are skipped and counted. Raises UsageError if the tokenizer does not restore the
    validation text exactly, because bits per byte would then refer to another text.
    """
    name, dtype = store.manifest.name, "uint16" if tokenizer.vocab_size <= 2**16 else "uint32"

    def write(folder: Path) -> Manifest:
        """Write each document to the split that it has in `store`, as tokens."""
        (folder / "tokenizer.json").write_bytes(tokenizer.saved)
        splits, undecodable = {split: _SplitWriter(folder, split, tokenizer.saved) for split in SPLITS}, 0
        for split, batch in _all_documents(store):
            texts = [(text, len(document)) for document in batch if (text := decoded(document)) is not None]
            undecodable += len(batch) - len(texts)
            tokens = tokenizer.encode([text for text, _ in texts])
            for (text, size), ids in zip(texts, tokens, strict=True):
                splits[split].add(ids.astype(dtype), size)
                if split == "validation":
                    tokenizer.check(text, ids)
        return _manifest(
            name, splits, tokenizer=tokenizer.name, vocab_size=tokenizer.vocab_size, dtype=dtype,
            duplicates=store.manifest.duplicates, undecodable=undecodable, left_out=store.manifest.left_out,
        )  # fmt: skip

    return with_left_out(TokenStore(publish(name, write)), store.manifest.left_out)


def read_documents(store: TokenStore, split: str, size: int = 2**22) -> Iterator[list[bytes]]:
    """Yield the documents of a split of a store of bytes, in lists of about `size` bytes."""
    rest = b""
    with open(store.folder / f"{split}.bin", "rb") as file:
        while block := file.read(size):
            *documents, rest = (rest + block).split(SEPARATOR)
            yield documents


def _all_documents(store: TokenStore) -> Iterator[tuple[str, list[bytes]]]:
    """Yield batches of documents with their split, and show a progress bar."""
    total = sum(store.manifest.tokens.values())
    with progress(f"tokenizing {store.manifest.name}", total) as advance:
        for split in reversed(SPLITS):  # validation first: it shows whether the tokenizer restores text
            for batch in read_documents(store, split):
                yield split, batch
                advance(sum(map(len, batch)) + len(batch))


def decoded(document: bytes) -> str | None:
    """Return a document as text, or None if it is not UTF-8."""
    try:
        return document.decode("utf-8")
    except UnicodeDecodeError:
        return None


def split_of(digest: bytes) -> str:
    """Return the split of a document by the sha256 of its text."""
    return "validation" if int.from_bytes(digest[:8], "big") % VALIDATION_SHARE == 0 else "train"


class HashSet:
    """A set of sha256 digests by their first 8 bytes, 16 to 32 bytes of memory each: a table with open addressing.

    Two different documents out of n share those bytes with probability n^2 / 2^65, 3e-8 at a million.
    """

    def __init__(self) -> None:
        self._table, self._count = array("Q", bytes(8 * 1024)), 0

    def add(self, digest: bytes) -> bool:
        """Add a digest and return whether it was new."""
        if 2 * self._count >= len(self._table):
            old = self._table
            self._table = array("Q", bytes(2 * 8 * len(old)))
            for key in filter(None, old):
                self._table[self._place(key)] = key
        key = int.from_bytes(digest[:8], "little") or 1  # 0 marks a free place
        place = self._place(key)
        if self._table[place] == key:
            return False
        self._table[place], self._count = key, self._count + 1
        return True

    def _place(self, key: int) -> int:
        """Return the position of `key`, or the free position where it belongs."""
        place = key % len(self._table)
        while self._table[place] not in (0, key):
            place = (place + 1) % len(self._table)
        return place


class _SplitWriter:
    """One split of a store that is being written."""

    def __init__(self, folder: Path, split: str, tokenizer: bytes):
        self._file = open(folder / f"{split}.bin", "wb")  # noqa: SIM115 closed by `digest`
        self._hash = hashlib.sha256(tokenizer)
        self.documents = self.tokens = self.text_bytes = 0

    def add(self, tokens: np.ndarray, text_bytes: int) -> None:
        """Append a document."""
        content = tokens.tobytes()
        self._file.write(content)
        self._hash.update(content)
        self.documents += 1
        self.tokens += len(tokens)
        self.text_bytes += text_bytes

    def digest(self) -> bytes:
        """Sync the file to the disk, close it and return the hash of its tokens."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        return self._hash.digest()


def _manifest(
    name: str, splits: dict[str, _SplitWriter], *, tokenizer: str, vocab_size: int, dtype: str, duplicates: int,
    left_out: dict[str, int], undecodable: int = 0,
) -> Manifest:  # fmt: skip
    """Close the splits and return the manifest. Raises UsageError if one has no document."""
    documents = {split: writer.documents for split, writer in splits.items()}
    total = sum(documents.values())
    digests = b"".join(writer.digest() for writer in splits.values())
    if not total:
        why = "no document is UTF-8, which BPE needs; omit the tokenizer" if undecodable else "it is empty or binary"
        counts = ", ".join(f"{count} {reason}" for reason, count in left_out.items())
        raise UsageError(f"the corpus {name} holds no text: {why}{f' ({counts})' if counts else ''}")
    for split, count in documents.items():
        if not count:
            raise UsageError(
                f"the corpus {name} has {total} different documents, too few for a {split} split: one in"
                f" {VALIDATION_SHARE} is held out, by its hash, so give {ENOUGH} or more; a document is a file of a"
                " folder, a row of a table, or a block of about 4 kB of a single text file"
            )
    return Manifest(
        name=name,
        fingerprint=hashlib.sha256(digests).hexdigest()[:16],
        tokenizer=tokenizer,
        vocab_size=vocab_size,
        dtype=dtype,
        documents=documents,
        tokens={split: writer.tokens for split, writer in splits.items()},
        text_bytes={split: writer.text_bytes for split, writer in splits.items()},
        duplicates=duplicates,
        undecodable=undecodable,
        left_out=left_out,
    )


def publish(name: str, write: Callable[[Path], Manifest]) -> Path:
    """Let `write` fill a temporary folder, add its manifest, rename it to its fingerprint and return its path."""
    root = store_folder()
    with _temporary_folder(root) as temporary:
        try:
            manifest = write(temporary)
            write_json(temporary / "manifest.json", to_json(manifest))
            _rename(temporary, root / manifest.fingerprint)
        except OSError as error:
            raise UsageError(f"the corpus {name} could not be written to {root} ({error.strerror})") from error
        return root / manifest.fingerprint


@contextmanager
def _temporary_folder(root: Path) -> Iterator[Path]:
    """Make a folder in `root`; remove it at the end if it still exists, and remove abandoned ones."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        temporary = root / f".writing-{uuid.uuid4().hex[:8]}"
        temporary.mkdir()  # unlike tempfile, with the mode that the umask asks for: users may share the stores
    except OSError as error:
        raise UsageError(
            f"cannot write corpora to {root} ({error.strerror}); set SCALING_CORPORA to a folder"
        ) from error
    try:
        for old in root.glob(".writing-*"):
            if old.stat().st_mtime < time.time() - ABANDONED_S:
                shutil.rmtree(old, ignore_errors=True)
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _rename(temporary: Path, final: Path) -> None:
    """Move a whole store into its place. A whole store that is already there stays; a damaged one is replaced."""
    try:
        os.replace(temporary, final)
    except OSError:  # ENOTEMPTY if another process was faster; anything else is an error
        if not final.is_dir():
            raise
        if not is_whole(final):
            aside = final.with_name(f".writing-{uuid.uuid4().hex[:8]}")
            os.replace(final, aside)
            os.replace(temporary, final)
            shutil.rmtree(aside, ignore_errors=True)
