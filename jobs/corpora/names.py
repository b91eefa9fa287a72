"""How a corpus is named: its domains with their weights, where each comes from, and the tokenizer.

    DATA      = DOMAIN {"+" DOMAIN} ["@" TOKENIZER]
    DOMAIN    = [LABEL "="] SOURCE ["*" WEIGHT]            labels are needed where there are several domains
    SOURCE    = KIND [":" ARGUMENT] {"," OPTION "=" VALUE}
    TOKENIZER = "bytes" | "gpt2" | "bpe:" SIZE | path of a tokenizer.json

    stdlib                                                 one corpus, bytes
    text:notes@bpe:8192                                    a BPE of 8,192 tokens trained on it
    hf:allenai/c4,config=en,field=text@gpt2
    code=stdlib*0.7+stories=tinystories*0.3                two domains, weights are shares of the tokens

A sign that would be read as part of the grammar is written in a path as in a URL: + is %2B, * %2A, comma
%2C, @ %40, % %25.
"""

import re
from dataclasses import dataclass, field
from fractions import Fraction
from urllib.parse import unquote

from jobs.corpora.window_order import LARGEST_PERIOD, period
from planners.records.errors import UsageError

SOURCES = {"tinystories": "hf:roneneldan/TinyStories"}
MIXTURES = {"synthetic": "facts=synthetic:facts+topics=synthetic:topics+code=synthetic:code"}
"""Short names of a source, and of several domains."""
LABEL = r"[A-Za-z][A-Za-z0-9_-]*"
EXAMPLE = "stdlib, text:PATH, hf:NAME, tinystories, synthetic, or code=stdlib*0.7+notes=text:PATH*0.3"


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where the documents of one domain come from."""

    kind: str
    """Which reader: stdlib, text, hf, synthetic."""
    argument: str = ""
    """What it reads: a path or a name."""
    options: dict[str, str] = field(default_factory=dict)
    """Further settings by name, such as config, split and field of a dataset."""

    @property
    def name(self) -> str:
        """The source in words."""
        return ",".join(
            [self.kind + (f":{self.argument}" if self.argument else "")]
            + [f"{name}={value}" for name, value in sorted(self.options.items())]
        )


@dataclass(frozen=True, kw_only=True)
class NamedDomain:
    """One domain of a named corpus."""

    label: str
    """Its name in records; the kind of its source where none is given."""
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
    """bytes, gpt2, bpe:SIZE or a path."""


def parse(name: str) -> CorpusName:
    """Return the parts of a corpus name. Raises UsageError where it does not follow the grammar."""
    rest, _, tokenizer = name.rpartition("@") if "@" in name else (name, "", "bytes")
    given = [_domain(name, text) for text in re.split(rf"\+(?={LABEL}=)", MIXTURES.get(rest, rest))]
    labels = [label for label, _, _ in given]
    if len(given) > 1 and (None in labels or len(set(labels)) < len(labels)):
        raise UsageError(f"the corpus {name!r} has several domains, and each needs a name of its own, as in {EXAMPLE}")
    total = sum((weight for _, _, weight in given), Fraction())
    domains = tuple(
        NamedDomain(label=label or source.kind, source=source, share=weight / total) for label, source, weight in given
    )
    if period([domain.share for domain in domains]) > LARGEST_PERIOD:
        raise UsageError(f"the weights of {name!r} have no common denominator up to 1e6; round them, as in 0.7 and 0.3")
    return CorpusName(domains=domains, tokenizer=unquote(tokenizer))


def _domain(name: str, text: str) -> tuple[str | None, Source, Fraction]:
    """Return label, source and weight of one domain."""
    found = re.fullmatch(rf"(?:({LABEL})=)?([^*]*)(?:\*([^*]*))?", text, re.DOTALL)
    if found is None:
        raise UsageError(f"{text!r} in the corpus {name!r} has more than one weight; write * in a path as %2A")
    label, source, weight = found.groups()
    return label, _source(name, SOURCES.get(source, source)), _weight(name, weight)


def _source(name: str, text: str) -> Source:
    """Return the source that `text` names; a comma belongs to the path unless an option follows it."""
    head, *options = re.split(r",(?=[a-z_]+=)", text)
    kind, _, argument = head.partition(":")
    if not re.fullmatch(LABEL, kind):
        if "+" in kind or "=" in kind:
            raise UsageError(
                f"{text!r} in the corpus {name!r} is no single source; give every domain a name, as in {EXAMPLE}"
            )
        raise UsageError(f"the corpus {name!r} is unknown; give one of {EXAMPLE}")
    settings = dict(option.partition("=")[::2] for option in options)
    if len(settings) < len(options):
        raise UsageError(f"{text!r} in the corpus {name!r} gives an option twice; give each once")
    return Source(kind=kind, argument=unquote(argument), options={key: unquote(settings[key]) for key in settings})


def _weight(name: str, text: str | None) -> Fraction:
    """Return a weight exactly as it is written; 1 where none is."""
    if text is None:
        return Fraction(1)
    if not re.fullmatch(r"-?(\d{1,12}\.?\d{0,12}|\.\d{1,12})", text, re.ASCII):
        raise UsageError(
            f"the weight {text!r} in the corpus {name!r} is no number; give one such as *0.3 (a * in a path is %2A)"
        )
    if (weight := Fraction(text)) <= 0:
        raise UsageError(f"the weight {text} in the corpus {name!r} must be above 0; leave the domain out instead")
    return weight
