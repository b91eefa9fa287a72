"""Generated domains: floors are exact, and windows are draws from the same distribution."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.stats
import torch
from torch import nn

from jobs.corpora import describe, open_store, prepare
from jobs.corpora.mixture import Mixture
from jobs.corpora.readers.synthetic import LANGUAGES, Code, Facts, Language, Topics, make_windows
from jobs.record import flatten, read_record
from jobs.training import loop
from jobs.training.evaluate import FLOOR_TOLERANCE, Evaluation, evaluate as evaluate_objective
from jobs.training.objectives.next_token import NextToken
from planners import Question, Study, UsageError, make_plan

SMALL = {
    "facts": lambda: Facts(keys=2, symbols=3, length=2),
    "topics": lambda: Topics(topics=2, symbols=4, reach=2),
    "code": lambda: Code(names=2, functions=2, results=2, depth=2),
}


def zipf(n: int) -> list[float]:
    harmonic = sum(1 / rank for rank in range(1, n + 1))
    return [1 / rank / harmonic for rank in range(1, n + 1)]


def facts(language: Facts, prefix: Sequence[int]) -> dict[int, float]:
    """Probabilities of the next token, from the description of the language, not from its code."""
    keys, size = language.keys, 2 + language.values.shape[1]
    chances: Counter[tuple[int, int]] = Counter()
    for key, chance in zip(language.key_of_rank.tolist(), zipf(keys * keys), strict=True):
        chances[divmod(key, keys)] += chance
    record = prefix[len(prefix) - len(prefix) % size :]
    if len(record) == 0:
        return {a: sum(chances[a, b] for b in range(keys)) for a in range(keys)}
    if len(record) == 1:
        whole = sum(chances[record[0], b] for b in range(keys))
        return {b: chances[record[0], b] / whole for b in range(keys)}
    return {int(language.values[record[0] * keys + record[1]][len(record) - 2]): 1.0}


def topics(language: Topics, prefix: Sequence[int]) -> dict[int, float]:
    n, symbols = language.rings.shape
    if len(prefix) == 0:
        return {symbols + topic: chance for topic, chance in enumerate(zipf(n))}
    if len(prefix) == 1:
        return dict.fromkeys(range(symbols), 1 / symbols)
    ring = language.rings[prefix[0] - symbols].tolist()
    steps = zipf(len(language.step.probabilities))
    return {ring[(ring.index(prefix[-1]) + 1 + step) % symbols]: chance for step, chance in enumerate(steps)}


def code(language: Code, prefix: Sequence[int]) -> dict[int, float]:
    names, functions = len(language.name.probabilities), len(language.function.probabilities)
    scopes, rest = list[int](), list(prefix)
    while rest:
        size = 3 if rest[0] == Code.CALL else 2
        statement, rest = rest[:size], rest[size:]
        if len(statement) < size:
            break
        if statement[0] == Code.OPEN:
            scopes.append(statement[1])
        elif statement[0] == Code.CLOSE:
            assert scopes.pop() == statement[1]
        statement = []
    else:
        statement = []
    if not statement:
        kinds = {Code.OPEN: 0.25 if len(scopes) < language.depth else 0, Code.CLOSE: 0.25 if scopes else 0}
        return {**kinds, Code.CALL: 1 - sum(kinds.values())}
    if statement == [Code.OPEN]:
        return {3 + name: chance for name, chance in enumerate(zipf(names))}
    if statement == [Code.CLOSE]:
        return {scopes[-1]: 1.0}
    if statement == [Code.CALL]:
        return {3 + names + function: chance for function, chance in enumerate(zipf(functions))}
    return {language.results[scopes[-1] - 3 if scopes else -1][statement[1] - 3 - names]: 1.0}


NEXT = {"facts": facts, "topics": topics, "code": code}


def sequences(name: str, language: Language, T: int) -> dict[tuple[int, ...], float]:
    """Return every sequence of T tokens with its probability, by enumeration."""
    found: dict[tuple[int, ...], float] = {(): 1.0}
    for _ in range(T):
        found = {
            (*prefix, token): chance * following
            for prefix, chance in found.items()
            for token, following in NEXT[name](language, prefix).items()
            if following
        }
    return found


@pytest.mark.parametrize("name", LANGUAGES)
@pytest.mark.parametrize("T", [1, 2, 3, 7, 10])
def test_the_floor_is_the_entropy_of_all_sequences(name: str, T: int) -> None:
    language = SMALL[name]()
    chances = sequences(name, language, T).values()
    assert sum(chances) == pytest.approx(1)
    assert language.floor(T) == pytest.approx(-sum(p * math.log(p) for p in chances) / T, rel=1e-12)


@pytest.mark.parametrize("name", LANGUAGES)
def test_windows_are_draws_from_these_sequences(name: str) -> None:
    """Whole sequences are counted, so that dependence between tokens which the floor does not know would be seen."""
    language, T, n = SMALL[name](), 6, 20_000
    chances = sequences(name, language, T)
    seen = Counter(map(tuple, make_windows(language, "train", np.arange(n), T)[:, 1:].tolist()))
    assert set(seen) <= set(chances)
    often = {sequence: n * chance for sequence, chance in chances.items() if n * chance >= 5}
    rare = n - sum(often.values())
    observed, expected = [seen[sequence] for sequence in often], list(often.values())
    if rare > 5:
        observed, expected = [*observed, n - sum(observed)], [*expected, rare]
    assert len(observed) > 10
    assert scipy.stats.chisquare(observed, expected, sum_check=False).pvalue > 1e-3


@pytest.mark.parametrize("name", LANGUAGES)
def test_a_predictor_that_knows_the_tables_reaches_the_floor(name: str) -> None:
    language, T = LANGUAGES[name](), 60
    chances = NEXT[name] if name != "facts" else real_facts(language)
    losses = []
    for window in make_windows(language, "validation", np.arange(120), T)[:, 1:].tolist():
        terms = [chances(language, window[:t])[window[t]] for t in range(T)]
        losses.append(-sum(map(math.log, terms)) / T)
    se = np.std(losses, ddof=1) / math.sqrt(len(losses))
    assert 0 < se < 0.05
    assert abs(np.mean(losses) - language.floor(T)) < 4 * se


def real_facts(language: Facts):
    """Return the same as `facts`, with tables computed once."""
    joint = np.zeros((language.keys, language.keys))
    for key, chance in zip(language.key_of_rank.tolist(), zipf(language.keys**2), strict=True):
        joint[divmod(key, language.keys)] = chance
    first, second = joint.sum(1), joint / joint.sum(1, keepdims=True)
    size = 2 + language.values.shape[1]

    def chances(language: Facts, prefix: Sequence[int]) -> dict[int, float]:
        place = len(prefix) % size
        if place == 0:
            return dict(enumerate(first))
        if place == 1:
            return dict(enumerate(second[prefix[-1]]))
        a, b = prefix[len(prefix) - place : len(prefix) - place + 2]
        return {int(language.values[a * language.keys + b][place - 2]): 1.0}

    return chances


@pytest.mark.parametrize("name", LANGUAGES)
def test_the_rate_is_the_floor_of_long_windows(name: str) -> None:
    language = LANGUAGES[name]()
    assert language.floor(60_000) == pytest.approx(language.rate(), rel=1e-3)


def test_a_number_determines_a_window_and_splits_differ() -> None:
    for make in LANGUAGES.values():
        language = make()
        all_, one = (make_windows(language, "train", np.array(numbers), 50) for numbers in ([7, 8, 2**61], [8]))
        assert np.array_equal(all_[1:2], one)
        assert not np.array_equal(make_windows(language, "validation", np.array([8]), 50), one)
        assert len({tuple(row) for row in all_.tolist()}) == 3
        assert 0 <= all_.min() <= all_.max() < 256
        assert (all_[:, 1:] < 253).all()  # markers only start a window


def test_a_study_can_name_it_and_unique_tokens_are_unlimited() -> None:
    corpus = describe("synthetic")
    again = open_store(corpus.data)
    assert [domain.label for domain in again.domains] == ["facts", "topics", "code"]
    assert corpus.vocab_size == 256
    stream = again.stream(32, 32 * 3000, seed=1)
    markers = Counter(stream(0, 300)[:, 0].tolist())
    assert set(markers.values()) == {100}
    assert not np.array_equal(stream(0, 6), again.stream(32, 32 * 3000, seed=2)(0, 6))
    for domain in again.domains:
        assert domain.store.manifest.floor == domain.store.language.rate()  # type: ignore[attr-defined]
    mixed = prepare("facts=synthetic:facts*0.5+python=stdlib*0.5")
    assert mixed.manifest.vocab_size == 256


@pytest.mark.parametrize("name", ["synthetic:none", "x=synthetic", "synthetic:facts,a=1", "synthetic@bpe:512"])
def test_an_invalid_name_gives_one_sentence(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        prepare(name)
    assert "\n" not in str(caught.value)


def test_a_changed_generator_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    data = describe("synthetic:topics").data
    monkeypatch.setitem(LANGUAGES, "topics", lambda: Topics(topics=59))
    with pytest.raises(UsageError, match="plan a new study"):
        open_store(data)


def evaluate(model: nn.Module, corpus: Mixture, windows: int) -> Evaluation:
    """Measure a stand-in for a model on windows of 32 tokens."""
    spec = SimpleNamespace(training=SimpleNamespace(seq_len=32, eval_windows=windows))
    return evaluate_objective(model, corpus, NextToken(spec), torch.device("cpu"), dropped=0.0)


class Oracle(nn.Module):
    """A stand-in for a model that sees the next token, as through a faulty attention mask."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(256, 256, bias=False)
        nn.init.eye_(self.head.weight)

    def hidden(self, tokens: torch.Tensor, domains: torch.Tensor | None = None):
        return 8.0 * nn.functional.one_hot(torch.roll(tokens, -1, dims=1), 256).float(), []


