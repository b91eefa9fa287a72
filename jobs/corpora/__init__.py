"""Corpora: each is one small file that yields documents, and one line of SOURCES."""

from collections.abc import Callable, Iterable

from jobs.corpora import hub, stdlib, text
from jobs.corpora.tokens import TokenStore, store_folder, write_store
from planners.errors import UsageError
from planners.question import Corpus
from planners.spec import Data

SOURCES: dict[str, Callable[[str], Iterable[bytes]]] = {
    "stdlib": stdlib.documents,
    "text": text.documents,
    "hf": hub.documents,
}


def prepare(name: str) -> TokenStore:
    """Read the corpus `name` (stdlib, text:PATH, hf:NAME) and return its token store, written if it is new.

    Raises UsageError for an unknown kind and for a corpus that cannot be read.
    """
    kind, _, argument = name.partition(":")
    if kind not in SOURCES:
        raise UsageError(f"the corpus {name!r} is unknown; give one of stdlib, text:PATH, hf:NAME")
    return write_store(name, _counted(name, SOURCES[kind](argument)))


def open_store(data: Data) -> TokenStore:
    """Return the store that `data` names, reading the corpus again where the store is gone.

    Raises UsageError where the corpus is no longer the one that was planned.
    """
    if (store_folder() / data.fingerprint / "manifest.json").is_file():
        return TokenStore(store_folder() / data.fingerprint)
    store = prepare(data.name)
    if store.manifest.fingerprint != data.fingerprint:
        raise UsageError(
            f"the corpus {data.name} is now {store.manifest.fingerprint} and was {data.fingerprint} when the study was"
            " planned; bring the old one back or plan a new study"
        )
    return store


def describe(name: str) -> Corpus:
    """Prepare the corpus `name` and return what the planner must know of it."""
    manifest = prepare(name).manifest
    return Corpus(
        data=Data(name=name, fingerprint=manifest.fingerprint),
        vocab_size=manifest.vocab_size,
        train_tokens=manifest.tokens["train"],
        validation_tokens=manifest.tokens["validation"],
    )


def _counted(name: str, documents: Iterable[bytes]) -> Iterable[bytes]:
    """Pass documents on under a progress bar that shows itself after two seconds."""
    from tqdm import tqdm

    return tqdm(documents, desc=f"reading {name}", unit=" documents", delay=2)
