"""How results show themselves in a notebook."""


class NotebookRepr:
    """A result whose `str()` is a report for a person; a notebook shows the same text."""

    def _repr_html_(self) -> str:
        from html import escape

        return f"<pre>{escape(str(self))}</pre>"
