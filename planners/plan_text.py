"""A plan as text: one run a line with targets, actual values and residuals, then the notes."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from planners.question import Question
from planners.records.quantity import format_quantity
from planners.records.text_table import fitted, percentage, text_table
from planners.spec import RunSpec

if TYPE_CHECKING:
    from planners.grid import Plan

FOLLOWS = {
    "N=C": "D follows",
    "N=D": "C follows",
    "C=D": "N follows",
    "N=C=U": "D follows, and how often U is repeated",
}
"""What the planner computes, by the quantities in which arms are equal."""


def residuals(run: RunSpec, loss_slope: float | None = None) -> dict[str, float]:
    """Return the relative error of a run in each quantity that has a target, by the name of the quantity.

    With `loss_slope`, the decrease of the loss per unit of ln C in nats, the key `loss` holds what the error in C is
    worth: -loss_slope * ln(C / target), nats. A run with more C than its target has a lower loss.
    """
    actual = {"N": run.N, "C": run.C, "D": run.training.D, "U": run.training.U, "r_a": run.r_a}
    found = {name: actual[name] / wanted - 1 for name, wanted in run.target.items()}
    if loss_slope is not None and "C" in found:
        found["loss"] = -loss_slope * math.log1p(found["C"])
    return found


def plan_summary(plan: "Plan", width: int | None = None) -> str:
    """Return the settings, a table, and the notes; `refusals` returns what is missing.

    The table has one run a line and all columns, or within `width` one cell a line and the columns that fit.
    """
    many = "run" if len(plan.runs) == 1 else "runs"
    return "\n\n".join(
        [
            f"{len(plan.runs)} {many}: {', '.join(_settings(plan.question, plan.runs))}",
            _run_table(plan) if width is None else _cell_table(plan, width),
            *(f"note: {note}" for note in plan.notes),
        ]
    )


def _run_table(plan: "Plan") -> str:
    columns = [column for column in COLUMNS if any(column[1](run, plan.question) is not None for run in plan.runs)]
    rows = [[value(run, plan.question) for _, value in columns] for run in plan.runs]
    return text_table([name for name, _ in columns], rows)


def _cell_table(plan: "Plan", width: int) -> str:
    """Return one line for the runs that differ in their seed only."""
    cells: dict[tuple[object, ...], list[RunSpec]] = {}
    for run in plan.runs:
        training = run.training
        key = (run.arm, run.budget, run.target.get("N"), run.shape, training.D, training.U, training.lr, run.role)
        cells.setdefault((*key, training.batch_tokens), []).append(run)
    value_of, question = dict(COLUMNS), plan.question
    seeds = [f"x{len(runs)} seed{'s' * (len(runs) > 1)}" for runs in cells.values()]
    ranks = {**RANKS, "C": 0} if len(question.budgets) > 1 else RANKS
    firsts = [runs[0] for runs in cells.values()]
    columns = [(name, rank, [value_of[name](run, question) for run in firsts]) for name, rank in ranks.items()]
    shown = [column for column in columns if any(value is not None for value in column[2])]
    shown.append(("runs", 0, seeds))
    rows = list(zip(*(values for _, _, values in shown), strict=True))
    return fitted([name for name, _, _ in shown], rows, [rank for _, rank, _ in shown], width)


def refusals(plan: "Plan") -> list[str]:
    """Return one line for each cell that cannot be planned."""
    return [f"refused: {refusal.cell}: {refusal.reason}" for refusal in plan.refused]


def _settings(question: Question, runs: tuple[RunSpec, ...]) -> list[str]:
    amounts = {"N": question.totals, "C": question.budgets, "D": question.tokens}
    given = [
        f"{name} = {' '.join(_written(name, value) for value in values)}" for name, values in amounts.items() if values
    ]
    if question.budgets:
        given[-1 if not question.tokens else -2] += f" FLOPs ({question.flops_convention})"
    else:
        given.append(f"C in {question.flops_convention} FLOPs")
    followed = [FOLLOWS[question.match]] if question.is_matched else ["arms as given"]
    recipes = " and ".join(dict.fromkeys(run.recipe for run in runs))
    return [*given, *followed, f"T = {question.seq_len}", f"recipe {recipes}"]


def _written(name: str, value: float) -> str:
    return f"{value:g}" if name == "C" else format_quantity(value)


Column = tuple[str, Callable[[RunSpec, Question], Any]]


def _missed(name: str, digits: int = 2) -> Column:
    """Return the column of the relative error in `name`; a run without that target has an empty cell."""

    def cell(run: RunSpec, question: Question) -> str | None:
        found = residuals(run).get(name)
        return None if found is None else percentage(found, digits, sign=True)

    return f"d{name}", cell


def _loss(run: RunSpec, question: Question) -> str | None:
    worth = residuals(run, question.loss_slope).get("loss")
    return None if worth is None else f"{worth:+.5f}"


COLUMNS: tuple[Column, ...] = (
    ("run", lambda run, _: run.run_id),
    ("arm", lambda run, _: run.arm),
    ("role", lambda run, _: None if run.role == "matched" else run.role),
    ("seed", lambda run, _: run.training.seed),
    ("N", lambda run, _: format_quantity(run.N, 4)),
    _missed("N"),
    ("r_a", lambda run, _: f"{run.r_a:.4f}"),
    _missed("r_a", 1),
    ("C", lambda run, _: f"{run.C:.4g}"),
    _missed("C"),
    ("dL", _loss),
    ("D", lambda run, _: format_quantity(run.training.D, 4)),
    _missed("D"),
    ("D/N", lambda run, _: f"{run.training.D / run.N:.3g}"),
    ("epochs", lambda run, _: f"{run.epochs:.3g}"),
    ("layers", lambda run, _: run.shape.n_layers),
    ("d_model", lambda run, _: run.shape.d_model),
    ("experts", lambda run, _: None if run.shape.is_dense else f"{run.shape.top_k}/{run.shape.n_experts}"),
    ("d_expert", lambda run, _: run.shape.d_expert or None),
    ("batch", lambda run, _: run.training.batch_tokens),
    ("lr", lambda run, _: f"{run.training.lr:.3g}"),
    ("steps", lambda run, _: run.training.steps),
)
"""Name and cell; a column that is empty for all runs is left out."""
RANKS = {
    "arm": 0, "role": 7, "N": 2, "dN": 8, "r_a": 0, "dr_a": 11, "C": 9, "dC": 8, "dL": 9, "D": 3, "dD": 9, "D/N": 1,
    "epochs": 6, "layers": 10, "d_model": 10, "experts": 5, "d_expert": 11, "batch": 4, "lr": 2, "steps": 9,
}  # fmt: skip
"""Columns of the table of cells, with their rank: the highest is left out first where the lines are too long."""
