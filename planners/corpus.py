"""What the planner must know about a corpus: its size, its domains, and which tokens are answers."""

from collections.abc import Iterator
from dataclasses import dataclass, field
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


REASONS = {
    "binary": "binary, or in an encoding without a byte order mark, such as UTF-16",
    "not_decoded": "not in the encoding that their byte order mark names",
    "without_text": "rows without the field of the text",
    "not_utf8": "not UTF-8, which byte pairs need; convert them, or use bytes",
}
"""Why documents are left out, for a reader of the plan."""


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
    left_out: dict[str, int] = field(default_factory=dict)
    """Documents of the source that it does not hold, by reason: the keys of REASONS."""
    answers: tuple[AnswerPattern, ...] = ()
    """Which tokens are answers, for each domain of generated tasks; empty for other corpora."""

    def notes(self) -> Iterator[str]:
        """Yield a sentence on documents that were left out, if there are any."""
        if self.left_out:
            reasons = "; ".join(f"{count} {REASONS.get(reason, reason)}" for reason, count in self.left_out.items())
            yield f"The corpus {self.data.name} leaves out {sum(self.left_out.values())} documents: {reasons}."

    def answers_in(self, seq_len: int) -> float | None:
        """Return the mean number of answers among the targets of a window; None for a corpus without answers."""
        shares = [float(domain.share) for domain in self.domains] or [1.0]
        found = [share * sum(pattern.of(seq_len)) for share, pattern in zip(shares, self.answers, strict=False)]
        return sum(found) if found else None
