"""arXiv 2506.12119: what repeated data cost at 7B, and its learning rates relative to the rule that it states."""

from typing import Any

import numpy as np

from planners.recipes import STEP_LAW
from reports.page.figure import INK, QUIET, SERIES, Axes, Figure, log_axis, points
from reports.page.number_text import listed, percent
from reports.papers.estimate_text import loss_difference
from reports.papers.figure_parts import label_axes
from reports.papers.li2025 import headings
from reports.papers.li2025.confounders import batches, learning_rates, median_learning_rates
from reports.papers.li2025.study import Li2025

SCHEMES = {"strict": "68B tokens, repeated", "loose": "two epochs"}
"""Way of using data -> its legend."""
POINTS = 100


def draw_reuse(paper: Li2025, axes: Axes) -> None:
    """Draw repeated less fresh against epochs, with the fitted cost of the strict runs and the margin."""
    strict = paper.reuse["strict"]
    cost, most, color = strict.costs[0], max(pair.epochs for pair in strict.pairs), SERIES[1].color
    epochs = np.linspace(1, most, POINTS)
    growth = (epochs - 1) ** 2 / (2 * epochs)
    axes.axhline(0, color=INK, linewidth=1)
    axes.axhline(paper.margin("7B"), color=QUIET, linewidth=1, linestyle=(0, (4, 3)), label="what 5 % of C is worth")
    axes.plot(epochs, cost.value * growth, color=color, linewidth=1.4, gid="cost", label="fitted cost, 95 %")
    if cost.lo is not None and cost.hi is not None:
        axes.fill_between(epochs, cost.lo * growth, cost.hi * growth, color=color, alpha=0.14, linewidth=0)
    for (scheme, label), mark in zip(SCHEMES.items(), SERIES[1:3], strict=True):
        x, y = zip(*((pair.epochs, pair.excess) for pair in paper.reuse[scheme].pairs), strict=True)
        points(axes, x, y, mark, 7, label=label, zorder=5, gid=scheme)
    for at, pair in enumerate(sorted(strict.pairs, key=lambda pair: pair.epochs)):
        # neighbours have nearly equal epochs, so their labels alternate
        place: dict[str, Any] = {"xytext": (0, 6), "va": "bottom"} if at % 2 else {"xytext": (0, -7), "va": "top"}
        text = percent(pair.r_a or 0)
        axes.annotate(text, (pair.epochs, pair.excess), fontsize=8, textcoords="offset points", ha="center", **place)
    axes.set_xlim(0.8, most * 1.06)
    axes.margins(y=0.15)
    label_axes(axes, "epochs  D / U", "repeated less fresh  (bits per character)", handlelength=2.2)


def caption_reuse(paper: Li2025) -> str:
    """Return what the figure of repeated data shows."""
    strict, loose = paper.reuse["strict"], paper.reuse["loose"]
    below = sum(pair.excess < 0 for pair in loose.pairs)
    return (
        "Each marker is one 7B run on repeated data less its twin on fresh data (tables 14 and 17 less 12), labelled "
        "by rate. Line: cost (epochs − 1)² / (2 epochs), to first order the effective tokens of arXiv 2305.16264, "
        f"fitted to the {len(strict.pairs)} strict runs. {below} of {len(loose.pairs)} runs with two epochs lie below "
        "fresh data. Repetition cannot do that: it shows the size of the noise. One seed."
    )


def alt_reuse(paper: Li2025) -> str:
    """Return the figure of repeated data in words."""
    parts = [
        f"{label}: "
        + ", ".join(f"{loss_difference(pair.excess)} at {pair.epochs:.1f} epochs" for pair in paper.reuse[name].pairs)
        for name, label in SCHEMES.items()
    ]
    return f"Loss on repeated data less loss on fresh data, bits per character, against epochs. {'; '.join(parts)}."


def draw_learning_rates(paper: Li2025, axes: Axes) -> None:
    """Draw learning rate and batch over those of Step Law, one row for each arm."""
    rates, sizes = learning_rates(paper), batches(paper)
    axes.axvline(1, color=INK, linewidth=1)
    for row, arm in enumerate(rates):
        lr, batch = [ratio for _, ratio in rates[arm]], sizes.get(arm, [])
        for values, mark, shift, name in ((lr, SERIES[0], -0.15, "learning rate"), (batch, SERIES[1], 0.15, "batch")):
            style: dict[str, Any] = {"gid": f"{name} {arm}", "label": None if row else name, "markerfacecolor": "none"}
            points(axes, values, [row + shift] * len(values), mark, 6, **style)
    log_axis(axes, "x", (0.7, 3.0), "{:g}".format, room=1.05)
    axes.set_yticks(range(len(rates)), list(rates))
    axes.set_ylim(len(rates) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    label_axes(axes, "used in the paper / Step Law for its N and D", handlelength=2.0)


def caption_learning_rates(paper: Li2025) -> str:
    """Return what the figure of learning rates shows."""
    n, law = sum(map(len, learning_rates(paper).values())), STEP_LAW
    return (
        f"Peak learning rate and batch of each run over {law.lr_scale:g} N^{law.lr_by_N:g} D^{law.lr_by_D:g} and "
        f"{law.batch_scale:g} D^{law.batch_by_D:g} tokens (arXiv 2503.04715), N all parameters without vocabulary. The "
        "3B MoE runs are taken to have the rates of table 10 at equal D, and their batches are not known. "
        f"n = {n} runs of tables 10, 12, 13 and 15."
    ).replace("^-", "^−")


def alt_learning_rates(paper: Li2025) -> str:
    """Return the figure of learning rates in words."""
    shown = listed(f"{arm} {ratio:.2f}" for arm, ratio in median_learning_rates(paper).items())
    return f"Learning rate used over that of Step Law, median by arm: {shown}."


REUSE = Figure(
    title="What repeated data cost at 7B", section=headings.REUSE, draw=draw_reuse, caption=caption_reuse, alt=alt_reuse
)
LEARNING_RATES = Figure(
    title="Learning rates against the stated rule",
    section=headings.LEARNING_RATES,
    draw=draw_learning_rates,
    caption=caption_learning_rates,
    alt=alt_learning_rates,
    size=(5.0, 3.2),
)
