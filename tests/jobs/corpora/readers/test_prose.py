"""Prose and code of the running Python are disjoint."""

import ast

import pytest

from jobs.corpora.readers import prose, stdlib
from jobs.corpora.readers.stdlib import docstrings, without_docstrings
from planners.records.errors import UsageError

SOURCE = b'''"""A long docstring of a module, with more than forty characters."""


def one(x):
    """Short."""
    return x  # kept


class Two:
    """Another long docstring, which takes two lines,

    and ends here."""

    size = """a long text that is not a docstring, so it stays in the code"""
'''


def test_long_docstrings_are_found_and_their_lines_left_out() -> None:
    found = [str(node.value)[:7] for node in docstrings(SOURCE)]
    assert found == ["A long ", "Another"]
    rest = without_docstrings(SOURCE)
    assert b"and ends here" not in rest
    assert b"Short." in rest
    assert b"so it stays" in rest
    assert docstrings(b"print 'python 2'") == []


def test_documents_are_cleaned_docstrings_and_topics(monkeypatch: pytest.MonkeyPatch) -> None:
    some = stdlib.files("")[:25]
    monkeypatch.setattr(stdlib, "files", lambda argument: some)
    found = list(prose.documents(""))
    assert len(found) > 20
    assert all(len(text) > 30 for text in found[:5])


def test_arguments_and_unknown_options_are_refused() -> None:
    with pytest.raises(UsageError, match="accepts no argument"):
        prose.files("x")
    with pytest.raises(UsageError, match="docstrings=maybe"):
        next(stdlib.documents("", docstrings="maybe"))
    assert ast.parse(SOURCE)
