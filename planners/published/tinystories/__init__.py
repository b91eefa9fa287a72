"""The 13 rows that a small TinyStories MoE repository prints. `SOURCE.md` says where the rows are from."""

from pathlib import Path

FOLDER = Path(__file__).parent
