"""Generated tasks as chains of rules: a state, then steps of an operation, an operand and the new state.

An example of four steps in the worked layout has 14 tokens: `x  o y v  o y v  o y v  o y v  .`, and the four v are its
answers. In the layout asked the answers follow the question: `x  o y  o y  o y  o y  =  v , v , v , v  .`. A window is
the marker of its task, then examples. The rules of a task are one frozen table of operations x states x operands.

Prompts (the state and every operation and operand) are uniform over those of a split, and answers follow from them. So
an example has ln(prompts of the split) nats, counted by enumeration, and no model can have a lower loss.
"""

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from jobs.corpora.generated import SEED, Language
from planners.corpus import AnswerPattern
from planners.records.errors import UsageError

FORMS, LAYOUTS, SYMBOLS = ("hard", "easy"), ("worked", "asked"), ("shared", "own")
MOST_RULES = 8
"""Most frozen tables of one task."""
LARGEST_VOCABULARY = 1024
FEW_PROMPTS = 10_000
"""With fewer prompts both splits draw from all of them."""
HELD_OUT = 13
"""One prompt in this many belongs to the validation split, chosen by its hash."""
STOP, EQUALS, COMMA, FIRST_MARKER = 0, 1, 2, 4
"""Ids of the signs, and of the marker of the first task."""
BLOCK = 2**22
"""Prompts that are enumerated at once."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a task is made of, as the name of a corpus says it. Raises UsageError for what no task can have."""

    form: str = "hard"
    """hard: three operations and several steps; easy: one operation and one step."""
    values: int = 16
    """Number m of states."""
    operands: int = 4
    """Number of operands."""
    steps: int = 4
    """Steps of an example."""
    symbols: str = "shared"
    """shared: every task uses the same ids, so that only the marker tells them apart; own: values and operations of
    each task have ids of their own."""
    layout: str = "worked"
    """worked: each answer follows its step; asked: all answers follow the question."""
    rules: int = 1
    """Which frozen table of the same kind: 1, 2 …"""

    def __post_init__(self) -> None:
        for name, known in (("form", FORMS), ("layout", LAYOUTS), ("symbols", SYMBOLS)):
            if getattr(self, name) not in known:
                raise UsageError(f"{name}={getattr(self, name)} of a task is not one of {', '.join(known)}")
        for name, least, most in (("values", 4, 512), ("operands", 1, self.values), ("steps", 1, 8)):
            if not least <= getattr(self, name) <= most:
                raise UsageError(f"{name}={getattr(self, name)} of a task must be between {least} and {most}")
        if not 1 <= self.rules <= MOST_RULES:
            raise UsageError(f"rules={self.rules} of a task must be between 1 and {MOST_RULES}")

    @classmethod
    def parsed(cls, texts: dict[str, str]) -> "Options":
        """Return the options of the texts that a corpus name gives."""
        numbers = ("values", "operands", "steps", "rules")
        for name in numbers:
            if name in texts and not texts[name].isdecimal():
                raise UsageError(f"{name}={texts[name]} of a task is not a whole number")
        given = {name: int(text) if name in numbers else text for name, text in texts.items()}
        if given.get("form") == "easy":
            given = {"steps": 1, **given}
        return cls(**given)  # type: ignore[arg-type]

    @property
    def key(self) -> str:
        """The options as text, each of them named."""
        return ",".join(f"{name}={value}" for name, value in vars(self).items())


