"""The standard library of the running Python: about 12 MB of real text on every machine (PSF-2.0), read in place."""

import ast
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from jobs.corpora.readers.reader import Reader
from planners.records.errors import UsageError

EXCLUDED = {"test", "tests", "idle_test", "site-packages", "dist-packages", "__pycache__"}
"""Folders that are not read."""
LEAST = 40
"""Docstrings with at most this many characters are not prose; they stay in the code."""
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def documents(argument: str, docstrings: str = "in") -> Iterator[bytes]:
    """Yield the source files in the order of their paths, without tests and installed packages.

    With docstrings=out they lack what the corpus `prose` holds: long docstrings, and the topics of pydoc.
    """
    if docstrings not in ("in", "out"):
        raise UsageError(f"docstrings={docstrings} of the corpus stdlib is not one of in, out")
    for path in files(argument):
        if docstrings == "in":
            yield path.read_bytes()
        elif path.parent.name != "pydoc_data":
            yield without_docstrings(path.read_bytes())


def size(argument: str, docstrings: str = "in") -> int:
    """Return the bytes to read."""
    return sum(file.stat().st_size for file in files(argument))


def files(argument: str) -> list[Path]:
    """Return the source files. Raises UsageError for an argument: this corpus accepts none."""
    if argument:
        raise UsageError(f"the corpus stdlib accepts no argument, but got {argument!r}; write stdlib alone")
    root = Path(sysconfig.get_paths()["stdlib"])
    found = []
    for path in sorted(root.rglob("*.py"), key=lambda path: path.relative_to(root).as_posix()):
        below = path.relative_to(root).parts
        # _sysconfigdata holds paths of the machine that built Python, which would change the fingerprint
        if not EXCLUDED.intersection(below) and not below[-1].startswith("_sysconfigdata"):
            found.append(path)
    return found


def docstrings(source: bytes) -> list[ast.Constant]:
    """Return the long docstrings of a source file as nodes with their place; none of a file that is not Python 3."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return []
    found = []
    for node in ast.walk(tree):
        if isinstance(node, DOCUMENTED) and node.body and isinstance(node.body[0], ast.Expr):
            value = node.body[0].value
            if isinstance(value, ast.Constant) and isinstance(value.value, str) and len(value.value) > LEAST:
                found.append(value)
    return found


def without_docstrings(source: bytes) -> bytes:
    """Return a source file without the lines of its long docstrings."""
    lines = source.splitlines(keepends=True)
    inside = {line for node in docstrings(source) for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)}
    return b"".join(line for number, line in enumerate(lines, 1) if number not in inside)


READER = Reader(example="stdlib", documents=documents, files=files, size=size, options=("docstrings",))
