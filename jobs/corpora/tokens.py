"""Token stores: the tokens of one corpus in a memory map with a manifest, read as windows.

A store is a folder `<fingerprint>/` with `train.bin`, `validation.bin` (uint8, uint16 or uint32) and `manifest.json`.
The fingerprint hashes the tokens of both splits, so it identifies the data of a run exactly. A mixture of corpora is a
folder with only a manifest, which names the stores of its domains.
"""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np

from planners.corpus import AnswerPattern
from planners.records.errors import UsageError
from planners.records.files import read_json
from planners.records.json import from_json

SPLITS = ("train", "validation")
DTYPES = ("uint8", "uint16", "uint32")
"""Types of tokens; numpy would take others, such as object, for pointers into memory."""
GENERATED = "generated:"
"""Prefix of `Manifest.tokenizer` for tokens that are generated when read; the name of the language follows."""


@dataclass(frozen=True, kw_only=True)
class ManifestDomain:
    """One domain in the manifest of a mixture."""

    label: str
    """Name of the domain in records."""
    share: str
    """Share of the tokens of every run, an exact fraction such as 7/10."""
    fingerprint: str
    """The store that holds its tokens."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The content of a token store."""

    name: str
    """Name of the corpus when it was written."""
    fingerprint: str
    """First 16 hexadecimal digits of the sha256 of tokenizer and tokens; of a mixture, of its domains and shares."""
    tokenizer: str
    """bytes (a token is a byte, and a document ends with byte 0), the name of the BPE in tokenizer.json, or generated:
    and the name of a language."""
    vocab_size: int
    """Number of different tokens."""
    dtype: str
    """Type of one token in the map."""
    documents: dict[str, int]
    """Documents per split. Equal texts count once, so no validation document is also in train."""
    tokens: dict[str, int]
    """Tokens per split."""
    text_bytes: dict[str, int]
    """Bytes of text per split, the denominator of bits per byte."""
    duplicates: int = 0
    """Documents that were skipped because the same text came before; near-duplicates are not detected."""
    left_out: dict[str, int] = field(default_factory=dict)
    """Documents that the reader left out, by reason (`readers.reader.LeftOut`)."""
    undecodable: int = 0
    """Documents that were skipped because they are not UTF-8, which BPE needs; a store of bytes keeps them."""
    floor: float | None = None
    """Entropy rate of a generated domain, nats per token: no model can have a lower loss. Null for text."""
    shares_prompts: bool = False
    """Whether the training split of generated tasks holds the prompts of the validation split, as with few prompts."""
    domains: tuple[ManifestDomain, ...] = field(default=())
    """The domains of a mixture; empty for a store that holds tokens itself."""

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise UsageError(f"the tokens of {self.name} have type {self.dtype}, not one of {', '.join(DTYPES)}")
        for counts in (self.documents, self.tokens, self.text_bytes):
            if any(counts.get(split, -1) < 0 for split in SPLITS):
                raise UsageError(f"the manifest of {self.name} does not count train and validation")

    @property
    def all_left_out(self) -> dict[str, int]:
        """Documents of the source that are not in the store, by reason, apart from duplicates."""
        found = {**self.left_out, "not_utf8": self.undecodable}
        return {reason: count for reason, count in found.items() if count}

    @property
    def has_maps(self) -> bool:
        """Whether the folder holds the tokens, unlike a mixture and generated tokens."""
        return not self.domains and not self.tokenizer.startswith(GENERATED)


