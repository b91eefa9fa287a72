"""How the arms of a study are marked, named and grouped in all of its figures."""

from collections.abc import Iterable, Sequence

from reports.page.figure import DENSE, SERIES, Axes, Mark, canvas_of, columns_of, log_axis, panels
from reports.page.labels import shortened
from reports.page.number_text import percent
from reports.study.evidence import Evidence
from reports.study.evidence.arms import Arm, Series, heading


def marks(arms: Iterable[Arm]) -> dict[str, Mark]:
    """Return the mark of each arm of a series, by label: dense arms are black, MoE arms differ, lowest rate first."""
    known = list(arms)
    moe = sorted((arm for arm in known if not arm.is_dense), key=lambda arm: arm.spec.r_a)
    found = {arm.label: _mark(at) for at, arm in enumerate(moe)}
    return {arm.label: found.get(arm.label, DENSE) for arm in known}


def names_of(arms: Iterable[Arm]) -> dict[str, str]:
    """Return a short name of each arm, by label, without the words that all arms share: K4 for `K4 U=fresh`."""
    known = list(arms)
    moe, dense = ([arm for arm in known if arm.is_dense == kind] for kind in (False, True))
    found = dict(zip([arm.label for arm in moe], shortened([arm.name for arm in moe]), strict=True))
    plain = ["dense"] if len(dense) == 1 else shortened([arm.name for arm in dense])
    return found | dict(zip([arm.label for arm in dense], plain, strict=True))


def _mark(at: int) -> Mark:
    """Return the mark of arm number `at`; beyond SERIES, colours are used again with other dashes and markers."""
    turn, place = divmod(at, len(SERIES))
    line, marker = SERIES[(place + turn) % len(SERIES)].line, SERIES[(place + 2 * turn) % len(SERIES)].marker
    return Mark(color=SERIES[place].color, marker=marker, line=line)


def groups_of(evidence: Evidence) -> list[Series]:
    """Return the series; where no series has two rates, return the arms of each budget instead."""
    if any(len({arm.spec.r_a for arm in group.moe}) > 1 for group in evidence.series):
        return evidence.series
    done = {C: tuple(arm for arm in evidence.at(C) if arm.done) for C in evidence.budgets}
    return [Series(arms=a) for a in done.values() if a]


def rate_panels(groups: Sequence[Series], axes: Axes, ylabel: str, *, height: float = 1.9) -> list[Axes]:
    """Divide `axes` into a panel of `height` inches for each series, with shared axes; x is the activation rate."""
    columns = columns_of(len(groups))
    cut = panels(axes, len(groups), columns=columns, height=height, sharex=True, sharey=True)
    rates = [arm.spec.r_a for group in groups for arm in group.moe]
    for group, panel in zip(groups, cut, strict=True):
        log_axis(panel, "x", rates, percent)
        panel.tick_params(labelbottom=panel in cut[-columns:])
        if len(groups) > 1:
            panel.set_title(heading(group, groups))
    for panel in cut[-columns:]:
        panel.set_xlabel("activation rate  r_a = N_a / N")
    canvas_of(cut[0]).supylabel(ylabel, fontsize=9.5)
    return cut
