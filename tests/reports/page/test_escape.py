"""Names of others come out inert and with all their characters: HTML, Markdown, LaTeX, CSV; and colours are legible."""

import csv
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from planners.records.check import Check
from reports.page.escape import CLOSERS, closed, latex, markdown
from reports.page.page import Page, Section, Step, to_html, to_markdown
from reports.page.table import Column, Table

NASTY = (
    "<script>alert(1)</script>", "</style><img src=x onerror=alert(1)>", "{{ page }}{% raw %}", "'\"`&amp;",
    r"\input{/etc/passwd} 50% of_$x^2$ #1 {a} ~ ^", "=cmd|' /C calc'!A0", "*[*] a -- b --- ''c'' ,,d``",
    "مرحبا K4 שלום", "\u202eevil\u202c \u2066x", "🙂👩\u200d🔬", "a | b\n# heading\n- item",
    "![x](http://x.invalid/y.png) <http://x.invalid>",
)  # fmt: skip
BACK = {
    r"\textbackslash{}": "\\", r"\textasciitilde{}": "~", r"\textasciicircum{}": "^", r"\textless{}": "<",
    r"\textgreater{}": ">", r"\textbar{}": "|", r"\textasciigrave{}": "`", r"{\char34}": '"', "{[}": "[", "{]}": "]",
    "{*}": "*", "$-$": "−", r"$\times$": "×", r"$\approx$": "≈", r"$\pm$": "±",
    **{f"\\{sign}": sign for sign in "#$%&_{}"},
}  # fmt: skip
TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=40) | st.sampled_from(NASTY)


def table_of(text: str) -> Table:
    columns = (Column(name="x", head=text, text=True), Column(name="y", head="y"))
    return Table(name="t", title=text, note=text, columns=columns, rows=((text, 1.5), (None, None)))


def page_of(text: str) -> Page:
    section = Section(
        title=text, text=(text,), steps=(Step(why=text, command=text),), items=(text,),
        checks=(Check(name=text, verdict="warn", evidence=text),), tables=(table_of(text),), commands=(text,),
    )  # fmt: skip
    return Page(
        kind=text, title=text, question=text, answer=text, more=(text,), points=(text,), state=(text,), gaps=(text,),
        verdict=text, sections=(section,), footer=text,
    )  # fmt: skip


class Reader(HTMLParser):
    """Collects tags and text."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


def unlatex(text: str) -> str:
    """Return what LaTeX would print of an escaped text."""
    text = re.sub(r"(?<=[-',])\{\}(?=[-',])", "", text)
    found = re.sub("|".join(map(re.escape, sorted(BACK, key=len, reverse=True))), lambda m: BACK[m[0]], text)
    return found


@pytest.mark.parametrize("text", NASTY)
def test_html_shows_a_name_as_it_is(text: str) -> None:
    plain, nasty = Reader(to_html(page_of("name"))), Reader(to_html(page_of(text)))
    assert nasty.tags == plain.tags
    assert nasty.attributes == plain.attributes
    shown = closed(re.sub(r"(\d) %", "\\1\u00a0%", text))
    assert nasty.text.count(shown) >= 15


@pytest.mark.parametrize("text", NASTY)
def test_markdown_makes_nothing_of_a_name(text: str) -> None:
    lines = [line for line in to_markdown(page_of(text)).splitlines() if not line.startswith("    ")]
    said = "\n".join(lines)
    assert len([line for line in lines if line.startswith("#")]) == 2
    assert not re.search(r"(?<!\\)(<|!\[|\]\()", said.replace("\\\\", ""))
    assert markdown(text) in said


@settings(deadline=None)
@given(TEXT)
def test_latex_prints_the_name_and_nothing_else(text: str) -> None:
    escaped = latex(text)
    assert unlatex(escaped) == "".join(s for s in " ".join(text.split()) if s.isprintable() or s == "\u200d")
    rest = re.sub("|".join(map(re.escape, sorted([*BACK, "{}"], key=len, reverse=True))), "", escaped)
    assert not set(rest) & set('\\{}$&#%_^~[]*|<>`"\n')
    body = table_of(text).latex()
    assert body.count("\\\\\n") == 3
    assert body.count("\\begin{") == body.count("\\end{") == 2


@settings(deadline=None)
@given(TEXT)
def test_csv_comes_back_and_runs_nowhere(text: str) -> None:
    rows = list(csv.reader(io.StringIO(table_of(text).csv(), newline="")))
    cell = rows[1][0]
    assert cell.removeprefix("'") == text.replace("\r", " ").removeprefix("'")
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


@settings(deadline=None)
@given(TEXT)
def test_no_name_turns_the_text_after_it(text: str) -> None:
    found = closed(text)
    assert all(found[i + 1 : i + 2] == CLOSERS[sign] for i, sign in enumerate(found) if sign in CLOSERS)
    assert [sign for sign in found if sign not in CLOSERS.values()] == [
        sign for sign in text if sign not in CLOSERS.values()
    ]


def luminance(color: str) -> float:
    """Return the relative luminance of a colour as WCAG 2.2 defines it."""
    digits = color.lstrip("#")
    digits = "".join(2 * sign for sign in digits) if len(digits) == 3 else digits
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_colours_can_be_read() -> None:
    import reports

    css = (Path(reports.__file__).parent / "page" / "page.css.jinja").read_text()
    root = dict(re.findall(r"--(\w+): (#\w+)", css))
    pairs = [(root[text], root[paper]) for text in ("ink", "soft", "accent") for paper in ("paper", "tint")]
    for rule in re.findall(r"\{([^}]*)\}", css):
        color, paper = re.search(r"(?<!-)color: (#\w+)", rule), re.search(r"background: (#\w+)", rule)
        if color:
            pairs.append((color[1], paper[1] if paper else root["paper"]))
        elif paper:
            pairs.append((root["ink"], paper[1]))
    assert len(pairs) > 8
    assert all(contrast(*pair) >= 4.5 for pair in pairs), [pair for pair in pairs if contrast(*pair) < 4.5]
    assert contrast("#000", "#fff") == pytest.approx(21)
    assert contrast("#777", "#fff") < 4.5
