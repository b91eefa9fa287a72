"""Write docs/api.md from the docstrings of the Python API: python -m docs"""

import inspect
from typing import Any

import scaling

SECTIONS = {
    "Plan": "make_plan preset export_runs",
    "Train": "sweep_study read_records prepare",
    "Fit": "read_runs fit_study fit_law predict compare_laws read_fits curve constancy reuse check_table",
    "Simulate": "simulate_study clear_simulated next_runs",
    "Report": "write_report report_runs compare_studies draw reproduce write_gallery",
    "Count": "count_model from_hf to_hf flops_by_part flops_per_token",
    "Records and errors": "Question GivenArm Varied Shape Corpus Plan Study Cluster RunTable FitResult StudyFits Noise"
    " Report UsageError",
}
"""Heading -> the names below it."""
INTRODUCTION = """# Python API

`from scaling import make_plan, sweep_study, fit_study, write_report`. Names are imported when they are first used, so
`import scaling` is quick. A mistake of the caller raises `UsageError`, whose text says what to do. A path may be a
string, a `Path` or a `Study`. `print` shows a result as the command does; `to_frame()` of a plan, a fit or a count
returns a DataFrame.

This page is written from the docstrings by `python -m docs`; a test runs the examples. They start in a folder
that holds `results/`, with every name of `scaling` imported, and `replace` of `dataclasses`.
"""


def page() -> str:
    """Return the page."""
    parts = [INTRODUCTION]
    for heading, names in SECTIONS.items():
        parts.append(f"## {heading}\n")
        parts += [_entry(name, getattr(scaling, name)) for name in names.split()]
    return "\n".join(parts)


def _entry(name: str, thing: Any) -> str:
    """Return the signature and the docstring of a function, or the first paragraph about a class."""
    text = inspect.cleandoc(thing.__doc__ or "")
    if inspect.isclass(thing):
        return f"### `{name}`\n\n{text.partition(chr(10) + chr(10))[0]} (`{thing.__module__}.{thing.__qualname__}`)\n"
    said, prompt, example = text.partition(">>> ")
    block = f"\n```pycon\n{prompt}{example}\n```\n" if example else ""
    return f"### `{name}{_signature(thing)}`\n\n{said.rstrip()}\n{block}"


def _signature(function: Any) -> str:
    """Return the names of the parameters and their defaults."""
    parts, starred = [], False
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and not starred:
            parts.append("*")
            starred = True
        default = parameter.default
        shown = "" if default is parameter.empty else "=…" if callable(default) else f"={default!r}"
        parts.append(("**" if parameter.kind is parameter.VAR_KEYWORD else "") + parameter.name + shown)
    return f"({', '.join(parts)})"
