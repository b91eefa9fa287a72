"""The stream of a run: exact shares, exact repeats, nested subsets, and readable from any position."""

import json
import math
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from jobs.corpora.mixture import Domain, Stream
from jobs.corpora.tokens import TokenStore, read_windows
from jobs.corpora.window_order import Shares, pattern
from jobs.corpora.write_store import write_store
from planners import UsageError
from planners.records.json import to_json

T = 4
WEIGHTS = st.lists(st.fractions(Fraction(1, 12), 5, max_denominator=12), min_size=1, max_size=4)


class Numbered(TokenStore):
    """A store in memory whose tokens are all different, so that a token shows where it was read."""

    def __init__(self, first: int, windows: int):
        self._tokens = np.arange(first, first + windows * T + 1)

    def tokens(self, split: str) -> np.ndarray:
        return self._tokens

    def windows(self, split: str, seq_len: int) -> int:
        return (len(self._tokens) - 1) // seq_len


def shares_of(weights: list[Fraction]) -> list[Fraction]:
    return [weight / sum(weights) for weight in weights]


def domains_of(weights: list[Fraction], windows: int) -> tuple[Domain, ...]:
    return tuple(
        Domain(label=f"d{number}", share=share, store=Numbered(number * 1_000_000, windows))
        for number, share in enumerate(shares_of(weights))
    )


@settings(deadline=None)
@given(weights=WEIGHTS, length=st.integers(1, 400))
def test_every_prefix_of_the_pattern_has_the_shares_to_the_window(weights: list[Fraction], length: int) -> None:
    shares = shares_of(weights)
    kept = Shares(shares, length)
    domains = kept.of(np.arange(length))
    for n in range(length + 1):
        counts = [int((domains[:n] == domain).sum()) for domain in range(len(shares))]
        assert counts == kept.before(n)
        assert sum(counts) == n
        for share, count in zip(shares, counts, strict=True):
            assert math.floor(share * n) <= count <= math.ceil(share * n)
    assert np.array_equal(pattern(shares, length), domains[: len(pattern(shares, length))])


@settings(deadline=None)
@given(
    weights=WEIGHTS, unique=st.integers(1, 60), length=st.integers(1, 150), seed=st.integers(0, 5),
    chunk=st.integers(1, 30),
)  # fmt: skip
def test_every_unique_token_is_seen_equally_often_from_any_position(
    weights: list[Fraction], unique: int, length: int, seed: int, chunk: int
) -> None:
    domains = domains_of(weights, 70)
    try:
        seen = Stream(domains, T, unique, seed)(0, length)
    except UsageError as error:
        assert "leaves no window" in str(error)  # for a window of a domain
        return
    counts = Counter(seen[:, :-1].ravel().tolist())
    assert set(counts.values()) <= {length // unique, -(-length // unique)}
    assert len(counts) == T * min(unique, length)
    # in pieces, each by a fresh stream as after a resume, it is the same
    pieces = [Stream(domains, T, unique, seed)(at, min(chunk, length - at)) for at in range(0, length, chunk)]
    assert np.array_equal(np.concatenate(pieces), seen)
    # targets are the next tokens
    assert np.array_equal(seen[:, 1:], seen[:, :-1] + 1)


@settings(deadline=None)
@given(weights=WEIGHTS, small=st.integers(20, 60), more=st.integers(0, 40), seed=st.integers(0, 5))
def test_smaller_u_is_a_subset_and_the_first_epoch_is_shared(
    weights: list[Fraction], small: int, more: int, seed: int
) -> None:
    domains = domains_of(weights, 110)
    try:
        few, many = (Stream(domains, T, unique, seed) for unique in (small, small + more))
    except UsageError as error:
        assert "leaves no window" in str(error)
        return
    assert np.array_equal(many(0, small), few(0, small))
    second = few(small, small)
    assert set(second.ravel()) == set(few(0, small).ravel())
    assert not np.array_equal(second, few(0, small))
    third = few(2 * small, small)
    assert not np.array_equal(third, second)


def test_the_order_of_a_single_corpus_never_changes() -> None:
    """Run ids depend on the order, so it must never change; this repeats the rule independently."""
    domains = domains_of([Fraction(1)], 100)
    stream = Stream(domains, T, 30, seed=3)
    first = np.random.default_rng([3, 0]).permutation(100)[:30]
    second = first[np.random.default_rng([3, 1]).permutation(30)]
    expected = read_windows(domains[0].store.tokens("train"), np.concatenate([first, second]), T)
    assert np.array_equal(stream(0, 60), expected)


def test_unique_windows_are_spread_over_the_corpus() -> None:
    stream = Stream(domains_of([Fraction(1)], 10_000), T, 1000, seed=0)
    tenths = np.bincount(stream(0, 1000)[:, 0] // (T * 1000), minlength=10)
    assert tenths.min() > 60
    assert tenths.max() < 140


def test_more_windows_than_a_domain_has_are_refused() -> None:
    with pytest.raises(UsageError, match="d0 has 10 windows of 4 tokens, fewer than the 20 that U = 160 needs"):
        Stream(domains_of([Fraction(1), Fraction(1)], 10), T, 40, seed=0)
    with pytest.raises(UsageError, match="leaves no window for the domain d0"):
        Stream(domains_of([Fraction(1), Fraction(99)], 1000), T, 40, seed=0)


MEASURE = """
import resource, sys
from pathlib import Path
from fractions import Fraction
from jobs.corpora.mixture import Domain, Stream
from jobs.corpora.tokens import TokenStore

peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
before = peak()
store = TokenStore(Path(sys.argv[1]))
stream = Stream((Domain(label="a", share=Fraction(1), store=store),), 2048, 10**9 // 2048 - 1, 0)
for step in range(20):
    assert stream(step * 8, 8).shape == (8, 2049)
print(peak() - before)
"""


def test_a_map_of_1e9_tokens_opens_in_constant_memory(tmp_path: Path) -> None:
    """Peak memory grows by the window order and the pages read, not by the 2 GB of the map."""
    store = write_store("a", [b"%d" % number for number in range(100)])
    manifest = replace(store.manifest, dtype="uint16", tokens={"train": 10**9, "validation": 100})
    (tmp_path / "manifest.json").write_text(json.dumps(to_json(manifest)))
    with open(tmp_path / "train.bin", "wb") as file:
        file.truncate(2 * 10**9)  # a hole: it takes no disk
    done = subprocess.run([sys.executable, "-c", MEASURE, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 40e6