class Task(Language, ABC):
    """A chain of rules over m states. A subclass gives its table and the words to read it by."""

    number: int
    """Place of the task among all tasks."""

    def __init__(self, options: Options):
        self.options = options
        self.n_operations = 1 if options.form == "easy" else 3
        self.block = self.number + 4 * (options.rules - 1)
        self.marker = FIRST_MARKER + self.block
        self.shares_prompts = self.prompts < FEW_PROMPTS
        self.table = self.rules(self.generator(1))[: self.n_operations]
        """(operations, states, operands): the new state."""
        renamed = self.number or options.rules > 1
        self.names = self.generator(2).permutation(options.values) if renamed else np.arange(options.values)
        """(states,): which value id stands for a state."""
        self.vocab_size = self._vocab_size()

    @abstractmethod
    def rules(self, generator: np.random.Generator) -> np.ndarray:
        """Return the new state for each (operation, state, operand), shape (3, m, operands)."""

    @abstractmethod
    def state_words(self) -> list[str]:
        """Return how a person reads each state."""

    @abstractmethod
    def step_words(self) -> list[list[str]]:
        """Return how a person reads each (operation, operand)."""

    def generator(self, purpose: int) -> np.random.Generator:
        """Return the random numbers that fix a part of this task and these rules."""
        return np.random.default_rng([SEED, 100 + self.block, purpose])

    def operand_numbers(self) -> np.ndarray:
        """Return the number that each operand stands for: 0, 1 … in the first rules, else a frozen draw below m."""
        m, operands = self.options.values, self.options.operands
        return np.arange(operands) if self.options.rules == 1 else self.generator(3).permutation(m)[:operands]

    @property
    def choices(self) -> int:
        """Pairs of an operation and an operand."""
        return self.n_operations * self.options.operands

    @property
    def prompts(self) -> int:
        """Number of prompts: states times choices to the power of the steps."""
        return self.options.values * int(self.choices**self.options.steps)

    @cached_property
    def answers(self) -> AnswerPattern:  # type: ignore[override]
        """Which tokens of an example are answers."""
        steps = self.options.steps
        if self.options.layout == "worked":
            return AnswerPattern(example=(False, *((False, False, True) * steps), False))
        return AnswerPattern(example=(*((False,) * (2 * steps + 2)), *((True, False) * steps)))

    def _vocab_size(self) -> int:
        """Return the vocabulary: 256, or what own symbols need, in multiples of 8."""
        blocks = 4 * self.options.rules if self.options.symbols == "own" else 1
        size = max(256, math.ceil((self._base + blocks * self._block_size) / 8) * 8)
        if size > LARGEST_VOCABULARY:
            raise UsageError(
                f"values={self.options.values} with symbols={self.options.symbols} needs {size} ids, and"
                f" {LARGEST_VOCABULARY} is the most; give fewer values or shared symbols"
            )
        return size

    @property
    def _base(self) -> int:
        return FIRST_MARKER + 4 * MOST_RULES + self.options.operands

    @property
    def _block_size(self) -> int:
        return 3 + self.options.values

    @property
    def symbols(self) -> tuple[int, int, int]:
        """First ids of the operands, of the operations and of the values."""
        first = self._base + (self.block * self._block_size if self.options.symbols == "own" else 0)
        return self._base - self.options.operands, first, first + 3

    def draw(self, split: str, generators: Sequence[np.random.Generator], T: int) -> np.ndarray:
        """Return examples of the split; the last one of a window is cut at its end."""
        count = math.ceil(T / len(self.answers.example))
        prompts = np.concatenate([self.drawn(split, generator, count) for generator in generators])
        return self.examples(prompts).reshape(len(generators), -1)[:, :T]

    def drawn(self, split: str, generator: np.random.Generator, count: int) -> np.ndarray:
        """Return prompts, uniform over those of the split, by drawing until enough belong to it."""
        at_once = count * (2 if split == "train" else 2 * HELD_OUT)
        kept = np.empty(0, dtype=np.int64)
        while len(kept) < count:
            drawn = generator.integers(self.prompts, size=count if self.shares_prompts else at_once)
            kept = np.concatenate([kept, drawn[self.in_split(drawn, split)]])
        return kept[:count]

    def in_split(self, prompts: np.ndarray, split: str) -> np.ndarray:
        """Return whether each prompt belongs to a split, by its hash; where prompts are few, all belong to both."""
        if self.shares_prompts:
            return np.ones(len(prompts), bool)
        hashes = mixed(prompts.astype(np.uint64) + np.uint64(self.block << 48))
        held_out: np.ndarray = hashes % np.uint64(HELD_OUT) == 0
        return held_out if split == "validation" else ~held_out

    def steps_of(self, prompts: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
        """Yield state, operation, operand and new state of each step, each of the shape of `prompts`."""
        rest, state = prompts // self.options.values, prompts % self.options.values
        for _ in range(self.options.steps):
            operation, operand = np.divmod(rest % self.choices, self.options.operands)
            rest, new = rest // self.choices, self.table[operation, state, operand]
            yield state, operation, operand, new
            state = new

    def examples(self, prompts: np.ndarray) -> np.ndarray:
        """Return the tokens of examples, shape (prompts, tokens of an example), int64."""
        operand_ids, operation_ids, value_ids = self.symbols
        steps = list(self.steps_of(prompts))
        names = value_ids + self.names
        stop, comma = np.full_like(prompts, STOP), np.full_like(prompts, COMMA)
        asked = [(operation_ids + operation, operand_ids + operand) for _, operation, operand, _ in steps]
        given = [names[new] for *_, new in steps]
        columns = [names[prompts % self.options.values]]
        if self.options.layout == "worked":
            for pair, answer in zip(asked, given, strict=True):
                columns += [*pair, answer]
            return np.column_stack([*columns, stop])
        for pair in asked:
            columns += pair
        columns.append(np.full_like(prompts, EQUALS))
        for answer in given:
            columns += [answer, comma]
        return np.column_stack([*columns[:-1], stop])

    @cached_property
    def held_prompts(self) -> int:
        """Number of prompts of the validation split, by enumeration."""
        return sum(int(self.in_split(prompts, "validation").sum()) for prompts in self._enumerated())

    def _enumerated(self) -> Iterator[np.ndarray]:
        for first in range(0, self.prompts, BLOCK):
            yield np.arange(first, min(first + BLOCK, self.prompts))

    def floor(self, seq_len: int) -> float:
        """Return the entropy of the targets of a validation window, nats per token."""
        whole, cut = divmod(seq_len, len(self.answers.example))
        return (whole * math.log(self.held_prompts) + self._entropy_of_first(cut)) / seq_len

    def rate(self) -> float:
        """Return the nats per token of a long window."""
        return math.log(self.held_prompts) / len(self.answers.example)

    def _entropy_of_first(self, tokens: int) -> float:
        """Return the entropy of the first tokens of an example, in nats, by enumeration."""
        random = (place for place in range(1, tokens) if not self.answers.example[place])
        symbols = min(sum(1 for _ in random), 2 * self.options.steps)  # operations and operands among them
        if not tokens:
            return 0.0
        pairs, half = divmod(symbols, 2)
        radix = self.options.values * self.choices**pairs
        counts = np.zeros(radix * (self.n_operations if half else 1))
        for prompts in self._enumerated():
            first = prompts[self.in_split(prompts, "validation")]
            prefix = first % radix
            if half:
                operation = first // radix % self.choices // self.options.operands
                prefix = prefix + radix * operation
            counts += np.bincount(prefix, minlength=len(counts))
        shares = counts[counts > 0] / counts.sum()
        return float(-(shares * np.log(shares)).sum())

    def frozen(self) -> bytes:
        """Return the table, the names and the words."""
        words = json.dumps([self.vocab_size, self.state_words(), self.step_words()]).encode()
        return self.table.astype("<i8").tobytes() + self.names.astype("<i8").tobytes() + words

    def read_aloud(self, prompt: int) -> str:
        """Return an example as a person reads it: start 7, plus 3, that is 10, …"""
        states, steps = self.state_words(), self.step_words()
        said = [f"start {states[prompt % self.options.values]}"]
        for _, operation, operand, new in self.steps_of(np.array([prompt])):
            said.append(f"{steps[int(operation[0])][int(operand[0])]}, that is {states[int(new[0])]}")
        return ", ".join(said)


def mixed(numbers: np.ndarray) -> np.ndarray:
    """Return a hash of unsigned 64-bit numbers: the finaliser of splitmix64 (Steele, Lea and Flood 2014)."""
    with np.errstate(over="ignore"):
        z = numbers + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))
