"""The series of a study: the arms that one curve of r_a is drawn through, that curve, and the controls beside them.

Two of one budget differ in N, in how data is repeated, or in what else was varied.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from planners.spec import RunSpec
from reports.study.evidence import Arm, Evidence

if TYPE_CHECKING:
    from fits.result import FitResult
    from fits.runs.series import SeriesKey
    from fits.runs.table import RunTable


@dataclass(frozen=True, kw_only=True)
class Series:
    """Arms with finished runs that share budget, N and how data is repeated."""

    key: "SeriesKey | None" = None
    """What tells it from the other series of the study; null where the arms are no series, only of one budget."""
    table: "RunTable | None" = None
    """Its finished runs, as a fit reads them; null where the arms are no series."""
    arms: tuple[Arm, ...]
    """The arms that are compared, in the order of the plan; a fresh dense arm is part of every reuse of its budget."""
    controls: tuple[Arm, ...] = ()
    """Dense arms of another N that were planned beside them."""
    fit: "FitResult | None" = None
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
        """Its name for a reader: `C = 1e12 FLOPs, strict reuse`."""
        from fits.runs.series import SeriesKey

        key = self.key or SeriesKey()
        told = any((key.label, key.C, key.D, key.N))
        return (key if told else replace(key, C=self.C)).heading


def heading(series: Series, among: Sequence[Series]) -> str:
    """Return the name of a series for a reader; `fresh data` is added where others of `among` repeat theirs."""
    fresh = not (series.key and series.key.reuse) and not series.repeats and any(other.repeats for other in among)
    return f"{series.heading}, fresh data" if fresh else series.heading


def read_series(evidence: Evidence) -> list[Series]:
    """Return the series of the finished runs that have MoE arms, in the order of their budgets."""
    if not any(arm.done for arm in evidence.moe):
        return []
    from fits.runs.series import series

    found = []
    for key, table in series(evidence.table).items():
        ids = set(table.frame["run_id"])
        arms = [arm for arm in evidence.arms if any(record.spec.run_id in ids for record in arm.done)]
        compared = _with_dense(tuple(arm for arm in arms if arm.is_compared), evidence)
        if any(not arm.is_dense for arm in compared):
            controls = _controls(compared, arms, evidence)
            fit = next((fit for fit in evidence.answering if fit.series == key), None)
            found.append(Series(key=key, table=table, arms=compared, controls=controls, fit=fit))
    return found


def _with_dense(arms: tuple[Arm, ...], evidence: Evidence) -> tuple[Arm, ...]:
    """Return the arms with the dense arm of their budget and size where what was varied does not concern it."""
    if not arms or any(arm.is_dense for arm in arms):
        return arms
    dense = (arm for arm in evidence.at(arms[0].budget) if arm.is_dense and arm.done and not arm.spec.series)
    return (*(arm for arm in dense if _same_size(arm.spec, arms[0].spec)), *arms)


def _same_size(one: RunSpec, other: RunSpec) -> bool:
    """Return whether two arms have one N: the one that was asked for, or where none was, theirs to 5 %."""
    from fits.runs.budgets import same_budget

    asked = (one.target.get("N"), other.target.get("N"))
    return asked[0] == asked[1] if any(asked) else same_budget(one.N, other.N)


def _controls(compared: tuple[Arm, ...], arms: list[Arm], evidence: Evidence) -> tuple[Arm, ...]:
    """Return the controls that repeat their data as the MoE arms do, since each reuse has its own.

    A dense arm that was given, of another N and the same budget, is one too.
    """
    repeats = any(arm.spec.epochs > 1 for arm in compared)
    own = [arm for arm in arms if arm.spec.role == "control"]
    own += [arm for arm in evidence.at(compared[0].budget) if arm.is_dense and arm.spec.role == "given"]
    return tuple(arm for arm in own if (arm.spec.epochs > 1) == repeats and arm not in compared)
