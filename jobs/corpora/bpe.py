"""Byte pair encoding with the `tokenizers` library: GPT-2's, from a file, or trained on the training split."""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from jobs.corpora.reachable import check_reachable
from planners.records.errors import UsageError, need_packages
from planners.records.files import expanded
from planners.records.json import bytes_hash

if TYPE_CHECKING:
    from tokenizers import Tokenizer

GPT2 = "openai-community/gpt2"
"""Repository on the hub with GPT-2's tokenizer.json of 50,257 tokens."""
ENDS = ("<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>", "[SEP]")
"""Tokens that may end a document; the first one in the vocabulary is used."""
SMALLEST, LARGEST = 300, 10**6
"""Range of a trained vocabulary: it needs 256 bytes, the end of a document and some merges."""
TRAINING_BYTES = 2**28
"""Most bytes of text on which a tokenizer is trained; from a larger corpus every k-th document is taken."""


class BPE:
    """A tokenizer that encodes documents, with the content of its file."""

    def __init__(self, name: str, tokenizer: "Tokenizer"):
        self.name, self._tokenizer = name, tokenizer
        self.saved = json.dumps(json.loads(tokenizer.to_str()), ensure_ascii=False).encode()
        vocabulary = tokenizer.get_vocab(with_added_tokens=True)
        self.vocab_size = max(vocabulary.values()) + 1
        end = next((vocabulary[token] for token in ENDS if token in vocabulary), None)
        if end is None:
            raise UsageError(f"the tokenizer {name} needs one of {', '.join(ENDS)} to end a document; give another one")
        self._end = end
        tokenizer.encode_special_tokens = True  # a mark such as <|endoftext|> inside a text is spelled, not an end

    @property
    def fingerprint(self) -> str:
        """Hash of the tokenizer's file."""
        return bytes_hash(self.saved)

    def encode(self, texts: list[str]) -> list[np.ndarray]:
        """Return the tokens of each text, each followed by the end of a document."""
        encodings = self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        return [np.array([*encoding.ids, self._end], dtype=np.uint32) for encoding in encodings]

    def check(self, text: str, tokens: np.ndarray) -> None:
        """Raise UsageError if the tokens of a text do not decode to it."""
        if self._tokenizer.decode(tokens[:-1].tolist(), skip_special_tokens=False) != text:
            raise UsageError(
                f"the tokenizer {self.name} does not restore the text {text[:40]!r}, so bits per byte would be wrong;"
                " use one that works on bytes without normalising, such as gpt2 or bpe:8192"
            )


def size_of(name: str) -> int | None:
    """Return the size of the vocabulary that `bpe:SIZE` trains, or None for a ready tokenizer.

    Raises UsageError for an unknown name.
    """
    if name == "gpt2" or name.endswith(".json"):
        return None
    found = re.fullmatch(r"bpe:(\d{1,7})", name, re.ASCII)
    if found is None:
        raise UsageError(
            f"the tokenizer {name!r} is unknown; give @bytes, @gpt2, @bpe:8192 (any size) or @PATH of a tokenizer.json"
            " (in a path, write @ as %40)"
        )
    if not SMALLEST <= (size := int(found[1])) <= LARGEST:
        raise UsageError(f"a vocabulary of {size} is outside {SMALLEST} … {LARGEST}; give another @bpe:SIZE")
    return size


def load(name: str) -> BPE:
    """Return GPT-2's tokenizer, or the one in the file `name`.

    Raises UsageError if the file is missing or not a tokenizer, or the hub cannot be reached.
    """
    need_packages("a tokenizer", "tokenizers")
    from tokenizers import Tokenizer  # late: only ingestion needs it

    path = _gpt2_file() if name == "gpt2" else expanded(name)
    if not path.is_file():
        raise UsageError(f"the tokenizer file {name!r} does not exist; give @PATH of a tokenizer.json")
    try:
        return BPE(name, Tokenizer.from_str(path.read_text("utf-8")))
    except UsageError:
        raise
    except Exception as error:  # the library raises bare Exception
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UsageError(f"{name} is not a tokenizer.json of the tokenizers library: {reason}") from error


def _gpt2_file() -> Path:
    """Return GPT-2's tokenizer.json from the cache of the hub, or from the hub."""
    from huggingface_hub import hf_hub_download, try_to_load_from_cache

    if isinstance(cached := try_to_load_from_cache(GPT2, "tokenizer.json"), str):
        return Path(cached)
    try:
        check_reachable()
        return Path(hf_hub_download(GPT2, "tokenizer.json"))
    except OSError as error:  # the base class of all errors of the hub
        raise UsageError(
            "GPT-2's tokenizer cannot be loaded from the hub; give @PATH of its tokenizer.json, or train one: @bpe:8192"
        ) from error


def train(size: int, texts: Iterable[str]) -> BPE:
    """Return a BPE with a vocabulary of `size`, trained on `texts`: all 256 bytes, <|endoftext|>, and merges.

    Raises UsageError if the text has too few pairs for it.
    """
    need_packages("a tokenizer", "tokenizers")
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[ENDS[0]],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    if tokenizer.get_vocab_size() < size:
        have = tokenizer.get_vocab_size()
        raise UsageError(f"the text yields a vocabulary of at most {have}, not {size}; give @bpe:{have} or less")
    return BPE(f"bpe:{size}", tokenizer)


def sample(batches: Iterable[list[bytes]], total: int) -> Iterator[str]:
    """Yield every k-th document, about TRAINING_BYTES of the `total` bytes, as training text."""
    every = -(-total // TRAINING_BYTES)
    documents = (document for batch in batches for document in batch)
    for number, document in enumerate(documents):
        if number % every == 0:
            yield document.decode("utf-8", errors="ignore")
