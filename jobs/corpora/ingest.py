"""Reading a corpus once: documents into a store of bytes, a store of bytes into a store of tokens.

What was read is remembered in `ingested/`, by the name of the source and the size and time of its files, so a plan
does not read its corpus again. A corpus of the hub has no files here and is read once for good.
"""

import fcntl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType

from jobs.corpora import bpe, hub, stdlib, synthetic, text
from jobs.corpora.names import EXAMPLE, Source
from jobs.corpora.progress_bar import progress
from jobs.corpora.tokens import TokenStore, is_whole, store_folder
from jobs.corpora.write_store import encode_store, read_documents, write_store
from planners.records.errors import UsageError
from planners.records.files import read_json, write_json
from planners.records.json import content_hash, to_json

READERS: dict[str, ModuleType] = {"stdlib": stdlib, "text": text, "hf": hub}
"""Modules of one kind of source each: `documents` yields its documents, `files` names the files that it is read from,
`size` tells about how many bytes that will be, and OPTIONS are the settings that a name can give it."""


def read(source: Source) -> TokenStore:
    """Return the store of bytes of a source. Raises UsageError where it cannot be read."""
    if source.kind == "synthetic" and not source.options:
        return synthetic.write(source.argument)
    reader = READERS.get(source.kind)
    if reader is None:
        raise UsageError(f"the corpus {source.name!r} is unknown; give one of {EXAMPLE}")
    for option in source.options:
        if option not in reader.OPTIONS:
            takes = f"one of {', '.join(reader.OPTIONS)}" if reader.OPTIONS else "no options"
            raise UsageError(f"{source.kind} takes {takes}, not {option!r} (a comma in a path is written %2C)")
    try:
        stamps = [_stamp(file) for file in reader.files(source.argument)]
    except OSError as error:
        raise UsageError(f"{error.filename or source.name} cannot be read ({error.strerror})") from error
    key = {"source": to_json(source), "files": stamps}
    return _once(key, lambda: write_store(source.name, _documents(source, reader)))


def tokenized(tokenizer: str, stores: list[TokenStore]) -> list[TokenStore]:
    """Return `stores` of bytes as stores of tokens, all by one tokenizer, which is trained on all if it is to be."""
    if any(not store.manifest.has_maps for store in stores):
        raise UsageError(f"generated tokens are no text that {tokenizer} could encode; leave the tokenizer out")
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
    """Yield the texts a tokenizer is trained on: documents of the training splits, and of nothing else."""
    total = sum(store.manifest.text_bytes["train"] for store in stores)
    return bpe.sample((batch for store in stores for batch in read_documents(store, "train")), total)


def _once(key: Mapping[str, object], write: Callable[[], TokenStore]) -> TokenStore:
    """Return the store that was written for `key`, or write it; a second process waits and finds it."""
    path = store_folder() / "ingested" / f"{content_hash(key)}.json"
    with _lock(path.with_suffix(".lock")):
        if (folder := _remembered(path)) and is_whole(folder):
            return TokenStore(folder)
        store = write()
        try:
            write_json(path, {**key, "fingerprint": store.manifest.fingerprint})
        except OSError as error:
            raise UsageError(f"{path} could not be written ({error.strerror})") from error
        return store


def _remembered(path: Path) -> Path | None:
    """Return the folder of the store that a note of `ingested/` names, or None where there is no such note."""
    with suppress(UsageError, KeyError, TypeError):
        return store_folder() / str(read_json(path)["fingerprint"])
    return None


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Hold a lock file while it can be had; without one (some network file systems) the work may be done twice."""
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
    """Return what changes when a file is changed."""
    status = path.stat()
    return [str(path.resolve()), status.st_size, status.st_mtime_ns]


def _documents(source: Source, reader: ModuleType) -> Iterator[bytes]:
    """Yield the documents of a source under a progress bar."""
    with progress(f"reading {source.name}", reader.size(source.argument, **source.options)) as advance:
        for document in reader.documents(source.argument, **source.options):
            yield document
            advance(len(document))