def test_a_model_that_sees_its_targets_is_flagged_below_the_floor() -> None:
    measured = evaluate(Oracle(), prepare("synthetic"), 48)
    assert measured.below_floor
    assert set(measured.domains) == {"facts", "topics", "code"}


class Knowing(nn.Module):
    """A stand-in for a model that knows the tables of a language and moves some probability to the true token."""

    def __init__(self, name: str, peek: float = 0.0) -> None:
        super().__init__()
        self.head = nn.Linear(256, 256, bias=False)
        nn.init.eye_(self.head.weight)
        self.language, self.peek = LANGUAGES[name](), peek
        self.chances = real_facts(self.language) if name == "facts" else NEXT[name]
        self.known: dict[tuple[int, ...], torch.Tensor] = {}

    def hidden(self, tokens: torch.Tensor, domains: torch.Tensor | None = None):
        """Return log probabilities; the true last token is not an input, so its position gets none extra."""
        bets = torch.stack([self.bets(tuple(row)) for row in tokens[:, 1:].tolist()])
        seen = nn.functional.one_hot(tokens[:, 1:], 256).to(bets)
        bets[:, :-1] = (1 - self.peek) * bets[:, :-1] + self.peek * seen
        return bets.clamp(min=1e-30).log().float(), []

    def bets(self, window: tuple[int, ...]) -> torch.Tensor:
        if window not in self.known:
            self.known[window] = torch.zeros(len(window) + 1, 256, dtype=torch.float64)
            for t, row in enumerate(self.known[window]):
                for token, chance in self.chances(self.language, window[:t]).items():
                    row[token] = chance
        return self.known[window].clone()


