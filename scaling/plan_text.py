"""A plan as a person reads it: a line a run with target, actual and residual, what was refused, and what it means."""

import math
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from planners import Plan, Question, RunSpec, UsageError
from planners.records.quantity import format_quantity
from scaling import cli

FOLLOWS = {
    "N=C": "D follows",
    "N=D": "C follows",
    "C=D": "N follows",
    "N=C=U": "D follows, and how often U is repeated",
}


def residuals(run: RunSpec, loss_slope: float | None = None) -> dict[str, float]:
    """Return by how much a run misses each of its targets, relative to it, and what that of C is worth in nats.

    `loss_slope` is how much the loss falls per unit of ln C; a run with more C than its target has a lower loss by
    slope * d ln C.
    """
    actual = {"N": run.N, "C": run.C, "D": run.training.D, "U": run.training.U, "r_a": run.r_a}
    found = {name: actual[name] / wanted - 1 for name, wanted in run.target.items()}
    if loss_slope is not None and "C" in found:
        found["loss"] = -loss_slope * math.log1p(found["C"])
    return found


def fitted_slope(path: Path, question: Question) -> float:
    """Return how much the loss falls per unit of ln C by the law fitted in `path`: beta B / D^beta at constant N.

    D is what a dense arm consumes, C / 6 N, at the middle of the question's budgets and N. Raises UsageError for a fit
    without B and beta, and for a question without C and N.
    """
    from fits.study import read_fits

    found = read_fits(path)
    params = [fit.params for fit in found.fits if {"B", "beta"} <= set(fit.params)] if found else []
    B, beta = (params[0][name].value for name in ("B", "beta")) if params else (None, None)
    if B is None or beta is None:
        raise UsageError(f"{path} holds no fit with B and beta, which a slope needs; give a number")
    if not question.budgets or not question.totals:
        raise UsageError("a slope from a fit needs C and N; give --loss-slope as a number")
    D = statistics.geometric_mean(question.budgets) / 6 / statistics.geometric_mean(question.totals)
    return float(beta * B / D**beta)


def show(plan: Plan) -> None:
    """Print the plan."""
    many = "run" if len(plan.runs) == 1 else "runs"
    print(f"{len(plan.runs)} {many}: {', '.join(_settings(plan.question, plan.runs))}\n")
    columns = [column for column in COLUMNS if any(column[1](run, plan.question) is not None for run in plan.runs)]
    rows = [[value(run, plan.question) for _, value in columns] for run in plan.runs]
    print(cli.table([name for name, _ in columns], rows))
    for note in plan.notes:
        print(f"\nnote: {note}")
    for cell in plan.refused:
        print(f"refused: {cell.cell}: {cell.reason}", file=sys.stderr)


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
    """Return the column of the relative error against a target, where there is one."""

    def cell(run: RunSpec, question: Question) -> str | None:
        found = residuals(run).get(name)
        return None if found is None else f"{found:+.{digits}%}"

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
