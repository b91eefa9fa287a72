"""Tables as text, and the parts of a cell that several tables share."""

from collections.abc import Sequence
from typing import Any


def text_table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return an aligned table: text to the left, numbers to the right, None as `-`.

    >>> print(text_table(["arm", "N"], [["dense", 10], ["K1", None]]))
    arm     N
    dense  10
    K1      -
    """
    cells = [list(header)] + [["-" if cell is None else str(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    numeric = [all(_is_number(row[column]) for row in cells[1:]) for column in range(len(header))]
    lines = []
    for row in cells:
        padded = [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ]
        lines.append("  ".join(padded).rstrip())
    return "\n".join(lines)


def fitted(header: Sequence[str], rows: Sequence[Sequence[Any]], ranks: Sequence[int], width: int) -> str:
    """Return the table without the columns that do not fit into `width`; those of the highest rank are left out first.

    A column of rank 0 always stays.

    >>> print(fitted(["arm", "N", "run"], [["dense", 10, "cc1bdc8153ed"]], [0, 1, 2], 12))
    arm     N
    dense  10
    """
    widths = [max(map(len, map(str, column))) for column in zip(header, *rows, strict=True)]
    kept = list(range(len(header)))
    while sum(widths[at] + 2 for at in kept) - 2 > width and any(ranks[at] for at in kept):
        kept.remove(max(kept, key=lambda at: (ranks[at], at)))
    return text_table([header[at] for at in kept], [[row[at] for at in kept] for row in rows])


def percentage(share: float, digits: int = 1, *, sign: bool = False) -> str:
    """Return a share as a percentage with `digits` decimals.

    >>> percentage(0.1716), percentage(0.0012, 2, sign=True)
    ('17.2 %', '+0.12 %')
    """
    return f"{100 * share:{'+' if sign else ''}.{digits}f} %"


def _is_number(cell: str) -> bool:
    return cell == "-" or cell[:1].isdigit() or (cell[:1] in "+-." and cell[1:2].isdigit())
