"""What the planner must know about a corpus: its size, its domains, and which tokens are answers."""

from dataclasses import dataclass
from fractions import Fraction

from planners.spec import Data


@dataclass(frozen=True, kw_only=True)
class AnswerPattern:
    """The answers of generated examples, which follow each other in a window after its first token."""

    example: tuple[bool, ...]
    """Whether each token of one example is an answer."""

    def of(self, seq_len: int) -> list[bool]:
        """Return whether each of the `seq_len` targets of a window is an answer."""
        return [self.example[place % len(self.example)] for place in range(seq_len)]


@dataclass(frozen=True, kw_only=True)
class CorpusDomain:
    """One domain of a corpus of several."""

    label: str
    """Its name."""
    share: Fraction
    """Its share of the tokens of every run."""
    train_tokens: int
    """Tokens of its training split."""
    validation_tokens: int
    """Tokens of its validation split."""


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """What the planner must know about a corpus."""

    data: Data
    """Name and fingerprint."""
    vocab_size: int
    """Size of its vocabulary."""
    train_tokens: int
    """Tokens of its training split."""
    validation_tokens: int
    """Tokens of its validation split."""
    domains: tuple[CorpusDomain, ...] = ()
    """Its domains, where there are several; each must hold enough tokens for its share."""
    answers: tuple[AnswerPattern, ...] = ()
    """Which tokens are answers, for each domain of generated tasks; empty for other corpora."""

    def answers_in(self, seq_len: int) -> float | None:
        """Return the mean number of answers among the targets of a window; None for a corpus without answers."""
        shares = [float(domain.share) for domain in self.domains] or [1.0]
        found = [share * sum(pattern.of(seq_len)) for share, pattern in zip(shares, self.answers, strict=False)]
        return sum(found) if found else None
