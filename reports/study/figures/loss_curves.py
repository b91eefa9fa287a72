"""Training loss against tokens: a line for each arm, a band over its seeds, and the final validation loss."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fits.runs.series import SeriesKey
from planners.records.quantity import format_quantity
from reports.page.figure import Axes, Figure, Mark, columns_of, key, log_axis, panels, points
from reports.page.number_text import counted, listed, nats, percent
from reports.study.evidence import Evidence
from reports.study.evidence.arms import Arm, Run, Series, heading
from reports.study.figures.marks import marks, names_of

Floats = NDArray[np.float64]
REACH = 5
"""A smoothed point averages up to so many points on either side; a run has about 100."""
POINTS = 120
"""A line has at most so many points, evenly spaced in ln D."""
START = 0.03
"""Nothing is drawn before this share of a run, where the loss falls from ln(vocabulary) in all arms alike."""


def draw(evidence: Evidence, axes: Axes) -> None:
    """Draw the curves of each series in its own panel; arms differ by colour, dashes and marker."""
    groups = _groups(evidence)
    columns = columns_of(len(groups))
    cut = panels(axes, len(groups), columns=columns, height=2.2)
    for group, panel in zip(groups, cut, strict=True):
        _panel(group, panel)
        if len(groups) > 1:
            panel.set_title(heading(group, groups))
    for panel in cut[-columns:]:
        panel.set_xlabel("tokens consumed  D")
    for panel in cut[::columns]:
        panel.set_ylabel("loss  (nats/token)")
    key(cut, columns=3)


def _groups(evidence: Evidence) -> list[Series]:
    """Return the series, or the arms of each planned budget where some runs are not done; only with loss curves.

    A study of claims has a group for each setting.
    """
    whole = [Series(arms=tuple(evidence.at(C))) for C in evidence.budgets]
    kept = evidence.series if all(run.done for run in evidence.runs) else whole
    if evidence.verdicts:
        settings = dict.fromkeys(arm.spec.series for arm in evidence.arms)
        members = {name: tuple(arm for arm in evidence.arms if arm.spec.series == name) for name in settings}
        kept = [Series(key=SeriesKey(label=name), arms=arms) for name, arms in members.items()]
    return [group for group in kept if any(run.tokens for arm in group.arms for run in arm.runs)]


def drawn_arms(evidence: Evidence) -> list[Arm]:
    """Return the arms that the figure shows, each once; controls and arms that are in no series are left out."""
    groups = _groups(evidence)
    return [arm for arm in evidence.arms if any(arm in group.arms for group in groups)]


def _panel(group: Series, axes: Axes) -> None:
    arms = sorted(group.arms, key=lambda arm: (not arm.is_dense, arm.spec.r_a))
    used, names = marks(arms), names_of(arms)
    for arm in arms:
        label = names[arm.label] if arm.is_dense else f"{names[arm.label]}, r_a {percent(arm.spec.r_a)}"
        _arm(arm, used[arm.label], label, axes)
    tokens = [D for arm in arms for run in arm.runs for D in run.tokens]
    log_axis(axes, "x", [START * max(tokens), max(tokens)], format_quantity, room=1.1)
    axes.margins(y=0.08)


def _arm(arm: Arm, mark: Mark, label: str, axes: Axes) -> None:
    """Draw the mean curve of an arm with a band over its seeds; a run that failed has its own line and a cross."""
    style: dict[str, Any] = {"color": mark.color, "linestyle": mark.line}
    done = [run for run in arm.runs if run.done and run.tokens]
    for run in arm.runs:
        if run.tokens and not run.done:
            tokens, losses = thinned(run)
            axes.plot(tokens, losses, linewidth=0.7, gid=f"broken {arm.label}", **style)
            axes.plot(tokens[-1:], losses[-1:], linestyle="none", marker="x", color=mark.color, zorder=5)
    tokens, losses = together([thinned(run) for run in done])
    if len(done) > 1:
        axes.fill_between(tokens, losses.min(0), losses.max(0), color=mark.color, alpha=0.18, linewidth=0)
    mean = losses.mean(0) if len(done) else tokens
    axes.plot(
        tokens, mean, linewidth=1.3, marker=mark.marker, markevery=[], label=label, gid=f"curve {arm.label}", **style
    )
    final = arm.mean("loss")
    if final is not None:
        end: dict[str, Any] = {"markeredgecolor": "white", "gid": f"validation {arm.label}", "zorder": 5}
        points(axes, [arm.done[0].D_seen], [final], mark, 6.5, **end)


def thinned(run: Run) -> tuple[Floats, Floats]:
    """Return tokens and smoothed loss of a run after START, at most POINTS of them, evenly spaced in ln D."""
    tokens, losses = np.array(run.tokens, float), smooth(run.losses)
    kept = tokens >= START * tokens[-1]
    tokens, losses = tokens[kept], losses[kept]
    if len(tokens) > POINTS:
        wanted = np.geomspace(tokens[0], tokens[-1], POINTS)
        at = np.unique(np.searchsorted(tokens, wanted).clip(0, len(tokens) - 1))
        tokens, losses = tokens[at], losses[at]
    return tokens, losses


def together(curves: Sequence[tuple[Floats, Floats]]) -> tuple[Floats, Floats]:
    """Return the tokens that all curves cover, shape (p,), and the losses there, shape (curves, p)."""
    if not curves:
        return np.empty(0), np.empty((0, 0))
    first, last = max(curve[0][0] for curve in curves), min(curve[0][-1] for curve in curves)
    tokens = next(curve[0] for curve in curves)
    tokens = tokens[(tokens >= first) & (tokens <= last)]
    return tokens, np.array([np.interp(np.log(tokens), np.log(D), losses) for D, losses in curves])


def smooth(losses: Sequence[float]) -> Floats:
    """Return the mean of each point with up to REACH points on either side, shape (n,).

    It averages fewer points at the start, where the loss falls steeply. The last point averages those before it.
    """
    n, total = len(losses), np.concatenate([[0.0], np.cumsum(np.array(losses, float))])
    at = np.arange(n)
    reach = np.minimum(REACH, at // 3)
    low, high = at - reach, np.minimum(at + reach + 1, n)
    return np.asarray((total[high] - total[low]) / np.maximum(high - low, 1))


def caption(evidence: Evidence) -> str:
    """Return what the figure shows, with n and source, and which curves are missing."""
    arms = drawn_arms(evidence)
    drawn = {run.spec.run_id for arm in arms for run in arm.runs if run.tokens}
    absent = [f"{arm.label} ({run.gap})" for arm in arms for run in arm.runs if run.record and run.gap]
    gaps = f" Incomplete: {listed(absent, 6)}." if absent else ""
    planned = counted(len(evidence.runs), "planned run")
    other = list(dict.fromkeys(arm.name for arm in evidence.arms if arm not in arms))
    left = f" Not drawn, because they are in no series of rates: {listed(other)}." if other else ""
    return (
        f"Training loss against tokens consumed (log axis, from {percent(START)} of the longest run). Lines are "
        f"running means of up to {2 * REACH + 1} points, averaged over the seeds of an arm; bands reach from the "
        "lowest to the highest seed. Markers are final validation losses; a cross is the end of a run that failed or "
        "diverged. Arms have equal C, so arms with fewer active parameters see more tokens. n = "
        f"{counted(len(drawn), 'curve')} of {planned}, {evidence.source}.{left}{gaps}"
    )


def alt(evidence: Evidence) -> str:
    """Return the figure in words, arm by arm."""
    ends = [
        f"{arm.label} has {nats(loss)} after {format_quantity(arm.spec.training.D)} tokens"
        for arm in drawn_arms(evidence)
        if (loss := arm.mean("loss")) is not None
    ]
    final = "; ".join(ends) or "none"
    return f"Training loss against tokens consumed, one line for each arm. Final validation loss: {final}."


def has_data(evidence: Evidence) -> bool:
    """Return whether any run has written metrics."""
    return any(run.tokens for run in evidence.runs)


FIGURE = Figure(title="Loss curves", section="Loss curves", has_data=has_data, draw=draw, caption=caption, alt=alt)
