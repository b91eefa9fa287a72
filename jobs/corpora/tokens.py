"""Token stores: documents written once into a memory map with a manifest, read as windows in an exact order.

A store is a folder `<fingerprint>/` with `train.bin`, `validation.bin` (uint8, uint16 or uint32) and `manifest.json`.
The fingerprint hashes the tokens of both splits, so a run that names it means exactly these data.
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from planners.errors import UsageError
from planners.files import read_json, write_json
from planners.records import from_json, to_json

SEPARATOR = b"\x00"
"""Ends a document; a byte that text does not hold."""
VALIDATION_SHARE = 13
"""One document in this many is validation, chosen by its hash."""
SPLITS = ("train", "validation")


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What is in a token store."""

    name: str
    """How the corpus was named when it was written."""
    fingerprint: str
    """First 16 hexadecimal digits of the sha256 of tokenizer and tokens."""
    tokenizer: str
    """bytes: a token is a byte, and a document ends with byte 0."""
    vocab_size: int
    """Number of different tokens."""
    dtype: str
    """Type of one token in the map."""
    documents: dict[str, int]
    """Documents per split; the same text twice counts once, so no validation document is also in train."""
    tokens: dict[str, int]
    """Tokens per split."""
    text_bytes: dict[str, int]
    """Bytes of text per split, which bits per byte refer to."""


class TokenStore:
    """An open store. Raises UsageError where the folder is no whole store."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.manifest = from_json(Manifest, read_json(folder / "manifest.json"), str(folder / "manifest.json"))

    def tokens(self, split: str) -> np.ndarray:
        """Return the tokens of a split, shape (tokens,), as a read-only memory map."""
        path, count = self.folder / f"{split}.bin", self.manifest.tokens[split]
        dtype = np.dtype(self.manifest.dtype)
        if not path.is_file() or path.stat().st_size != count * dtype.itemsize:
            raise UsageError(f"{path} is not whole; remove {self.folder} and it is written anew")
        return np.memmap(path, dtype=dtype, mode="r", shape=(count,))

    @property
    def bytes_per_token(self) -> float:
        """Bytes of text per token of the validation split."""
        return self.manifest.text_bytes["validation"] / self.manifest.tokens["validation"]


def store_folder() -> Path:
    """Return where stores are kept: $SCALING_CORPORA, or a folder of the user's cache."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("SCALING_CORPORA") or Path(cache) / "scaling-corpora")


def write_store(name: str, documents: Iterable[bytes]) -> TokenStore:
    """Write `documents` as a store of bytes and return it; the same documents give the same store, whatever their name.

    Duplicates are left out and the split follows from each document's hash. An interrupted or failed
    write leaves nothing behind. Raises UsageError where there is too little text to hold out a validation split.
    """
    root = store_folder()
    try:
        root.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=root, prefix=".writing-"))
    except OSError as error:
        raise UsageError(
            f"cannot write corpora to {root} ({error.strerror}); set SCALING_CORPORA to a folder"
        ) from error
    try:
        with open(temporary / "train.bin", "wb") as train, open(temporary / "validation.bin", "wb") as validation:
            manifest = _write_documents(name, documents, {"train": train, "validation": validation})
        write_json(temporary / "manifest.json", to_json(manifest))
        final = root / manifest.fingerprint
        if not (final / "manifest.json").is_file():
            shutil.rmtree(final, ignore_errors=True)
            os.replace(temporary, final)
        return TokenStore(final)
    except OSError as error:
        raise UsageError(f"the corpus {name} could not be written to {root} ({error.strerror})") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _write_documents(name: str, documents: Iterable[bytes], files: dict[str, IO[bytes]]) -> Manifest:
    """Write each new document to the file of its split and return the manifest of all."""
    hashes = {split: hashlib.sha256(b"bytes") for split in SPLITS}
    counts, sizes = dict.fromkeys(SPLITS, 0), dict.fromkeys(SPLITS, 0)
    seen: set[bytes] = set()
    for document in documents:
        digest = hashlib.sha256(document).digest()
        if not document or digest in seen:
            continue
        seen.add(digest)
        split = "validation" if int.from_bytes(digest[:8], "big") % VALIDATION_SHARE == 0 else "train"
        text = document.replace(SEPARATOR, b"") + SEPARATOR
        files[split].write(text)
        hashes[split].update(text)
        counts[split] += 1
        sizes[split] += len(text) - 1
    for split in SPLITS:
        if not counts[split]:
            raise UsageError(f"the corpus {name} has {len(seen)} different documents, too few for a {split} split")
    return Manifest(
        name=name,
        fingerprint=hashlib.sha256(b"".join(hashes[split].digest() for split in SPLITS)).hexdigest()[:16],
        tokenizer="bytes",
        vocab_size=256,
        dtype="uint8",
        documents=counts,
        tokens={split: sizes[split] + counts[split] for split in SPLITS},
        text_bytes=sizes,
    )


class WindowOrder:
    """The order in which a run of D tokens reads windows of `seq_len` tokens, of which U tokens' worth are different.

    The unique windows are the first ones of a random order of all windows of the corpus, fixed by the seed: so they
    are spread over the corpus, and a smaller U is a subset of a larger one. The first epoch reads them in that order;
    each later epoch reshuffles them. Arms of one seed therefore read the same windows in the same order, the whole run
    through where they have the same U and for the first epoch of the smaller one where they have not.
    """

    def __init__(self, n_tokens: int, seq_len: int, U: int, seed: int):
        windows = (n_tokens - 1) // seq_len  # the last target is one token further
        self.n_unique = U // seq_len
        if self.n_unique > windows:
            raise UsageError(
                f"the corpus has {windows} windows of {seq_len} tokens, fewer than the {self.n_unique} of U"
            )
        self.seed = seed
        self._first = np.random.default_rng([seed, 0]).permutation(windows)[: self.n_unique]
        self._epoch, self._order = 0, self._first

    def __call__(self, start: int, count: int) -> np.ndarray:
        """Return the window numbers at positions start … start + count - 1 of the run, shape (count,)."""
        parts = []
        while count > 0:
            epoch, offset = divmod(start, self.n_unique)
            part = self._of_epoch(epoch)[offset : offset + count]
            parts.append(part)
            start, count = start + len(part), count - len(part)
        return np.concatenate(parts)

    def _of_epoch(self, epoch: int) -> np.ndarray:
        if epoch != self._epoch:
            shuffle = np.random.default_rng([self.seed, epoch]).permutation(self.n_unique)
            self._epoch, self._order = epoch, (self._first[shuffle] if epoch else self._first)
        return self._order


def read_windows(tokens: np.ndarray, windows: np.ndarray, seq_len: int) -> np.ndarray:
    """Return windows with their next token, shape (len(windows), seq_len + 1), int64."""
    positions = windows[:, None] * seq_len + np.arange(seq_len + 1)
    return tokens[positions].astype(np.int64)


def validation_windows(n_tokens: int, seq_len: int, count: int) -> Iterator[np.ndarray]:
    """Yield the fixed validation windows in batches of up to 32 window numbers: the same for every run on a corpus."""
    windows = (n_tokens - 1) // seq_len
    if count > windows:
        raise UsageError(f"the validation split has {windows} windows of {seq_len} tokens, fewer than {count}")
    chosen = np.sort(np.random.default_rng(0).permutation(windows)[:count])
    yield from np.array_split(chosen, -(-count // 32))
