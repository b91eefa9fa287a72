"""Text of others as a page, a paper and a spreadsheet may hold it: inert, and with all its characters.

Names of runs, corpora and studies are anybody's. HTML is escaped by its template; here are the other forms.
"""

import re

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""Starts of a text cell that a spreadsheet may take for a formula."""
CLOSERS = {**dict.fromkeys("\u202a\u202b\u202d\u202e", "\u202c"), **dict.fromkeys("\u2066\u2067\u2068", "\u2069")}
"""Characters that turn the direction of all that follows, and what ends each (Unicode Annex 9)."""
LATEX = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
    ">": r"\textgreater{}", "|": r"\textbar{}", "`": r"\textasciigrave{}", '"': r"{\char34}", "[": "{[}", "]": "{]}",
    "*": "{*}", "−": "$-$", "×": r"$\times$", "≈": r"$\approx$", "±": r"$\pm$", "\u00a0": "~",
    **{sign: f"\\{sign}" for sign in "#$%&_{}"},
}  # fmt: skip
"""Characters that LaTeX takes for markup or lacks; a bracket or star would belong to the end of the row before it."""
JOINED = re.compile(r"([-',])(?=\1)")
"""Signs that LaTeX would join with the next."""


def closed(text: str) -> str:
    """Return `text` in which nothing turns the direction of what follows it."""
    return re.sub(f"[{''.join(CLOSERS)}]", lambda found: found[0] + CLOSERS[found[0]], text)


def markdown(text: str) -> str:
    """Return `text` for Markdown: what would be markup stands for itself, and it stays on one line."""
    return closed(re.sub(r"([\\`*<>|\[\]&~$]|(?<!\w)_|_(?!\w))", r"\\\1", " ".join(text.split())))


def latex(text: str) -> str:
    """Return `text` for LaTeX: what would be markup stands for itself, and it stays on one line."""
    printed = (sign for sign in " ".join(text.split()) if sign.isprintable() or sign == "\u200d")  # joins emoji
    return JOINED.sub(r"\1{}", "".join(LATEX.get(sign, sign) for sign in printed))


def inert(cell: object) -> object:
    """Return a cell of a CSV: text that no spreadsheet runs, and a lone carriage return, which breaks rows, a space."""
    if not isinstance(cell, str):
        return cell
    return (f"'{cell}" if cell.startswith(FORMULA) else cell).replace("\r", " ")
