"""Write docs/files.md, the fields of every file of a study, from the records themselves: python -m docs"""

import ast
import dataclasses
import inspect
import textwrap
import typing
from functools import cache
from types import UnionType
from typing import Any

INTRODUCTION = """# Files and columns

Every file of a study is JSON, one JSON object a line, or CSV in UTF-8. Each is written atomically, or a line at a time,
so a reader never sees half of one. A field with a dot belongs to a nested object, such as `shape.d_model`. Numbers are
in base units: parameters, tokens, FLOPs, nats per token, seconds, bytes.

This page is written from the records by `python -m docs`.
"""


def sections() -> dict[str, tuple[str, tuple[type, ...]]]:
    """Return heading -> its text and the records whose fields it lists."""
    from jobs.record import RunRecord
    from jobs.run.attempts import Attempt
    from jobs.sweep.ledger import Submission
    from planners.question import Question
    from planners.spec import RunSpec
    from planners.study import Asked

    return {
        "study.json": ("The question, and the planner's answer apart from the runs.", (Asked, Question)),
        "plan.jsonl": ("One planned run a line: everything that determines it.", (RunSpec,)),
        "runs/RUN_ID/record.json": ("The outcome of one run, with the fields of its spec.", (RunRecord,)),
        "runs/RUN_ID/attempts.jsonl": ("One line when a worker starts a run and one when it ends.", (Attempt,)),
        "ledger.jsonl": ("Submissions: a line before and a line after each.", (Submission,)),
    }


def page() -> str:
    """Return the page."""
    parts = [INTRODUCTION]
    for heading, (said, records) in sections().items():
        parts.append(f"## {heading}\n\n{said}\n")
        for record in records:
            if len(records) > 1:
                parts.append(f"### {record.__name__}\n")
            parts.append("\n".join(["| field | meaning |", "|---|---|", *_rows(record)]) + "\n")
    parts.append(_runs_csv())
    return "\n".join(parts)


def _rows(record: type, prefix: str = "") -> list[str]:
    """Return a table row for each field of a record, nested records in place."""
    hints, rows = typing.get_type_hints(record), []
    for field in dataclasses.fields(record):
        name, nested = prefix + field.name, _nested(hints[field.name])
        rows.append(f"| `{name}` | {_cell(_descriptions(record).get(field.name, ''))} |")
        if nested is not None and nested.__name__ not in ("RunSpec", "Question"):
            rows += _rows(nested, f"{name}.")
    return rows


def _nested(hint: Any) -> type | None:
    """Return the record that a field holds, if it holds one."""
    options = (
        typing.get_args(hint) if isinstance(hint, UnionType) or typing.get_origin(hint) is typing.Union else (hint,)
    )
    return next((option for option in options if dataclasses.is_dataclass(option) and isinstance(option, type)), None)


@cache
def _descriptions(record: type) -> dict[str, str]:
    """Return field -> the text below it in the source."""
    found: dict[str, str] = {}
    for base in reversed(record.__mro__[:-1]):
        if not dataclasses.is_dataclass(base):
            continue
        (body,) = ast.parse(textwrap.dedent(inspect.getsource(base))).body
        assert isinstance(body, ast.ClassDef)
        for field, text in zip(body.body, body.body[1:], strict=False):
            match field, text:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(said))):
                    found[name] = inspect.cleandoc(said)
    return found


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _runs_csv() -> str:
    """Return the section about the table of all runs."""
    from jobs.record import SHAPE_PROPERTIES

    derived = ", ".join(f"`{name}`" for name in SHAPE_PROPERTIES)
    return (
        "## runs.csv\n\nOne run a row: the fields of `record.json`. Numbers of the shape have their own names without"
        f" `shape.`, and so have those that follow from them: {derived}. Other nested fields keep their dot. A cell is"
        " empty where a run has no value. Text that a spreadsheet would take for a formula starts with an apostrophe.\n"
    )
