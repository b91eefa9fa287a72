"""Names of corpora: parsing inverts writing, and an invalid name is refused in one sentence."""

from fractions import Fraction
from urllib.parse import quote

import pytest
from hypothesis import given, settings, strategies as st

from jobs.corpora.names import Source, parse
from planners import UsageError

LABELS = st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,8}", fullmatch=True)
TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12)
WEIGHTS = st.one_of(st.none(), st.decimals("0.001", 99, places=3).map(str), st.integers(1, 50).map(str))
SOURCES = st.builds(
    lambda kind, argument, options: Source(kind=kind, argument=argument, options=options),
    LABELS.filter(lambda kind: kind != "tinystories"),
    TEXT,
    st.dictionaries(st.sampled_from(["config", "split", "field"]), TEXT),
)


def written(source: Source) -> str:
    options = "".join(f",{name}={quote(value)}" for name, value in source.options.items())
    return f"{source.kind}:{quote(source.argument)}{options}"


@settings(deadline=None, max_examples=60)
@given(st.dictionaries(LABELS, st.tuples(SOURCES, WEIGHTS), min_size=1, max_size=4), st.sampled_from(["", "@gpt2"]))
def test_a_written_name_is_read_back(domains: dict[str, tuple[Source, str | None]], tokenizer: str) -> None:
    name = "+".join(
        f"{label}={written(source)}" + (f"*{weight}" if weight else "") for label, (source, weight) in domains.items()
    )
    total = sum(Fraction(weight or 1) for _, weight in domains.values())
    try:
        read = parse(name + tokenizer)
    except UsageError as error:
        assert "denominator" in str(error)
        return
    assert read.tokenizer == (tokenizer[1:] or "bytes")
    assert [domain.label for domain in read.domains] == list(domains)
    for domain, (source, weight) in zip(read.domains, domains.values(), strict=True):
        assert domain.source == source
        assert domain.share == Fraction(weight or 1) / total
    assert sum(domain.share for domain in read.domains) == 1


@given(st.text(max_size=40))
def test_any_text_is_a_name_or_refused_in_one_sentence(name: str) -> None:
    try:
        assert sum(domain.share for domain in parse(name).domains) == 1
    except UsageError as error:
        assert "\n" not in str(error).replace("\\n", "")


@pytest.mark.parametrize(
    ("name", "kind", "argument", "label"),
    [
        ("stdlib", "stdlib", "", "stdlib"),
        ("text:notes, old/c++ and = signs", "text", "notes, old/c++ and = signs", "text"),
        ("hf:roneneldan/TinyStories", "hf", "roneneldan/TinyStories", "hf"),
        ("tinystories", "hf", "roneneldan/TinyStories", "hf"),
        ("stories=tinystories", "hf", "roneneldan/TinyStories", "stories"),
        ("text:a%2Bb=c", "text", "a+b=c", "text"),
        ("text:50%", "text", "50%", "text"),
    ],
)
def test_a_single_corpus(name: str, kind: str, argument: str, label: str) -> None:
    read = parse(name)
    assert len(read.domains) == 1
    assert (read.domains[0].source.kind, read.domains[0].source.argument) == (kind, argument)
    assert (read.domains[0].label, read.tokenizer) == (label, "bytes")


def test_options_and_tokenizer() -> None:
    read = parse("hf:allenai/c4,config=en,field=text@bpe:8192")
    assert read.domains[0].source == Source(kind="hf", argument="allenai/c4", options={"config": "en", "field": "text"})
    assert read.tokenizer == "bpe:8192"
    assert read.domains[0].source.name == "hf:allenai/c4,config=en,field=text"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "unknown"),
        ("a=stdlib*0+b=stdlib", "above 0"),
        ("a=stdlib*-1+b=stdlib", "above 0"),
        ("a=stdlib*nan+b=stdlib", "is not a number"),
        ("a=stdlib*1e9999999+b=stdlib", "is not a number"),
        ("a=stdlib*1*2+b=stdlib", "more than one weight"),
        ("hf:a,field=x,field=y", "repeats an option"),
        ("a=stdlib+a=stdlib", "a label of its own"),
        ("stdlib+b=stdlib", "a label of its own"),
        ("a=stdlib+stdlib", "give every domain a label"),
        ("a=stdlib*0.1234567+b=stdlib", "denominator"),
    ],
)
def test_an_invalid_name_says_why(name: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        parse(name)
