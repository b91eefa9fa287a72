"""Generated domains with exact entropy floors: facts, topics and code, with unlimited unique tokens.

Each window is an independent draw, generated from its number when it is read. Its first token names the domain and is
never a target; the seq_len tokens after it are targets. Each language is a Markov source: given its fixed tables, the
next draw depends on the tokens so far only through a state that they determine. So by the chain rule

    H(x_1 … x_T) / T = 1/T sum_t H(x_t | x_<t) = 1/T sum_t sum_s P(S_t = s) h(s),

with h(s) the entropy of the draw in state s and P(S_t) from the transition matrix of the phases (h is averaged over
the rest of the state). No predictor has a smaller expected loss, and one that knows the tables reaches it.

    facts    keys drawn by Zipf's law, each followed by its own fixed random value: tests memory
    topics   a topic named at the start orders all symbols on its own ring, and the text walks on it: tests long range
    code     nested scopes that close by name, and calls whose result depends on the innermost scope: tests structure
"""

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np

from jobs.corpora.generated import SEED, GeneratedStore, Language, make_windows, written
from jobs.corpora.readers.reader import Generator
from planners.records.registry import look_up

__all__ = ["GENERATOR", "LANGUAGES", "make_windows"]


class Draw:
    """Outcomes 0 … n - 1 with known probabilities, shape (n,)."""

    def __init__(self, probabilities: np.ndarray):
        self.probabilities = probabilities
        self._bounds = np.cumsum(probabilities)[:-1]
        positive = probabilities[probabilities > 0]
        self.entropy = float(-(positive * np.log(positive)).sum())

    def __call__(self, uniform: np.ndarray) -> np.ndarray:
        """Return the outcomes for uniform numbers in [0, 1), same shape."""
        return np.searchsorted(self._bounds, uniform, side="right")


def zipf(n: int) -> Draw:
    """Return the draw of a rank 0 … n - 1 under Zipf's law: rank k - 1 has probability proportional to 1 / k."""
    weights = 1 / np.arange(1, n + 1)
    return Draw(weights / weights.sum())


class Source(Language):
    """A Markov source. It starts in phase 0; `transitions` is (phases, phases), `entropies` (phases,) in nats."""

    transitions: np.ndarray
    entropies: np.ndarray

    @abstractmethod
    def sample(self, uniform: np.ndarray) -> np.ndarray:
        """Return the targets of a window, shape (T,), from T numbers drawn uniformly from [0, 1)."""

    def draw(self, split: str, generators: Sequence[np.random.Generator], T: int) -> np.ndarray:
        """Return the T targets of each window; both splits are drawn from the same source."""
        return np.stack([self.sample(generator.random(T)) for generator in generators])

    def floor(self, seq_len: int) -> float:
        """Return the entropy of the targets of a window, nats per token."""
        phase, total = np.eye(len(self.entropies))[0], 0.0
        for _ in range(seq_len):
            total += float(phase @ self.entropies)
            phase = phase @ self.transitions
        return total / seq_len

    def rate(self) -> float:
        """Return the limit of the floor for long windows, in nats, from the stationary distribution of phases."""
        n = len(self.entropies)
        equations = np.vstack([self.transitions.T - np.eye(n), np.ones(n)])
        stationary = np.linalg.lstsq(equations, np.eye(n + 1)[n], rcond=None)[0]
        return float(stationary @ self.entropies)


class Facts(Source):
    """Records of two key tokens, drawn as a pair by Zipf's law, and four value tokens from the table."""

    marker = 253

    def __init__(self, keys: int = 128, symbols: int = 64, length: int = 4):
        generator = np.random.default_rng([SEED, 1])
        self.keys, self.rank = keys, zipf(keys * keys)
        self.key_of_rank = generator.permutation(keys * keys)
        self.values = keys + generator.integers(symbols, size=(keys * keys, length))
        joint = np.empty(keys * keys)
        joint[self.key_of_rank] = self.rank.probabilities
        first = Draw(joint.reshape(keys, keys).sum(1)).entropy
        self.entropies = np.array([first, self.rank.entropy - first] + [0.0] * length)
        self.transitions = np.roll(np.eye(length + 2), 1, axis=1)

    def sample(self, uniform: np.ndarray) -> np.ndarray:
        """Return records; the last one is cut at the end of the window."""
        size = 2 + self.values.shape[1]
        keys = self.key_of_rank[self.rank(uniform[::size])]
        records = np.column_stack([keys // self.keys, keys % self.keys, self.values[keys]])
        return records.ravel()[: len(uniform)]


class Topics(Source):
    """A topic drawn by Zipf's law, a first symbol anywhere on its ring, then steps of 1 to `reach` along the ring.

    Every symbol has `reach` successors with the same probabilities, so every step has the same entropy.
    """

    marker = 254

    def __init__(self, topics: int = 32, symbols: int = 96, reach: int = 4):
        generator = np.random.default_rng([SEED, 2])
        self.rings = np.array([generator.permutation(symbols) for _ in range(topics)])
        self.topic, self.step = zipf(topics), zipf(reach)
        self.entropies = np.array([self.topic.entropy, np.log(symbols), self.step.entropy])
        self.transitions = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 1.0]])

    def sample(self, uniform: np.ndarray) -> np.ndarray:
        """Return a topic and a walk on its ring."""
        symbols = self.rings.shape[1]
        topic = self.topic(uniform[:1])
        start = (uniform[1:2] * symbols).astype(np.int64)
        walk = np.cumsum(np.concatenate([start, 1 + self.step(uniform[2:])])) % symbols
        return np.concatenate([symbols + topic, self.rings[topic[0], walk]])


