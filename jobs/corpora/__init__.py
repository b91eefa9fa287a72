"""Corpora: each kind of source is one small file, and one line of the registry in `readers`.

A corpus is read once (`ingest`): every domain becomes a store of bytes (`tokens`), and with a tokenizer (`bpe`) a store
of tokens. Several domains become a mixture that names their stores (`mixture`).
"""

from fractions import Fraction

from jobs.corpora import bpe, ingest
from jobs.corpora.mixture import Domain, Mixture, mixed, open_folder
from jobs.corpora.names import parse
from jobs.corpora.tokens import is_whole, read_manifest, store_folder
from planners.corpus import Corpus, CorpusDomain
from planners.records.errors import UsageError
from planners.spec import Data


def prepare(name: str) -> Mixture:
    """Return the corpus `name`; it is read and written to stores if it is new or has changed.

    `names` describes the grammar. Raises UsageError for a name that cannot be parsed and a corpus that cannot be read.

    >>> prepare("stdlib")  # doctest: +SKIP
    """
    asked = parse(name)
    if asked.tokenizer != "bytes":
        bpe.size_of(asked.tokenizer)  # a wrong name is reported before anything is read
    stores = [ingest.read(domain.source) for domain in asked.domains]
    if asked.tokenizer != "bytes":
        stores = ingest.tokenized(asked.tokenizer, stores)
    return mixed(
        name,
        tuple(
            Domain(label=domain.label, share=domain.share, store=store)
            for domain, store in zip(asked.domains, stores, strict=True)
        ),
    )


def open_store(data: Data) -> Mixture:
    """Return the corpus that `data` names; it is read again if its stores are missing or damaged.

    Raises UsageError if the corpus has changed since it was planned.
    """
    if (corpus := _stored(data)) is not None:
        return corpus
    corpus = prepare(data.name)
    if corpus.manifest.fingerprint != data.fingerprint:
        raise UsageError(
            f"the corpus {data.name} has fingerprint {corpus.manifest.fingerprint}, but the study was planned with"
            f" {data.fingerprint}; restore the old corpus or plan a new study"
        )
    return corpus


def _stored(data: Data) -> Mixture | None:
    """Return the corpus if all its stores exist and are whole."""
    folder = store_folder() / data.fingerprint
    if not is_whole(folder):
        return None
    manifest = read_manifest(folder)
    if not manifest.domains:
        label = parse(data.name).domains[0].label
        return Mixture(manifest, (Domain(label=label, share=Fraction(1), store=open_folder(folder)),))
    if not all(is_whole(store_folder() / part.fingerprint) for part in manifest.domains):
        return None
    domains = (
        Domain(label=part.label, share=Fraction(part.share), store=open_folder(store_folder() / part.fingerprint))
        for part in manifest.domains
    )
    return Mixture(manifest, tuple(domains))


def describe(name: str) -> Corpus:
    """Prepare the corpus `name` and return the part that the planner needs."""
    corpus = prepare(name)
    return Corpus(
        data=Data(name=name, fingerprint=corpus.manifest.fingerprint),
        vocab_size=corpus.manifest.vocab_size,
        train_tokens=corpus.manifest.tokens["train"],
        validation_tokens=corpus.manifest.tokens["validation"],
        domains=tuple(map(_described, corpus.domains)) if len(corpus.domains) > 1 else (),
        left_out=corpus.manifest.all_left_out,
        answers=tuple(domain.store.answers for domain in corpus.domains if domain.store.answers),
    )


def _described(domain: Domain) -> CorpusDomain:
    """Return one domain of several, as the planner needs it."""
    tokens = domain.store.manifest.tokens
    return CorpusDomain(
        label=domain.label,
        share=domain.share,
        train_tokens=tokens["train"],
        validation_tokens=tokens["validation"],
    )
