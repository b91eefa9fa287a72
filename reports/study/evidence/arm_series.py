"""The series of a study: the arms through which one curve of r_a is drawn, with that curve and the dense controls.

Series of one budget differ in N, in how data is repeated, or in what else was varied.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from planners.spec import RunSpec
from reports.study.evidence.arms import Arm

if TYPE_CHECKING:
    from fits.result import FitResult
    from fits.runs.series import SeriesKey
    from fits.runs.table import RunTable


@dataclass(frozen=True, kw_only=True)
class Series:
    """Arms with finished runs that share budget, N and how data is repeated."""

    key: "SeriesKey | None" = None
    """What distinguishes it from the other series; null where the arms only share a budget."""
    table: "RunTable | None" = None
    """Its finished runs as the input of a fit; null where the arms only share a budget."""
    arms: tuple[Arm, ...]
    """The arms that are compared, in the order of the plan. A fresh dense arm belongs to every reuse of its budget."""
    controls: tuple[Arm, ...] = ()
    """Dense arms of another N that were planned for comparison."""
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
    def curve(self) -> "FitResult":
        """The curve fitted to the MoE arms. Raises ValueError where nothing has been fitted."""
        if self.fit is None:
            raise ValueError(f"no curve has been fitted to {self.heading}")
        return self.fit

    @property
    def C(self) -> float:
        """The budget, FLOPs."""
        return self.arms[0].budget

    @property
    def N(self) -> float:
        """The size that the question asks for, else that of the first arm."""
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


def read_series(arms: Sequence[Arm], table: "RunTable", fits: Sequence["FitResult"]) -> list[Series]:
    """Return the series of the finished runs that have MoE arms, in the order of their budgets.

    `table` holds the finished runs of `arms`; `fits` are the curves, of one law, that belong to the series.
    """
    from fits.runs.series import series

    found = []
    for key, part in series(table).items():
        ids = set(part.frame["run_id"])
        members = [arm for arm in arms if any(record.spec.run_id in ids for record in arm.done)]
        compared = _with_dense([arm for arm in members if arm.is_compared], arms)
        if any(not arm.is_dense for arm in compared):
            controls = _controls(compared, members, arms)
            fit = next((fit for fit in fits if fit.series == key), None)
            found.append(Series(key=key, table=part, arms=compared, controls=controls, fit=fit))
    return found


def at_budget(arms: Iterable[Arm], C: float) -> list[Arm]:
    """Return the arms that are compared at budget C."""
    return [arm for arm in arms if arm.budget == C and arm.is_compared]


def _with_dense(members: Sequence[Arm], arms: Sequence[Arm]) -> tuple[Arm, ...]:
    """Return `members` with the dense arm of their budget and size, where what was varied does not concern it."""
    if not members or any(arm.is_dense for arm in members):
        return tuple(members)
    dense = (arm for arm in at_budget(arms, members[0].budget) if arm.is_dense and arm.done and not arm.spec.series)
    return (*(arm for arm in dense if _same_size(arm.spec, members[0].spec)), *members)


def _same_size(one: RunSpec, other: RunSpec) -> bool:
    """Return whether two arms have one N: the N of the question, or else their own to 5 %."""
    from fits.runs.budgets import same_budget

    asked = (one.target.get("N"), other.target.get("N"))
    return asked[0] == asked[1] if any(asked) else same_budget(one.N, other.N)


def _controls(compared: tuple[Arm, ...], members: Sequence[Arm], arms: Sequence[Arm]) -> tuple[Arm, ...]:
    """Return the controls that repeat their data as the MoE arms do, since each reuse has its own.

    A given dense arm of another N and the same budget is a control too.
    """
    repeats = any(arm.spec.epochs > 1 for arm in compared)
    own = [arm for arm in members if arm.spec.role == "control"]
    own += [arm for arm in at_budget(arms, compared[0].budget) if arm.is_dense and arm.spec.role == "given"]
    return tuple(arm for arm in own if (arm.spec.epochs > 1) == repeats and arm not in compared)
