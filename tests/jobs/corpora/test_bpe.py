"""BPE corpora: lossless, trained only on the training split, exact bits per byte, stored with the tokens."""

import json
import math
import random
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

from jobs.corpora import bpe, ingest, open_store, prepare
from jobs.corpora.bpe import BPE
from jobs.corpora.write_store import encode_store, read_documents, write_store
from planners import Data, UsageError

TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), min_size=1, max_size=40)


def byte_level(vocabulary: dict[str, int], merges: list[tuple[str, str]]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(vocabulary, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def words(seed: int, count: int) -> str:
    generator = random.Random(seed)
    return " ".join("".join(generator.choices("abcdefgh", k=generator.randint(2, 6))) for _ in range(count))


@pytest.fixture(scope="module")
def trained() -> BPE:
    return bpe.train(400, [words(seed, 50) for seed in range(40)])


@settings(deadline=None)
@given(texts=st.lists(TEXT, min_size=1, max_size=5))
def test_every_text_is_restored(trained: BPE, texts: list[str]) -> None:
    for text, ids in zip(texts, trained.encode(texts), strict=True):
        trained.check(text, ids)
        assert ids[-1] == 0  # the end of a document
        assert 0 not in ids[:-1] or "<|endoftext|>" in text
        assert ids.max() < trained.vocab_size == 400


def test_merges_follow_byte_pair_encoding() -> None:
    """Compared with the algorithm of arXiv 1508.07909: repeatedly merge the most frequent pair."""
    texts = ["low lower lowest newer wider low low"] * 3
    ours = json.loads(bpe.train(257 + 12, texts).saved)["model"]["merges"]
    spelled = Counter(tuple(word) for text in texts for word in (" " + text).replace(" ", " Ġ").split())
    spelled[("l", "o", "w")] += len(texts)  # the first word of a text has no space before it
    spelled[("Ġ", "l", "o", "w")] -= len(texts)
    for first, second in ours[:6]:
        pairs: Counter[tuple[str, str]] = Counter()
        for word, count in spelled.items():
            for pair in pairwise(word):
                pairs[pair] += count
        assert pairs[first, second] == max(pairs.values())
        merged: Counter[tuple[str, ...]] = Counter()
        for word, count in spelled.items():
            letters, at = list[str](), 0
            while at < len(word):
                size = 2 if word[at : at + 2] == (first, second) else 1
                letters.append("".join(word[at : at + size]))
                at += size
            merged[tuple(letters)] += count
        spelled = merged


def test_a_store_of_tokens_has_the_documents_and_the_split_of_its_bytes(trained: BPE) -> None:
    documents = [words(seed, 30).encode() for seed in range(200)] + [b"caf\xe9 %d" % number for number in range(20)]
    plain = write_store("a", documents)
    store = encode_store(plain, trained)
    manifest = store.manifest
    assert manifest.undecodable == 20
    assert manifest.dtype == "uint16"
    assert json.loads((store.folder / "tokenizer.json").read_text()) == json.loads(trained.saved)
    tokenizer = Tokenizer.from_file(str(store.folder / "tokenizer.json"))
    for split in ("train", "validation"):
        tokens = store.tokens(split)
        ends = np.flatnonzero(tokens == 0)
        assert len(ends) == manifest.documents[split]
        texts = [tokenizer.decode(part[:-1].tolist()) for part in np.split(tokens, ends + 1)[:-1]]
        expected = [text for batch in read_documents(plain, split) for text in batch if b"\xe9" not in text]
        assert [text.encode() for text in texts] == expected
        assert manifest.text_bytes[split] == sum(map(len, expected))
    assert store.bytes_per_token == manifest.text_bytes["validation"] / len(store.tokens("validation"))


def test_large_vocabularies_take_four_bytes(trained: BPE) -> None:
    vocabulary = Tokenizer.from_str(trained.saved.decode()).get_vocab()
    wide = byte_level({**{token: number + 70_000 for token, number in vocabulary.items()}}, [])
    store = encode_store(write_store("a", [words(seed, 30).encode() for seed in range(200)]), BPE("wide", wide))
    assert (store.manifest.dtype, store.manifest.vocab_size) == ("uint32", 70_400)
    assert store.tokens("train").min() >= 70_000


def test_domains_share_one_tokenizer_trained_on_training_documents_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCALING_CORPORA", str(tmp_path / "stores"))
    for label in "ab":
        (tmp_path / label).mkdir()
        for number in range(100):
            (tmp_path / label / f"{number}.txt").write_text(words(ord(label) * 1000 + number, 40))
    given_texts: list[str] = []
    train = bpe.train
    monkeypatch.setattr(bpe, "train", lambda size, texts: train(size, (given_texts.append(t) or t for t in texts)))
    name = f"one=text:{tmp_path / 'a'}*0.25+two=text:{tmp_path / 'b'}*0.75@bpe:350"
    corpus = prepare(name)
    assert corpus.manifest.vocab_size == 350
    files = [(domain.store.folder / "tokenizer.json").read_bytes() for domain in corpus.domains]
    assert files[0] == files[1]
    plain = [prepare(f"text:{tmp_path / label}").domains[0].store for label in "ab"]
    documents = {
        split: [text.decode() for store in plain for batch in read_documents(store, split) for text in batch]
        for split in ("train", "validation")
    }
    assert given_texts == documents["train"]
    assert not set(given_texts) & set(documents["validation"])
    # bits per byte of the whole: all bits over all bytes, in the shares of tokens
    rates = [domain.store.bytes_per_token for domain in corpus.domains]
    assert corpus.bytes_per_token == pytest.approx(0.25 * rates[0] + 0.75 * rates[1])
    # it is trained once, and found again by its fingerprint
    given_texts.clear()
    assert prepare(name).manifest.fingerprint == corpus.manifest.fingerprint
    found = open_store(Data(name=name, fingerprint=corpus.manifest.fingerprint))
    assert [domain.share for domain in found.domains] == [domain.share for domain in corpus.domains]
    assert given_texts == []


def test_the_fingerprint_follows_text_tokenizer_weights_and_labels(prose: str) -> None:
    names = [
        f"a={prose}+b=synthetic:facts", f"a={prose}*2+b=synthetic:facts", f"c={prose}+b=synthetic:facts",
        f"a={prose}+b=synthetic:code", prose, f"{prose}@bpe:300", f"{prose}@bpe:301",
    ]  # fmt: skip
    found = [prepare(name).manifest.fingerprint for name in names]
    assert len(set(found)) == len(names)
    assert prepare(f"a={prose}*3+b=synthetic:facts*3").manifest.fingerprint == found[0]


def test_the_same_corpus_twice_is_refused_as_a_mixture(prose: str) -> None:
    with pytest.raises(UsageError, match="are the same corpus"):
        prepare(f"a={prose}+b={prose}")


def test_the_training_sample_is_spread_over_all_documents(monkeypatch: pytest.MonkeyPatch) -> None:
    documents = [b"%03d" % number for number in range(100)]
    monkeypatch.setattr(bpe, "TRAINING_BYTES", 60)
    taken = [int(text) for text in bpe.sample([documents[:30], documents[30:]], 300)]
    assert taken == list(range(0, 100, 5))


def test_a_tokenizer_that_changes_the_text_is_refused(tmp_path: Path) -> None:
    lower = Tokenizer.from_str(bpe.train(400, [words(seed, 50) for seed in range(40)]).saved.decode())
    lower.normalizer = normalizers.Lowercase()
    path = tmp_path / "lower.json"
    lower.save(str(path))
    stores = [write_store("a", [words(seed, 30).title().encode() for seed in range(200)])]
    before = sorted(stores[0].folder.parent.iterdir())
    with pytest.raises(UsageError, match="does not restore the text"):
        ingest.tokenized(str(path), stores)
    assert sorted(stores[0].folder.parent.iterdir()) == before


@pytest.mark.parametrize(
    ("tokenizer", "words"),
    [
        ("@words", "unknown"),
        ("@bpe:", "unknown"),
        ("@bpe:12", "outside"),
        ("@bpe:9999999", "outside"),
        ("@absent/tokenizer.json", "does not exist"),
        ("@gpt2", "cannot be loaded"),
    ],
)
def test_an_invalid_tokenizer_says_why(prose: str, tokenizer: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_: None)
    with pytest.raises(UsageError, match=words):
        prepare(prose + tokenizer)


def test_a_damaged_tokenizer_file_and_too_little_text_give_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("{}")
    (tmp_path / "endless.json").write_text(byte_level({"a": 0}, []).to_str())
    with pytest.raises(UsageError, match=r"is not a tokenizer\.json"):
        bpe.load(str(tmp_path / "bad.json"))
    with pytest.raises(UsageError, match="to end a document"):
        bpe.load(str(tmp_path / "endless.json"))
    with pytest.raises(UsageError, match=r"vocabulary of at most 25\d, not 5000; give @bpe"):
        bpe.train(5000, ["ab"])


def test_the_tokenizer_of_gpt2_comes_from_the_cache_of_the_hub(
    trained: BPE, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    path = tmp_path / "tokenizer.json"
    path.write_bytes(trained.saved)
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *names: str(path))
    assert bpe.load("gpt2").saved == trained.saved


def test_bits_per_byte_do_not_depend_on_the_tokenizer_of_a_uniform_model(trained: BPE) -> None:
    """ln V nats per token over bytes per token, counted independently."""
    plain = write_store("a", [words(seed, 30).encode() for seed in range(200)])
    store = encode_store(plain, trained)
    size = sum(len(text) for batch in read_documents(plain, "validation") for text in batch)
    bits = math.log2(400) * len(store.tokens("validation"))
    assert math.log(400) / math.log(2) / store.bytes_per_token == pytest.approx(bits / size)
