"""An open corpus: one or several domains with exact shares, the training stream and the validation set."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from jobs.corpora.generated import GeneratedStore
from jobs.corpora.readers import language_of
from jobs.corpora.tokens import GENERATED, SPLITS, Manifest, ManifestDomain, TokenStore, read_manifest
from jobs.corpora.window_order import Shares, WindowOrder
from jobs.corpora.write_store import publish
from planners.records.errors import UsageError
from planners.records.json import content_hash, to_json


@dataclass(frozen=True, kw_only=True)
class Domain:
    """One domain of an open corpus."""

    label: str
    """Its name in records."""
    share: Fraction
    """Its share of the tokens of every run."""
    store: TokenStore
    """Its tokens."""


class Mixture:
    """An open corpus; a plain corpus is its own single domain."""

    def __init__(self, manifest: Manifest, domains: tuple[Domain, ...]):
        self.manifest, self.domains = manifest, domains

    @property
    def bytes_per_token(self) -> float:
        """Bytes of text per token of the validation splits, weighted by the shares of the domains."""
        if len(self.domains) == 1:
            return self.domains[0].store.bytes_per_token
        return sum(float(domain.share) * domain.store.bytes_per_token for domain in self.domains)

    def stream(self, seq_len: int, U: int, seed: int) -> "Stream":
        """Return the training windows of a run. Raises UsageError if a domain has fewer than its part of U."""
        return Stream(self.domains, seq_len, U // seq_len, seed)

    def answers(self, seq_len: int) -> list[list[bool]]:
        """Return which of the `seq_len` targets of a window are answers, for each domain; empty if one has none."""
        patterns = [domain.store.answers for domain in self.domains]
        return [pattern.of(seq_len) for pattern in patterns if pattern] if all(patterns) else []

    def validation_counts(self, windows: int) -> list[int]:
        """Return the validation windows of each domain: its share of `windows`, and at least one."""
        counts = Shares([domain.share for domain in self.domains], windows).before(windows)
        return [max(1, count) for count in counts]


class Stream:
    """The training windows of a run by their position: a pure function of corpus, seq_len, U and seed.

    The domains alternate in a fixed pattern with exact shares. The unique windows of a domain are the first of a random
    order of all its windows, fixed by the seed. They are therefore spread over the corpus, and a smaller U is a subset
    of a larger one. Every epoch repeats the pattern and reshuffles the windows within their domain.
    """

    def __init__(self, domains: tuple[Domain, ...], seq_len: int, n_unique: int, seed: int):
        self.domains, self.seq_len, self.n_unique = domains, seq_len, n_unique
        self._shares = Shares([domain.share for domain in domains], n_unique)
        self._unique = self._shares.before(n_unique)
        self._orders = []
        for number, (domain, count) in enumerate(zip(domains, self._unique, strict=True)):
            _check(domain, count, seq_len, n_unique)
            place = [number] if len(domains) > 1 else []
            first = domain.store.unique_windows(seq_len, count, [seed, 0, *place])
            self._orders.append(WindowOrder(first, [seed, *place]))

    def __call__(self, start: int, count: int) -> np.ndarray:
        """Return the windows at positions start … start + count - 1, shape (count, seq_len + 1), int64."""
        windows = np.empty((count, self.seq_len + 1), dtype=np.int64)
        for domain, places, numbers in self.numbers(start, count):
            windows[places] = domain.store.read("train", numbers, self.seq_len)
        return windows

    def domain_of(self, start: int, count: int) -> np.ndarray:
        """Return the number of the domain of the windows at these positions, shape (count,), int64."""
        return self._shares.of(np.arange(start, start + count) % self.n_unique).astype(np.int64)

    def numbers(self, start: int, count: int) -> Iterator[tuple[Domain, np.ndarray, np.ndarray]]:
        """Yield each domain, its positions among the `count` windows, and the numbers of its windows there."""
        epoch, offset = divmod(start, self.n_unique)
        chosen = self._shares.of(np.arange(start, start + count) % self.n_unique)
        before = self._shares.before(offset)
        for index, domain in enumerate(self.domains):
            places = np.flatnonzero(chosen == index)
            first = epoch * self._unique[index] + before[index]
            yield domain, places, self._orders[index](first, len(places))


def open_folder(folder: Path) -> TokenStore:
    """Return the store in a folder, of text or generated. Raises UsageError if it cannot be read."""
    tokenizer = read_manifest(folder).tokenizer
    if not tokenizer.startswith(GENERATED):
        return TokenStore(folder)
    return GeneratedStore(folder, language_of(tokenizer.removeprefix(GENERATED)))


def mixed(name: str, domains: tuple[Domain, ...]) -> Mixture:
    """Return the corpus of `domains`; for several, also write the manifest that names their stores.

    A document of two domains is in the same split of both, and counts once for each in U. Raises UsageError if two
    domains are the same corpus, because their unique tokens would not be unique.
    """
    first = domains[0].store.manifest
    if len(domains) == 1:
        return Mixture(first, domains)
    if len({domain.store.manifest.fingerprint for domain in domains}) < len(domains):
        raise UsageError(f"two domains of {name} are the same corpus; give it once, with the sum of their weights")
    parts = [
        ManifestDomain(label=domain.label, share=str(domain.share), fingerprint=domain.store.manifest.fingerprint)
        for domain in domains
    ]
    manifests = [domain.store.manifest for domain in domains]
    manifest = Manifest(
        name=name,
        fingerprint=content_hash(to_json(parts), length=16),
        tokenizer=first.tokenizer,
        vocab_size=max(each.vocab_size for each in manifests),
        dtype=first.dtype,
        documents=_sums(each.documents for each in manifests),
        tokens=_sums(each.tokens for each in manifests),
        text_bytes=_sums(each.text_bytes for each in manifests),
        duplicates=sum(each.duplicates for each in manifests),
        undecodable=sum(each.undecodable for each in manifests),
        left_out=dict(sum((Counter(each.left_out) for each in manifests), Counter())),
        shares_prompts=any(each.shares_prompts for each in manifests),
        domains=tuple(parts),
    )
    publish(name, lambda folder: manifest)
    return Mixture(manifest, domains)


def _sums(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    """Return the sums of counts per split."""
    rows = list(counts)
    return {split: sum(row[split] for row in rows) for split in SPLITS}


def _check(domain: Domain, count: int, seq_len: int, n_unique: int) -> None:
    """Raise UsageError if the domain does not have `count` unique windows, or if `count` is 0."""
    windows = domain.store.windows("train", seq_len)
    if count > windows:
        raise UsageError(
            f"the corpus {domain.label} has {windows} windows of {seq_len} tokens, fewer than the {count} that"
            f" U = {n_unique * seq_len} needs; give fewer --unique-tokens, or a larger corpus"
        )
    if not count:
        raise UsageError(
            f"U = {n_unique * seq_len} leaves no window for the domain {domain.label} with share"
            f" {float(domain.share):g}; give more --unique-tokens, or omit the domain"
        )
