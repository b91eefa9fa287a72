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


def percentage(share: float, digits: int = 1, *, sign: bool = False) -> str:
    """Return a share as a percentage with `digits` decimals.

    >>> percentage(0.1716), percentage(0.0012, 2, sign=True)
    ('17.2 %', '+0.12 %')
    """
    return f"{100 * share:{'+' if sign else ''}.{digits}f} %"


def _is_number(cell: str) -> bool:
    return cell == "-" or cell[:1].isdigit() or (cell[:1] in "+-." and cell[1:2].isdigit())
