"""Excel files (.xlsx): the first sheet that holds a table; openpyxl reads them."""

import io

from fits.runs.rows import Rows, named_rows
from planners.records.errors import UsageError


def read_excel(content: bytes, source: str) -> Rows:
    """Return the rows of the first sheet that is not empty. Raises UsageError."""
    try:
        import openpyxl
    except ImportError as error:
        needs = "openpyxl is needed to read an Excel file; install it with: pip install 'scaling[excel]'"
        raise UsageError(f"{source}: {needs}, or save the sheet as CSV") from error
    try:
        book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
        sheets = [[list(row) for row in sheet.iter_rows(values_only=True)] for sheet in book.worksheets]
    except Exception as error:  # openpyxl raises errors of many kinds for a corrupt file
        raise UsageError(f"{source} cannot be read as Excel ({str(error)[:80]}); save it as CSV") from error
    filled = [
        lines
        for sheet in sheets
        if (lines := [(at, row) for at, row in enumerate(sheet, 1) if any(cell not in (None, "") for cell in row)])
    ]
    return Rows(rows=named_rows(filled[0] if filled else [], source))
