"""The version of the toolkit, which every record and every file of fits states."""

VERSION = "0.1.0"
"""The version; `pyproject.toml` takes it from here."""