def below(model: Knowing, corpus: Mixture) -> tuple[float, bool]:
    """Return how many standard errors a loss is below the floor, and whether it is flagged."""
    measured = evaluate(model, corpus, 48)
    domain = measured.domains["synthetic"]
    assert domain.floor is not None
    assert domain.se is not None
    return (domain.floor - domain.loss) / domain.se, measured.below_floor


@pytest.mark.parametrize("name", LANGUAGES)
def test_the_floor_separates_full_knowledge_from_leaked_targets(name: str) -> None:
    """A bisection finds the leak for a quarter of a standard error on each side of the tolerance."""
    model, corpus = Knowing(name), prepare(f"synthetic:{name}")
    depth, flagged = below(model, corpus)
    assert abs(depth) < FLOOR_TOLERANCE
    assert not flagged
    for wanted in (FLOOR_TOLERANCE - 0.25, FLOOR_TOLERANCE + 0.25):
        low, high = 0.0, 0.9
        for _ in range(24):
            model.peek = (low + high) / 2
            low, high = (model.peek, high) if below(model, corpus)[0] < wanted else (low, model.peek)
        depth, flagged = below(model, corpus)
        assert depth == pytest.approx(wanted, abs=0.01)
        assert 0 < model.peek < 0.2  # a small leak already
        assert flagged == (wanted > FLOOR_TOLERANCE)


