"""What a person reads is plain English: the retired words of `docs/glossary.md` occur in no docstring or message."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = [
    path
    for folder in ("planners", "jobs", "fits", "reports", "scaling", "benchmarks")
    for path in sorted((ROOT / folder).rglob("*"))
    if path.suffix in (".py", ".jinja", ".md")
]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "results" / "README.md"]
RETIRED = re.compile(
    r"\b(foretell\w*|foretold|mend(s|ed|ing)?|luck|jets?|whomever|whichever|nowhere|thereof|hereof|likewise|lies? off"
    r"|(?<!there )(is|are) no (?!longer\b|more\b|less\b|better\b|worse\b|other\b)\w+|(?<!there )(is|are) (?-i:none)\b"
    r"|(stands?|stood) beside|beside it\b"
    r"|what is asked|is asked of|as it were|were it|had it|goes on|go on|to be had|take apart)\b",
    re.IGNORECASE,
)
BARE_POINT = re.compile(r"(?<![\w.)\]}%/*-])\.\d+(?!\w)")
"""A number without its leading zero, such as .039."""


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line, text) of the strings and comments of a Python file, or of the lines of a page."""
    if path.suffix != ".py":
        yield from enumerate(path.read_text().splitlines(), 1)
        return
    source = path.read_text()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value
    for number, line in enumerate(source.splitlines(), 1):
        if "# " in line:
            yield number, line.partition("# ")[2]


@pytest.mark.parametrize("path", SOURCES + PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_retired_word_is_read(path: Path) -> None:
    if path.name == "glossary.md":
        return
    found = [(line, match[0]) for line, text in texts(path) for match in RETIRED.finditer(text)]
    assert found == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_numbers_have_a_leading_zero(path: Path) -> None:
    prose = re.sub(r"```.*?```|`[^`]*`", "", path.read_text(), flags=re.DOTALL)
    assert BARE_POINT.findall(prose) == []


def test_the_glossary_explains_its_words() -> None:
    rows = re.findall(r"(?m)^\| ([^|]+) \| ([^|]+) \|$", (ROOT / "docs" / "glossary.md").read_text())
    words = [word for word, meaning in rows if word not in ("word", "---", "instead of") and "…" not in word]
    assert len(words) >= 60
    assert len(words) == len(set(words))
