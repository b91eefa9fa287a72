"""A fit on disk: `<law>.json`, readable with head, and its bootstrap draws as `<law>.draws.csv`."""

import math
from pathlib import Path

from fits.result import FitResult
from fits.surface.bootstrap import Draws
from planners.records.files import read_json, write_json, write_text
from planners.records.json import from_json, to_json


def write_fit(folder: str | Path, result: FitResult, draws: Draws | None = None, name: str | None = None) -> Path:
    """Write `<name>.json`, and `<name>.draws.csv` if there are draws, into `folder`; return the JSON's path.

    `name` is the law's unless given (fits of one law to several budgets need one each). Both files are written
    atomically, the draws first; draws of an earlier fit are removed where this one has none.
    """
    stem = name or result.law
    table = Path(folder) / f"{stem}.draws.csv"
    if draws is None:
        table.unlink(missing_ok=True)
    else:
        write_text(table, _csv(draws))
    path = Path(folder) / f"{stem}.json"
    write_json(path, to_json(result))
    return path


def read_fit(path: str | Path) -> FitResult:
    """Return the fit written at `path`. Raises UsageError for a file that is missing or no fit."""
    return from_json(FitResult, read_json(Path(path)), str(path))


def _csv(draws: Draws) -> str:
    lines = [",".join(draws.parameters)]
    lines += [",".join(repr(value) if math.isfinite(value) else "" for value in row) for row in draws.values.tolist()]
    return "\n".join(lines) + "\n"


def fits_in(folder: Path) -> dict[str, FitResult]:
    """Return the fits that `write_fit` left in `folder`, by name; other files there are not fits of a law."""
    from fits.laws import LAWS

    paths = sorted(folder.glob("*.json"))
    return {path.stem: read_fit(path) for path in paths if path.stem.partition("-")[0] in LAWS}
