"""Training loss against tokens consumed: one line an arm, a band over its seeds, and the final validation loss."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from planners.records.quantity import format_quantity
from reports.page.figure import Figure, Mark, columns_of, key, panels
from reports.page.number_text import counted, listed, nats, percent
from reports.page.scales import log_axis
from reports.study.arm_series import Series, heading
from reports.study.arms import Arm, Run
from reports.study.evidence import Evidence
from reports.study.figures.marks import marks, names_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]
REACH = 5
"""Points on either side that a smoothed point averages, of about 100 a run."""
POINTS = 120
"""Points of a line; a curve of more is thinned, evenly in ln D."""
START = 0.03
"""Share of a run before which nothing is drawn: there the loss falls from ln of the vocabulary, alike in all arms."""


def draw(evidence: Evidence, axes: "Axes") -> None:
    """Draw the curves of every series in a panel of its own; arms differ by colour, dashes and marker."""
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
    """Return the series with every arm that has a curve; where none has a finished run, the budgets as planned."""
    whole = [Series(arms=tuple(evidence.at(C))) for C in evidence.budgets]
    kept = evidence.series if all(run.done for run in evidence.runs) else whole
    return [group for group in kept if any(run.tokens for arm in group.arms for run in arm.runs)]


def drawn_arms(evidence: Evidence) -> list[Arm]:
    """Return the arms that the figure shows, each once; controls of another N and arms that stand alone are none."""
    groups = _groups(evidence)
    return [arm for arm in evidence.arms if any(arm in group.arms for group in groups)]


def _panel(group: Series, axes: "Axes") -> None:
    arms = sorted(group.arms, key=lambda arm: (not arm.is_dense, arm.spec.r_a))
    used, names = marks(arms), names_of(arms)
    for arm in arms:
        label = names[arm.label] if arm.is_dense else f"{names[arm.label]}, r_a {percent(arm.spec.r_a)}"
        _arm(arm, used[arm.label], label, axes)
    tokens = [D for arm in arms for run in arm.runs for D in run.tokens]
    log_axis(axes, "x", [START * max(tokens), max(tokens)], format_quantity, room=1.1)
    axes.margins(y=0.08)


def _arm(arm: Arm, mark: Mark, label: str, axes: "Axes") -> None:
    """Draw the mean curve of an arm with a band over its seeds; a run that did not end well has its own and a cross."""
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
        axes.plot(
            [arm.done[0].D_seen], [final], linestyle="none", marker=mark.marker, color=mark.color, markersize=6.5,
            markeredgecolor="white", gid=f"validation {arm.label}", zorder=5,
        )  # fmt: skip


def thinned(run: Run) -> tuple[Floats, Floats]:
    """Return tokens and smoothed loss of a run beyond START, at POINTS of them at most, evenly in ln D."""
    tokens, losses = np.array(run.tokens, float), smooth(run.losses)
    kept = tokens >= START * tokens[-1]
    tokens, losses = tokens[kept], losses[kept]
    if len(tokens) > POINTS:
        wanted = np.geomspace(tokens[0], tokens[-1], POINTS)
        at = np.unique(np.searchsorted(tokens, wanted).clip(0, len(tokens) - 1))
        tokens, losses = tokens[at], losses[at]
    return tokens, losses


def together(curves: Sequence[tuple[Floats, Floats]]) -> tuple[Floats, Floats]:
    """Return the tokens that all curves reach, shape (p,), and their losses there, shape (curves, p)."""
    if not curves:
        return np.empty(0), np.empty((0, 0))
    first, last = max(curve[0][0] for curve in curves), min(curve[0][-1] for curve in curves)
    tokens = next(curve[0] for curve in curves)
    tokens = tokens[(tokens >= first) & (tokens <= last)]
    return tokens, np.array([np.interp(np.log(tokens), np.log(D), losses) for D, losses in curves])


def smooth(losses: Sequence[float]) -> Floats:
    """Return the mean of each point with up to REACH points on either side, shape (n,).

    Fewer at the start, where the loss falls steeply; at the end the points before it, so that it is no single point.
    """
    n, total = len(losses), np.concatenate([[0.0], np.cumsum(np.array(losses, float))])
    at = np.arange(n)
    reach = np.minimum(REACH, at // 3)
    low, high = at - reach, np.minimum(at + reach + 1, n)
    return np.asarray((total[high] - total[low]) / np.maximum(high - low, 1))


def caption(evidence: Evidence) -> str:
    """Return what the figure shows, with n and source, and which curves are absent."""
    arms = drawn_arms(evidence)
    drawn = {run.spec.run_id for arm in arms for run in arm.runs if run.tokens}
    absent = [f"{arm.label} ({run.gap})" for arm in arms for run in arm.runs if run.record and run.gap]
    gaps = f" Not whole: {listed(absent, 6)}." if absent else ""
    planned = counted(len(evidence.runs), "planned run")
    other = list(dict.fromkeys(arm.name for arm in evidence.arms if arm not in arms))
    left = f" Not drawn, as they are in no series of rates: {listed(other)}." if other else ""
    return (
        f"Training loss against tokens consumed (log axis, from {percent(START)} of the longest run): a running mean "
        f"of up to {2 * REACH + 1} points, mean over the seeds of an arm with a band from lowest to highest; markers "
        "are the final validation loss, a cross the end of a run that failed or diverged. Arms have equal C, so those "
        f"with fewer active parameters see more tokens. n = {counted(len(drawn), 'curve')} of {planned}, "
        f"{evidence.source}.{left}{gaps}"
    )


def alt(evidence: Evidence) -> str:
    """Return the figure in words, arm by arm."""
    ends = [
        f"{arm.label} ends at {nats(loss)} after {format_quantity(arm.spec.training.D)} tokens"
        for arm in drawn_arms(evidence)
        if (loss := arm.mean("loss")) is not None
    ]
    return (
        f"Training loss against tokens consumed, one line an arm. Final validation loss: {'; '.join(ends) or 'none'}."
    )


def has_data(evidence: Evidence) -> bool:
    """Whether any run has written a line of metrics."""
    return any(run.tokens for run in evidence.runs)


FIGURE = Figure(title="Loss curves", section="Loss curves", has_data=has_data, draw=draw, caption=caption, alt=alt)
