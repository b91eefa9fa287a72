"""Formats of a file of runs. A format is one module and one line of `TEXT` or `BINARY`; each returns `Rows`.

rows = read_rows(Path("runs.csv.gz"))
"""

import gzip
import zlib
from collections.abc import Callable
from pathlib import Path

from fits.runs.formats.delimited import read_delimited
from fits.runs.formats.excel import read_excel
from fits.runs.formats.json_rows import is_json, read_json_rows
from fits.runs.formats.markdown import is_markdown, read_markdown
from fits.runs.formats.parquet import read_parquet, read_zstd
from fits.runs.formats.wandb_panel import one_run_a_row
from fits.runs.rows import Rows
from fits.runs.sources import read_log
from planners.records.errors import UsageError

BINARY: dict[bytes, Callable[[bytes, str], Rows]] = {
    b"PAR1": read_parquet,
    b"PK\x03\x04": read_excel,
}
"""First bytes of a file -> its reader."""
TEXT: tuple[tuple[Callable[[str], bool], Callable[[str, str], Rows]], ...] = (
    (is_json, read_json_rows),
    (is_markdown, read_markdown),
    (lambda text: True, read_delimited),
)
"""(whether a text is in this format, its reader); the first that applies reads it."""
_OLD_EXCEL = b"\xd0\xcf\x11\xe0"


def read_rows(path: Path) -> Rows:
    """Return the rows of a file. Its format follows from its content. Raises UsageError if it cannot be read."""
    source = str(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{source} cannot be read ({error.strerror or error})") from error
    content = _decompressed(content, source)
    if log := read_log(path, content):
        return log
    if content.startswith(_OLD_EXCEL):
        raise UsageError(f"{source} is an old Excel file (.xls); save it as .xlsx or CSV")
    for start, read in BINARY.items():
        if content.startswith(start):
            return read(content, source)
    if path.suffix in (".parquet", ".xlsx"):
        raise UsageError(f"{source} cannot be read as {path.suffix[1:].capitalize()}: its first bytes differ")
    text = _decoded(content, source)
    if not text.strip():
        raise UsageError(f"{source} holds no runs; give a table with a header and one run a row")
    return one_run_a_row(next(read(text, source) for applies, read in TEXT if applies(text)))


def _decompressed(content: bytes, source: str) -> bytes:
    try:
        if content.startswith(b"\x1f\x8b"):
            return gzip.decompress(content)
        return read_zstd(content, source) if content.startswith(b"\x28\xb5\x2f\xfd") else content
    except (OSError, EOFError, zlib.error) as error:
        raise UsageError(f"{source} cannot be decompressed ({error}); download or write it again") from error


def _decoded(content: bytes, source: str) -> str:
    """Return the text of UTF-8, of UTF-16 and UTF-32 with a byte order mark, of UTF-16 without one, or of cp1252."""
    if content.startswith((b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff")):
        encodings = ["utf-32"]
    elif content.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = ["utf-16"]
    elif len(content) > 1 and 0 in content[:2] and content[:2] != b"\x00\x00":
        encodings = ["utf-16-be" if content[0] == 0 else "utf-16-le"]
    else:
        encodings = ["utf-8-sig", "cp1252"]
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\x00" not in text:
            return text
    raise UsageError(f"{source} is not a text in UTF-8, UTF-16 or cp1252; save it as UTF-8 CSV")
