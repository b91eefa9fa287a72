"""Training loss against tokens consumed, one line a run, and the final validation loss as a marker."""

from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any

from planners.quantity import format_quantity
from reports.evidence import Arm, Evidence, Run
from reports.figures.arms import marks, named
from reports.numerals import counted, listed, nats, percent
from reports.style import Figure, Mark

if TYPE_CHECKING:
    from matplotlib.axes import Axes


REACH = 5
"""Points on either side that a smoothed point averages, of about 100 a run."""


def draw(evidence: Evidence, axes: "Axes") -> None:
    """Draw the loss curve of every run that has one; arms differ by colour and dashes, seeds do not."""
    style, known = marks(evidence), set()
    for arm in evidence.arms:
        for index, run in enumerate(arm.runs):
            label = named(arm) if arm.is_dense else f"{named(arm)}, r_a {percent(arm.spec.r_a)}"
            _run(arm, run, style[arm.name], axes, label=None if arm.name in known else label, thin=index > 0)
            known.add(arm.name)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda tick, _: format_quantity(tick))
    axes.set_xlabel("tokens consumed  D")
    axes.set_ylabel("loss  (nats/token)")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, handlelength=3.4)


def _run(arm: Arm, run: Run, mark: Mark, axes: "Axes", *, label: str | None, thin: bool) -> None:
    line: dict[str, Any] = {"color": mark.color, "linestyle": mark.line, "marker": mark.marker, "markevery": []}
    axes.plot(run.tokens, run.losses, color=mark.color, linewidth=0.6, alpha=0.3, gid=f"curve {arm.label}")
    width = 0.8 if thin else 1.5
    axes.plot(run.tokens, smooth(run.losses), linewidth=width, label=label, gid=f"smooth {arm.label}", **line)
    if (record := run.done) is not None and record.loss is not None:
        axes.plot(
            [record.D_seen], [record.loss], linestyle="none", marker=mark.marker, color=mark.color,
            markeredgecolor="white", markersize=8, gid=f"validation {arm.label}", zorder=5,
        )  # fmt: skip


def smooth(losses: Sequence[float]) -> list[float]:
    """Return the mean of each point with up to REACH points on either side.

    Fewer at the start, where the loss falls steeply; at the end the points before it, so that it is no single point.
    """
    reach = [min(REACH, i // 3) for i in range(len(losses))]
    return [fmean(losses[i - r : i + r + 1]) for i, r in enumerate(reach)]


def caption(evidence: Evidence) -> str:
    """Return what the figure shows, with n and source, and which curves are absent."""
    curves = [run for run in evidence.runs if run.tokens]
    absent = [f"{arm.label} ({run.gap})" for arm in evidence.arms for run in arm.runs if run.record and run.gap]
    gaps = f" Not whole: {listed(absent, 6)}." if absent else ""
    planned = counted(len(evidence.runs), "planned run")
    return (
        "Training loss against tokens consumed, log axis: faint as recorded (mean since the point before), bold a "
        f"running mean of up to {2 * REACH + 1} points; markers are the final validation loss. Arms have equal C, so "
        "those with fewer active parameters see more tokens. "
        f"n = {counted(len(curves), 'curve')} of {planned}, {evidence.source}.{gaps}"
    )


def alt(evidence: Evidence) -> str:
    """Return the figure in words, arm by arm."""
    ends = [
        f"{arm.label} ends at {nats(loss)} after {format_quantity(arm.spec.training.D)} tokens"
        for arm in evidence.arms
        if (loss := arm.mean("loss")) is not None
    ]
    return f"Training loss against tokens consumed, one line a run. Final validation loss: {'; '.join(ends) or 'none'}."


def has_data(evidence: Evidence) -> bool:
    """Whether any run has written a line of metrics."""
    return any(run.tokens for run in evidence.runs)


FIGURE = Figure(title="Loss curves", of="study", has_data=has_data, draw=draw, caption=caption, alt=alt)