def test_a_few_windows_never_raise_the_flag() -> None:
    """A standard error from a few windows is unreliable: with two, one honest loss in 14 is 5 of them below."""
    corpus = prepare("synthetic:code")
    found = [evaluate(Oracle(), corpus, windows).below_floor for windows in (1, 2, 15, 16)]
    assert found == [False, False, False, True]


@pytest.mark.parametrize("name", LANGUAGES)
def test_the_standard_error_fits_a_predictor_at_the_floor(name: str) -> None:
    """Over many samples, a predictor that knows the tables deviates from the floor by its standard errors."""
    language, T, n, samples = LANGUAGES[name](), 32, 16, 50
    chances, off = real_facts(language) if name == "facts" else NEXT[name], []
    for sample in range(samples):
        windows = make_windows(language, "validation", np.arange(n * sample, n * (sample + 1)), T)[:, 1:].tolist()
        losses = [-sum(math.log(chances(language, row[:t])[row[t]]) for t in range(T)) / T for row in windows]
        off.append((np.mean(losses) - language.floor(T)) / (np.std(losses, ddof=1) / math.sqrt(n)))
    assert scipy.stats.kstest(off, scipy.stats.t(n - 1).cdf).pvalue > 1e-3
    assert 0.75 < np.std(off) < 1.4
    assert np.abs(off).max() < FLOOR_TOLERANCE


def test_no_trained_model_has_a_loss_below_the_floor(
    tiny_question: Question, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Languages so small that a few hundred steps come close to the floors, where a leak would show."""
    easy = {
        "facts": lambda: Facts(keys=2, symbols=8, length=2),
        "topics": lambda: Topics(topics=2, symbols=8, reach=2),
        "code": lambda: Code(names=2, functions=2, results=2, depth=1),
    }
    for name, make in easy.items():
        monkeypatch.setitem(LANGUAGES, name, make)
    asked = replace(
        tiny_question, data="synthetic", budgets=(2e10,), top_ks=(2,), batch_tokens=512, lr=0.01, eval_windows=600
    )
    study = Study(tmp_path / "floors")
    study.write(make_plan(asked, describe("synthetic")))
    for spec in study.runs():
        study.run_folder(spec.run_id).mkdir(parents=True)
        record = loop.train(study, spec)
        assert "below_floor" not in record.flags
        for name, measured in record.domains.items():
            assert measured.floor == easy[name]().floor(32)
            assert measured.se is not None
            assert measured.floor - 4 * measured.se < measured.loss < measured.floor + 0.15, (name, measured)
        assert read_record(study, spec) == record
        row = flatten(record)
        assert row["domains.code.floor"] == record.domains["code"].floor
        assert row["loss"] == pytest.approx(sum(domain.loss for domain in record.domains.values()) / 3)
