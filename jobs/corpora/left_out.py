"""What stands for a document that a reader leaves out, so that it is counted."""

from enum import Enum


class LeftOut(Enum):
    """Stands for a document that a reader leaves out; the value is the reason, as records count it."""

    BINARY = "binary"
    """A file with zero bytes and without a byte order mark."""
    NOT_DECODED = "not_decoded"
    """A file that is not text in the encoding that its byte order mark names."""
    WITHOUT_TEXT = "without_text"
    """A row without the field of the text."""
    UNDECODABLE = "not_utf8"
    """A document that is not UTF-8, which BPE needs."""
