"""Escaping of text that others wrote: it does no harm in Markdown, LaTeX and CSV, and keeps all its characters.

Anyone may name a run, a corpus or a study. HTML is escaped by its template.
"""

import re

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""A spreadsheet may take a cell that begins with one of these for a formula."""
CLOSERS = {**dict.fromkeys("\u202a\u202b\u202d\u202e", "\u202c"), **dict.fromkeys("\u2066\u2067\u2068", "\u2069")}
"""Characters that change the direction of the text after them -> the character that ends this (Unicode Annex 9)."""
_NAMED = {"\\": "backslash", "~": "asciitilde", "^": "asciicircum", "<": "less", ">": "greater", "|": "bar"}
_MATHEMATICAL = {"−": "-", "×": r"\times", "≈": r"\approx", "±": r"\pm"}
LATEX = {
    **{sign: f"\\text{name}{{}}" for sign, name in {**_NAMED, "`": "asciigrave"}.items()},
    **{sign: f"${command}$" for sign, command in _MATHEMATICAL.items()},
    **{sign: f"{{{sign}}}" for sign in "[]*"},  # a bare bracket or star would belong to the \\ that ends a row
    **{sign: f"\\{sign}" for sign in "#$%&_{}"},
    '"': r"{\char34}",
    "\u00a0": "~",
}
"""Characters that LaTeX takes for markup or does not have -> what prints them."""
JOINED = re.compile(r"([-',])(?=\1)")
"""Characters that LaTeX would join with the next one."""


def closed(text: str) -> str:
    """Return `text` with every change of direction ended at once, so that it cannot turn the text after it."""
    return re.sub(f"[{''.join(CLOSERS)}]", lambda found: found[0] + CLOSERS[found[0]], text)


def markdown(text: str) -> str:
    """Return `text` for Markdown, on one line, with every character that would be markup escaped."""
    return closed(re.sub(r"([\\`*<>|\[\]&~$]|(?<!\w)_|_(?!\w))", r"\\\1", " ".join(text.split())))


def latex(text: str) -> str:
    """Return `text` for LaTeX, on one line, with every character that would be markup escaped."""
    printed = (sign for sign in " ".join(text.split()) if sign.isprintable() or sign == "\u200d")  # joins emoji
    return JOINED.sub(r"\1{}", "".join(LATEX.get(sign, sign) for sign in printed))


def inert(cell: object) -> object:
    """Return a cell of a CSV file that no spreadsheet runs; a carriage return would break the row: it is a space."""
    if not isinstance(cell, str):
        return cell
    return (f"'{cell}" if cell.startswith(FORMULA) else cell).replace("\r", " ")