class Code(Source):
    """Statements: `open NAME`, `close NAME` of the innermost scope, or `call FUNCTION RESULT` by the scope's table.

    The outermost level cannot be closed, and the innermost cannot open another; a call replaces either statement.
    """

    marker = 255
    OPEN, CLOSE, CALL = 0, 1, 2

    def __init__(self, names: int = 32, functions: int = 64, results: int = 64, depth: int = 6):
        generator = np.random.default_rng([SEED, 3])
        self.depth, self.name, self.function = depth, zipf(names), zipf(functions)
        self.first_function, self.first_result = 3 + names, 3 + names + functions
        table = self.first_result + generator.integers(results, size=(names + 1, functions))
        self.results = table.tolist()  # the last row belongs to the outermost level
        self.transitions, self.entropies = self._phases()
        self._bounds = [(kinds[0], kinds[0] + kinds[1]) for kinds in map(self.kinds, range(depth + 1))]

    def kinds(self, level: int) -> tuple[float, float, float]:
        """Return the probabilities of open, close and call inside `level` scopes."""
        opening, closing = 0.25 * (level < self.depth), 0.25 * (level > 0)
        return opening, closing, 1 - opening - closing

    def _phases(self) -> tuple[np.ndarray, np.ndarray]:
        """Return transitions and entropies; phase 5 level + i is: kind, opened name, closed name, function, result."""
        transitions, entropies = np.zeros((5 * (self.depth + 1),) * 2), []
        for level in range(self.depth + 1):
            kinds, here = self.kinds(level), 5 * level
            transitions[here, here + 1 : here + 4] = kinds
            transitions[here + 1, min(here + 5, 5 * self.depth)] = 1  # enters one more scope
            transitions[here + 2, max(here - 5, 0)] = 1
            transitions[here + 3, here + 4] = transitions[here + 4, here] = 1
            entropies += [Draw(np.array(kinds)).entropy, self.name.entropy, 0.0, self.function.entropy, 0.0]
        return transitions, np.array(entropies)

    def sample(self, uniform: np.ndarray) -> np.ndarray:
        """Return statements; the last one is cut at the end of the window."""
        T, names, functions = len(uniform), self.name(uniform).tolist(), self.function(uniform).tolist()
        tokens, scopes, kind_of = list[int](), list[int](), uniform.tolist()
        while (place := len(tokens)) < T:
            opened, closed = self._bounds[len(scopes)]
            following = min(place + 1, T - 1)  # a statement that does not fit is cut below
            if kind_of[place] < opened:
                scopes.append(names[following])
                tokens += [self.OPEN, 3 + scopes[-1]]
            elif kind_of[place] < closed:
                tokens += [self.CLOSE, 3 + scopes.pop()]
            else:
                scope, function = scopes[-1] if scopes else -1, functions[following]
                tokens += [self.CALL, self.first_function + function, self.results[scope][function]]
        return np.array(tokens[:T])


LANGUAGES: dict[str, type[Source]] = {"facts": Facts, "topics": Topics, "code": Code}
"""Languages by name."""


def language(name: str) -> Language:
    """Return the language `name`. Raises UsageError for an unknown one."""
    return look_up(LANGUAGES, name, "synthetic domain")()


def store(name: str) -> GeneratedStore:
    """Return the store of the language `name`. Raises UsageError for an unknown one."""
    return written(f"synthetic:{name}", name, language(name))


GENERATOR = Generator(example="synthetic", store=store, language=language)
