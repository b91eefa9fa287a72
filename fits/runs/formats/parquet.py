"""Parquet files, and text compressed with Zstandard; pyarrow reads both."""

import io

from fits.runs.rows import Rows
from planners.records.errors import UsageError

_NEEDS = "{}: pyarrow is needed to read it; install it with: pip install 'scaling[tables]'"


def read_parquet(content: bytes, source: str) -> Rows:
    """Return the rows of a Parquet file; None stands for a missing value. Raises UsageError."""
    import pandas as pd

    from fits.runs.table import frame_rows

    try:
        return Rows(rows=frame_rows(pd.read_parquet(io.BytesIO(content))))
    except ImportError as error:
        raise UsageError(_NEEDS.format(source)) from error
    except Exception as error:  # pyarrow raises errors of many kinds for a corrupt file
        raise UsageError(f"{source} cannot be read as Parquet ({str(error)[:80]})") from error


def read_zstd(content: bytes, source: str) -> bytes:
    """Return what a Zstandard file holds. Raises UsageError where pyarrow is missing, OSError for a corrupt file."""
    try:
        import pyarrow  # type: ignore[import-untyped]
    except ImportError as error:
        raise UsageError(_NEEDS.format(source)) from error
    with pyarrow.CompressedInputStream(pyarrow.BufferReader(content), "zstd") as stream:
        return bytes(stream.read())
