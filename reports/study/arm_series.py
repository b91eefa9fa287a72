"""The series of a study: the arms that one curve of r_a is drawn through, that curve, and the controls beside them.

Two of one budget differ in N, in how data is repeated, or in what else was varied.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from planners.records.quantity import format_quantity
from planners.spec import RunSpec
from reports.page.number_text import flops
from reports.study.evidence import Arm, Evidence, Fitted

SIZE = 0.05
"""Relative difference of N below which arms that were given have one size, as in fits/table.py."""
AMOUNT = {"C": ("C = {} FLOPs", flops), "D": ("D = {} tokens", format_quantity), "N": ("N = {}", format_quantity)}
"""Letter of a quantity in the name of a series -> how a heading writes it."""


@dataclass(frozen=True, kw_only=True)
class Series:
    """Arms with finished runs that share budget, N and how data is repeated."""

    name: str
    """As fits/series.py calls it: C1e12-strict; empty where the study is one series."""
    arms: tuple[Arm, ...]
    """The arms that are compared, in the order of the plan; a fresh dense arm is part of every reuse of its budget."""
    controls: tuple[Arm, ...]
    """Dense arms of another N that were planned beside them."""
    fit: Fitted | None
    """The curve fitted to the MoE arms."""

    @property
    def moe(self) -> list[Arm]:
        """The MoE arms, lowest rate first."""
        return sorted((arm for arm in self.arms if not arm.is_dense), key=lambda arm: arm.spec.r_a)

    @property
    def dense(self) -> list[Arm]:
        """The dense arms of the same N."""
        return [arm for arm in self.arms if arm.is_dense]

    @property
    def C(self) -> float:
        """The budget, FLOPs."""
        return self.arms[0].budget

    @property
    def N(self) -> float:
        """The size that was asked for, of the first arm."""
        return self.arms[0].spec.target.get("N", float(self.arms[0].spec.N))

    @property
    def repeats(self) -> bool:
        """Whether its MoE arms see their data more than once."""
        return any(arm.spec.epochs > 1 for arm in self.moe)

    @property
    def heading(self) -> str:
        """Its name for a reader: `C = 1e12 FLOPs, strict`."""
        return written(self.name) if self.name else AMOUNT["C"][0].format(flops(self.C))


def written(name: str) -> str:
    """Write the name of a series for a reader: C1e12-strict -> `C = 1e12 FLOPs, strict reuse`."""
    return ", ".join(map(_part, name.split("-")))


def _part(part: str) -> str:
    found = re.fullmatch(r"([CDN])(\d[\d.]*(?:e\d+)?)", part)
    if found is None:
        reuse = "data" if part == "repeated" else "reuse"
        return f"{part} {reuse}" if part.startswith(("strict", "loose", "repeated")) else part
    words, write = AMOUNT[found[1]]
    return words.format(write(float(found[2])))


def heading(series: Series, among: Sequence[Series]) -> str:
    """Return the name of a series beside the others; that of fresh data says so where others repeat theirs."""
    fresh = not series.repeats and any(other.repeats for other in among)
    return f"{series.heading}, fresh data" if fresh else series.heading


def read_series(evidence: Evidence) -> list[Series]:
    """Return the series of the finished runs that have MoE arms, in the order of their budgets."""
    if not any(arm.done for arm in evidence.moe):
        return []
    from fits.runs.series import series

    found = []
    for name, table in series(evidence.table).items():
        ids = set(table.frame["run_id"])
        arms = [arm for arm in evidence.arms if any(record.spec.run_id in ids for record in arm.done)]
        compared = _with_dense(tuple(arm for arm in arms if arm.is_compared), evidence)
        if any(not arm.is_dense for arm in compared):
            found.append(
                Series(name=name, arms=compared, controls=_controls(compared, arms, evidence), fit=_fit(evidence, name))
            )
    return found


def _with_dense(arms: tuple[Arm, ...], evidence: Evidence) -> tuple[Arm, ...]:
    """Return the arms with the dense arm of their budget and size where what was varied does not concern it."""
    if not arms or any(arm.is_dense for arm in arms):
        return arms
    dense = (arm for arm in evidence.at(arms[0].budget) if arm.is_dense and arm.done and not arm.spec.series)
    return (*(arm for arm in dense if _same_size(arm.spec, arms[0].spec)), *arms)


def _same_size(one: RunSpec, other: RunSpec) -> bool:
    """Return whether two arms have one N: the one that was asked for, or where none was, theirs to 5 %."""
    asked = (one.target.get("N"), other.target.get("N"))
    return asked[0] == asked[1] if any(asked) else math.isclose(one.N, other.N, rel_tol=SIZE)


def _controls(compared: tuple[Arm, ...], arms: list[Arm], evidence: Evidence) -> tuple[Arm, ...]:
    """Return the controls that repeat their data as the MoE arms do, since each reuse has its own.

    A dense arm that was given, of another N and the same budget, is one too.
    """
    repeats = any(arm.spec.epochs > 1 for arm in compared)
    own = [arm for arm in arms if arm.spec.role == "control"]
    own += [arm for arm in evidence.at(compared[0].budget) if arm.is_dense and arm.spec.role == "given"]
    return tuple(arm for arm in own if (arm.spec.epochs > 1) == repeats and arm not in compared)


def _fit(evidence: Evidence, name: str) -> Fitted | None:
    """Return the fit of the series that the answer rests on."""
    wanted = (
        fitted for fitted in evidence.answering if fitted.name == "-".join(filter(None, (fitted.result.law, name)))
    )
    return next(wanted, None)