class TokenStore:
    """An open store. Raises UsageError if the folder is not a whole store."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.manifest = read_manifest(folder)
        self._maps: dict[str, np.ndarray] = {}

    def tokens(self, split: str) -> np.ndarray:
        """Return the tokens of a split, shape (tokens,), as a read-only memory map."""
        if split not in self._maps:
            path, count = self.folder / f"{split}.bin", self.manifest.tokens[split]
            dtype = np.dtype(self.manifest.dtype)
            if not path.is_file() or path.stat().st_size != count * dtype.itemsize:
                raise UsageError(f"{path} is not whole; remove {self.folder}, and it will be written again")
            self._maps[split] = np.memmap(path, dtype=dtype, mode="r", shape=(count,))
        return self._maps[split]

    @property
    def bytes_per_token(self) -> float:
        """Bytes of text per token of the validation split."""
        return self.manifest.text_bytes["validation"] / self.manifest.tokens["validation"]

    def windows(self, split: str, seq_len: int) -> int:
        """Return the number of windows of `seq_len` tokens in a split; the last target needs one more token."""
        return (self.manifest.tokens[split] - 1) // seq_len

    def unique_windows(self, seq_len: int, count: int, seed: list[int]) -> np.ndarray:
        """Return the numbers of `count` training windows, the first of a random order of all, fixed by `seed`."""
        return np.random.default_rng(seed).permutation(self.windows("train", seq_len))[:count].copy()

    def validation_windows(self, seq_len: int, count: int) -> np.ndarray:
        """Return the sorted numbers of `count` validation windows, the same for every run on this store."""
        windows = self.windows("validation", seq_len)
        if count > windows:
            raise UsageError(
                f"the validation split of {self.manifest.name} has {windows} windows of {seq_len} tokens, fewer than"
                f" {count}; give fewer --eval-windows or a larger corpus"
            )
        return np.sort(np.random.default_rng(0).permutation(windows)[:count])

    def read(self, split: str, windows: np.ndarray, seq_len: int) -> np.ndarray:
        """Return windows with one more token each, shape (len(windows), seq_len + 1), int64."""
        return read_windows(self.tokens(split), windows, seq_len)

    @property
    def answers(self) -> AnswerPattern | None:
        """Which tokens are answers; None for a corpus without questions."""
        return None

    def floor(self, seq_len: int) -> float | None:
        """Return the entropy of the targets of a window, nats per token; None for text, where it is unknown."""
        return None


def read_windows(tokens: np.ndarray, windows: np.ndarray, seq_len: int) -> np.ndarray:
    """Return windows with one more token each, shape (len(windows), seq_len + 1), int64."""
    positions = windows[:, None] * seq_len + np.arange(seq_len + 1)
    return tokens[positions].astype(np.int64)


def batches(windows: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """Yield `windows` in the fewest batches of nearly equal length, at most `size` each."""
    yield from np.array_split(windows, -(-len(windows) // size))


def store_folder() -> Path:
    """Return the folder that keeps all stores: $SCALING_CORPORA, or a folder in the user's cache."""
    if folder := os.environ.get("SCALING_CORPORA"):
        return Path(folder)
    cache = os.environ.get("XDG_CACHE_HOME") or home() / ".cache"
    return Path(cache) / "scaling-corpora"


def home() -> Path:
    """Return the home of the user. Raises UsageError for a user without one, as in some containers."""
    try:
        return Path.home()
    except RuntimeError:
        raise UsageError("this user has no home folder for corpora; set SCALING_CORPORA to a folder") from None


def is_whole(folder: Path) -> bool:
    """Return whether a folder holds a whole store: a manifest, and token files with the fingerprint that it states.

    Each file is read once in a process, and again if its size, time or inode has changed.
    """
    try:
        manifest = read_manifest(folder)
        if not manifest.has_maps:
            return True
        tokenizer = b"bytes" if manifest.tokenizer == "bytes" else (folder / "tokenizer.json").read_bytes()
        digests = [_digest(folder / f"{split}.bin", tokenizer) for split in SPLITS]
    except (OSError, UsageError):
        return False
    found = hashlib.sha256(b"".join(digests)).hexdigest()[:16]
    size = np.dtype(manifest.dtype).itemsize
    sizes = {split: (folder / f"{split}.bin").stat().st_size for split in SPLITS}
    return found == manifest.fingerprint == folder.name and all(
        sizes[split] == size * manifest.tokens[split] for split in SPLITS
    )


def _digest(path: Path, tokenizer: bytes) -> bytes:
    status = path.stat()
    return _digest_of(path, tokenizer, status.st_size, status.st_mtime_ns, status.st_ino)


@lru_cache(maxsize=1024)
def _digest_of(path: Path, tokenizer: bytes, *_: int) -> bytes:
    """Return the sha256 of tokenizer and tokens of a file; size, time and inode are in the key of the cache."""
    digest = hashlib.sha256(tokenizer)
    with path.open("rb") as file:
        while block := file.read(2**22):
            digest.update(block)
    return digest.digest()


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of a store. Raises UsageError if it is missing or unreadable."""
    return from_json(Manifest, read_json(folder / "manifest.json"), str(folder / "manifest.json"))
