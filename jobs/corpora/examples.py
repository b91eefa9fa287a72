"""Examples of a corpus as a person reads them: three for each domain."""

from collections.abc import Iterator

import numpy as np

from jobs.corpora import prepare
from jobs.corpora.generated import GeneratedStore
from jobs.corpora.tasks import Task
from jobs.corpora.tokens import TokenStore

SHOWN = 3
"""Examples of each domain."""
TOKENS = 24
"""Tokens of an example of generated text."""
CHARACTERS = 160
"""Most characters of an example of text."""


def examples(name: str) -> Iterator[tuple[str, str]]:
    """Yield (domain, example) of a corpus. Raises UsageError if it cannot be read.

    >>> next(examples("tasks"))  # doctest: +SKIP
    ('arith', 'start 7, plus 3, that is 10, ... (46 41 39 53 ...)')
    """
    for domain in prepare(name).domains:
        yield from ((domain.label, text) for text in _of(domain.store))


def _of(store: TokenStore) -> Iterator[str]:
    if isinstance(store, GeneratedStore) and isinstance(store.language, Task):
        task = store.language
        prompts = task.drawn("validation", np.random.default_rng(0), SHOWN)
        for prompt, tokens in zip(prompts.tolist(), task.examples(prompts).tolist(), strict=True):
            yield f"{task.read_aloud(prompt)} ({' '.join(map(str, tokens))})"
        return
    is_text = store.manifest.tokenizer == "bytes"
    length = CHARACTERS if is_text else TOKENS
    for tokens in store.read("validation", store.validation_windows(length, SHOWN), length):
        text = bytes(tokens[:-1].astype(np.uint8)).decode("utf-8", "replace") if is_text else ""
        yield " ".join(text.replace("\0", " ").split()) if is_text else " ".join(map(str, tokens[:-1].tolist()))
