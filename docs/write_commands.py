"""Write docs/commands.md from the help of every command: python -m docs"""

import os
from importlib import import_module
from unittest.mock import patch

from scaling import cli

INTRODUCTION = """# Command line

`scaling VERB` is the same as `python -m scaling.VERB`. Exit codes: 0 done; 1 failed; 2 a mistake in the call, explained
in one sentence; 3 done with gaps, which are marked; 130 interrupted. With `--json` a command prints one JSON object and
nothing else on standard output.

This page is the `--help` of each command, written by `python -m docs`.
"""


def page() -> str:
    """Return the page."""
    parts = [INTRODUCTION]
    with patch.dict(os.environ, {"COLUMNS": "80"}):
        for verb in cli.VERBS:
            said = import_module(f"scaling.{verb}").arguments().format_help()
            parts.append(f"## {verb}\n\n```text\n{said.strip()}\n```\n")
    return "\n".join(parts)
