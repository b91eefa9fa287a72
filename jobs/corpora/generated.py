"""Generated domains: windows that are made from their number when they are read, with an exact entropy floor."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jobs.corpora.tokens import GENERATED, SPLITS, Manifest, TokenStore
from jobs.corpora.write_store import publish
from planners.corpus import AnswerPattern
from planners.records.errors import UsageError

SEED = 2506_12119
"""Fixes tables and windows of every language; the seed of a run selects among the windows."""
TOKENS = 10**12
"""Tokens of a split in manifests; splits are unlimited, and no run reads this many."""


class Language(ABC):
    """A source of windows."""

    marker: int
    """First token of every window, which names the domain and is never a target."""
    vocab_size: int = 256
    """Number of token ids."""
    answers: AnswerPattern | None = None
    """Which tokens are answers; None for a language without questions."""
    shares_prompts: bool = False
    """Whether training windows may hold the prompts of validation windows."""

    @abstractmethod
    def draw(self, split: str, generators: Sequence[np.random.Generator], T: int) -> np.ndarray:
        """Return the T targets of a window for each generator, shape (windows, T)."""

    @abstractmethod
    def floor(self, seq_len: int) -> float:
        """Return the entropy of the targets of a validation window, nats per token."""

    @abstractmethod
    def rate(self) -> float:
        """Return the limit of the floor for long windows, in nats."""

    def frozen(self) -> bytes:
        """Return what else the fingerprint must fix, such as tables and words."""
        return b""


class GeneratedStore(TokenStore):
    """The store of a generated domain: a manifest, and windows that are generated when they are read."""

    def __init__(self, folder: Path, language: Language):
        super().__init__(folder)
        self.language = language
        if (now := fingerprint(self.language)) != self.manifest.fingerprint:
            raise UsageError(
                f"the generated corpus {self.manifest.name} has fingerprint {now}, but was planned with"
                f" {self.manifest.fingerprint} (another version of numpy or of this toolkit); restore that version,"
                " or plan a new study"
            )

    @property
    def bytes_per_token(self) -> float:
        """1, so bits per byte are bits per token."""
        return 1.0

    def unique_windows(self, seq_len: int, count: int, seed: list[int]) -> np.ndarray:
        """Return `count` consecutive numbers; the seed fixes the first one."""
        return np.random.default_rng(seed).integers(2**62) + np.arange(count)

    def validation_windows(self, seq_len: int, count: int) -> np.ndarray:
        """Return the first `count` windows of the validation stream."""
        return np.arange(count)

    def read(self, split: str, windows: np.ndarray, seq_len: int) -> np.ndarray:
        """Return windows that begin with the domain's marker, shape (len(windows), seq_len + 1), int64."""
        return make_windows(self.language, split, windows, seq_len)

    def floor(self, seq_len: int) -> float:
        """Return the entropy of the targets of a window, nats per token."""
        return self.language.floor(seq_len)

    @property
    def answers(self) -> AnswerPattern | None:
        """Which tokens are answers; None for a language without questions."""
        return self.language.answers


def make_windows(language: Language, split: str, windows: np.ndarray, seq_len: int) -> np.ndarray:
    """Return the windows with these numbers, shape (len(windows), seq_len + 1), int64; a number determines a window."""
    made = np.empty((len(windows), seq_len + 1), dtype=np.int64)
    made[:, 0] = language.marker
    places = [[SEED, language.marker, SPLITS.index(split), number] for number in windows.tolist()]
    if places:
        made[:, 1:] = language.draw(split, list(map(np.random.default_rng, places)), seq_len)
    return made


def fingerprint(language: Language) -> str:
    """Return a hash of windows of both splits, which changes if the generated tokens do."""
    made = [make_windows(language, split, np.arange(8), 512).astype("<i8").tobytes() for split in SPLITS]
    return hashlib.sha256(b"".join([*made, language.frozen()])).hexdigest()[:16]


def written(name: str, key: str, language: Language) -> GeneratedStore:
    """Write the manifest of a generated domain and return its store; `key` names the language when it is opened."""
    manifest = Manifest(
        name=name,
        fingerprint=fingerprint(language),
        tokenizer=GENERATED + key,
        vocab_size=language.vocab_size,
        dtype="uint8" if language.vocab_size <= 256 else "uint16",
        documents=dict.fromkeys(SPLITS, 0),
        tokens=dict.fromkeys(SPLITS, TOKENS),
        text_bytes=dict.fromkeys(SPLITS, TOKENS),
        floor=language.rate(),
        shares_prompts=language.shares_prompts,
    )
    return GeneratedStore(publish(name, lambda folder: manifest), language)
