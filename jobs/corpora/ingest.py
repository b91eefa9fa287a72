"""Reading a corpus once: documents into a store of bytes, a store of bytes into a store of tokens.

A note in `ingested/` remembers each store by the name of the source and the size and time of its files, so that a plan
does not read its corpus again. A corpus of the hub has no local files and is never read again.
"""

import fcntl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from jobs.corpora import bpe
from jobs.corpora.left_out import LeftOut
from jobs.corpora.names import Source, examples
from jobs.corpora.progress_bar import progress
from jobs.corpora.readers import READERS
from jobs.corpora.readers.reader import Generator, Reader
from jobs.corpora.tokens import TokenStore, is_whole, store_folder
from jobs.corpora.write_store import encode_store, read_documents, with_left_out, write_store
from planners.records.errors import UsageError
from planners.records.files import read_json, write_json
from planners.records.json import content_hash, to_json


def read(source: Source) -> TokenStore:
    """Return the store of bytes of a source, or of generated tokens. Raises UsageError if it cannot be read."""
    reader = READERS.get(source.kind)
    if reader is None:
        raise UsageError(f"the corpus {source.name!r} is unknown; give one of {examples()}")
    known = reader.options
    for option in source.options:
        if option not in known:
            accepted = f"the options {', '.join(known)}" if known else "no options"
            raise UsageError(f"{source.kind} accepts {accepted}, not {option!r} (in a path, write a comma as %2C)")
    if isinstance(reader, Generator):
        return reader.store(source.argument, **source.options)
    try:
        stamps = [_stamp(file) for file in reader.files(source.argument)]
    except OSError as error:
        raise UsageError(f"{error.filename or source.name} cannot be read ({error.strerror})") from error
    key = {"source": to_json(source), "files": stamps}
    return _once(key, lambda: write_store(source.name, _documents(source, reader)))


def tokenized(tokenizer: str, stores: list[TokenStore]) -> list[TokenStore]:
    """Return `stores` of bytes as stores of tokens, all by one tokenizer; bpe:SIZE trains it on all of them."""
    if any(not store.manifest.has_maps for store in stores):
        raise UsageError(f"generated tokens are not text, so {tokenizer} cannot encode them; omit the tokenizer")
    size, loaded = bpe.size_of(tokenizer), list[bpe.BPE]()

    def ready() -> bpe.BPE:
        if not loaded:
            loaded.append(bpe.load(tokenizer) if size is None else bpe.train(size, _training_texts(stores)))
        return loaded[0]

    if size is not None:
        trained_on = [store.manifest.fingerprint for store in stores]
    else:
        trained_on = [] if tokenizer == "gpt2" else [ready().fingerprint]
    return [
        _once(
            {"tokenizer": tokenizer, "of": trained_on, "store": store.manifest.fingerprint},
            lambda store=store: encode_store(store, ready()),  # type: ignore[misc]
        )
        for store in stores
    ]


def _training_texts(stores: list[TokenStore]) -> Iterator[str]:
    """Yield the texts on which a tokenizer is trained: documents of the training splits only."""
    total = sum(store.manifest.text_bytes["train"] for store in stores)
    return bpe.sample((batch for store in stores for batch in read_documents(store, "train")), total)


def _once(key: Mapping[str, object], write: Callable[[], TokenStore]) -> TokenStore:
    """Return the store that was written for `key`, or write it. A second process waits, then finds it."""
    path = store_folder() / "ingested" / f"{content_hash(key)}.json"
    with _lock(path.with_suffix(".lock")):
        if (note := _remembered(path)) and is_whole(folder := store_folder() / note[0]):
            return with_left_out(TokenStore(folder), note[1])
        store = write()
        found = {"fingerprint": store.manifest.fingerprint, "left_out": store.manifest.left_out}
        try:
            write_json(path, {**key, **found})
        except OSError as error:
            raise UsageError(f"{path} could not be written ({error.strerror})") from error
        return store


def _remembered(path: Path) -> tuple[str, dict[str, int]] | None:
    """Return the fingerprint that a note in `ingested/` names, and what was left out; None without a readable note."""
    with suppress(UsageError, KeyError, TypeError, ValueError):
        note = read_json(path)
        return str(note["fingerprint"]), {str(reason): int(count) for reason, count in note["left_out"].items()}
    return None


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Hold a lock file. Some network file systems have no locks; then the work may be done twice."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a")
    except OSError as error:
        raise UsageError(
            f"cannot write corpora to {store_folder()} ({error.strerror}); set SCALING_CORPORA to a folder"
        ) from error
    with file:
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _stamp(path: Path) -> list[object]:
    """Return path, size and time of a file, which change when the file changes."""
    status = path.stat()
    return [str(path.resolve()), status.st_size, status.st_mtime_ns]


def _documents(source: Source, reader: Reader) -> Iterator[bytes | LeftOut]:
    """Yield the documents of a source under a progress bar."""
    with progress(f"reading {source.name}", reader.size(source.argument, **source.options)) as advance:
        for document in reader.documents(source.argument, **source.options):
            yield document
            advance(0 if isinstance(document, LeftOut) else len(document))
