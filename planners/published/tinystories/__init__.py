"""The 13 rows that a small TinyStories MoE repository prints. `SOURCE.md` states their source."""

from pathlib import Path

FOLDER = Path(__file__).parent
