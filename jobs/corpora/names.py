"""Names of corpora: the domains with their weights, the source of each, and the tokenizer.

    DATA      = DOMAIN {"+" DOMAIN} ["@" TOKENIZER]
    DOMAIN    = [LABEL "="] SOURCE ["*" WEIGHT]            several domains need labels
    SOURCE    = KIND [":" ARGUMENT] {"," OPTION "=" VALUE}
    TOKENIZER = "bytes" | "gpt2" | "bpe:" SIZE | path of a tokenizer.json

    stdlib                                                 one corpus, bytes
    text:notes@bpe:8192                                    a BPE of 8,192 tokens trained on it
    hf:allenai/c4,config=en,field=text@gpt2
    code=stdlib*0.7+stories=tinystories*0.3                two domains; weights are shares of the tokens

In a path, signs that belong to the grammar are written as in a URL: + is %2B, * is %2A, comma is %2C, @ is %40, and
% is %25.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from urllib.parse import unquote

from jobs.corpora.readers import READERS
from jobs.corpora.readers.packed import kind_of
from jobs.corpora.readers.rows import READ
from jobs.corpora.window_order import LARGEST_PERIOD, period
from planners.records.errors import UsageError
from planners.records.files import expanded

SOURCES = {"tinystories": "hf:roneneldan/TinyStories"}
"""Short names of a single source."""
TASKS = ("arith", "logic", "code", "entail")
"""The generated tasks, in the order of their domains."""


def _tasks(options: str = "", weights: Sequence[int] = (1, 1, 1, 1)) -> str:
    return "+".join(f"{name}=task:{name}{options}*{weight}" for name, weight in zip(TASKS, weights, strict=True))


MIXTURES = {
    "synthetic": "facts=synthetic:facts+topics=synthetic:topics+code=synthetic:code",
    "tasks": _tasks(),
    "tasks-easy": _tasks(",form=easy"),
    "tasks-skewed": _tasks(weights=(40, 10, 10, 40)),
    "tasks-own": _tasks(",symbols=own"),
    "tasks-crowded": _tasks(",values=64"),
}
"""Short names of several domains; options after one, such as tasks,values=8, belong to each domain."""
LABEL = r"[A-Za-z][A-Za-z0-9_-]*"
"""Regular expression for the label of a domain."""
SEVERAL = "code=stdlib*0.7+notes=text:PATH*0.3"
"""Example of several domains."""


def examples() -> str:
    """Return an example of each kind of corpus, for error messages."""
    return ", ".join([*(reader.example for reader in READERS.values()), *SOURCES, f"or {SEVERAL}"])


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where the documents of one domain come from."""

    kind: str
    """Name of its reader in `READERS`."""
    argument: str = ""
    """Argument of the reader: a path or a name."""
    options: dict[str, str] = field(default_factory=dict)
    """Options of the reader by name, such as config, split and field of a dataset."""

    @property
    def name(self) -> str:
        """The name of the source, with its options."""
        return ",".join(
            [self.kind + (f":{self.argument}" if self.argument else "")]
            + [f"{name}={value}" for name, value in sorted(self.options.items())]
        )


@dataclass(frozen=True, kw_only=True)
class NamedDomain:
    """One domain of a named corpus."""

    label: str
    """Its name in records; by default the kind of its source."""
    source: Source
    """Where its documents come from."""
    share: Fraction
    """Its weight over the sum of all weights."""


@dataclass(frozen=True, kw_only=True)
class CorpusName:
    """A parsed name."""

    domains: tuple[NamedDomain, ...]
    """Its domains, in the order given."""
    tokenizer: str
    """bytes, gpt2, bpe:SIZE or the path of a tokenizer.json."""


def parse(name: str) -> CorpusName:
    """Return the parts of a corpus name. Raises UsageError if it does not follow the grammar."""
    rest, _, tokenizer = name.rpartition("@") if "@" in name else (name, "", "bytes")
    given = [_domain(name, text) for text in re.split(rf"\+(?={LABEL}=)", _spelled_out(rest))]
    labels = [label for label, _, _ in given]
    if len(given) > 1 and (None in labels or len(set(labels)) < len(labels)):
        raise UsageError(f"each domain of the corpus {name!r} needs a label of its own, as in {SEVERAL}")
    total = sum((weight for _, _, weight in given), Fraction())
    domains = tuple(
        NamedDomain(label=label or source.kind, source=source, share=weight / total) for label, source, weight in given
    )
    if period([domain.share for domain in domains]) > LARGEST_PERIOD:
        raise UsageError(f"the weights of {name!r} have no common denominator up to 1e6; round them, as in {SEVERAL}")
    return CorpusName(domains=domains, tokenizer=unquote(tokenizer))


def _spelled_out(text: str) -> str:
    """Return the domains of a short name, each with the options that follow the name; other texts as they are."""
    short, comma, options = text.partition(",")
    if short not in MIXTURES or not comma:
        return MIXTURES.get(text, text)
    parts = [domain.partition("*") for domain in MIXTURES[short].split("+")]
    return "+".join(f"{source},{options}{star}{weight}" for source, star, weight in parts)


def _domain(name: str, text: str) -> tuple[str | None, Source, Fraction]:
    """Return label, source and weight of one domain."""
    found = re.fullmatch(rf"(?:({LABEL})=)?([^*]*)(?:\*([^*]*))?", text, re.DOTALL)
    if found is None:
        raise UsageError(f"{text!r} in the corpus {name!r} has more than one weight; in a path, write * as %2A")
    label, source, weight = found.groups()
    return label, _source(name, SOURCES.get(source, source)), _weight(name, weight)


def _source(name: str, text: str) -> Source:
    """Return the source that `text` names. A comma belongs to the path unless an option follows it."""
    head, *options = re.split(r",(?=[a-z_]+=)", text)
    kind, colon, argument = head.partition(":")
    path = expanded(unquote(head))
    if head and kind not in READERS and not colon and path.exists():  # a path that exists means its text
        kind, argument = "hf" if kind_of(path) in READ else "text", head
    if not re.fullmatch(LABEL, kind):
        if "+" in kind or "=" in kind:
            raise UsageError(
                f"{text!r} in the corpus {name!r} is not a single source; give every domain a label, as in {SEVERAL}"
            )
        raise UsageError(f"the corpus {name!r} is unknown; give one of {examples()}")
    settings = dict(option.partition("=")[::2] for option in options)
    if len(settings) < len(options):
        raise UsageError(f"{text!r} in the corpus {name!r} repeats an option; give each one once")
    return Source(kind=kind, argument=unquote(argument), options={key: unquote(settings[key]) for key in settings})


def _weight(name: str, text: str | None) -> Fraction:
    """Return a weight exactly as it is written; 1 by default."""
    if text is None:
        return Fraction(1)
    if not re.fullmatch(r"-?(\d{1,12}\.?\d{0,12}|\.\d{1,12})", text, re.ASCII):
        raise UsageError(
            f"the weight {text!r} in the corpus {name!r} is not a number; give one such as *0.3"
            " (in a path, write * as %2A)"
        )
    if (weight := Fraction(text)) <= 0:
        raise UsageError(f"the weight {text} in the corpus {name!r} must be above 0; leave the domain out instead")
    return weight
