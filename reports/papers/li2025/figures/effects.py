"""arXiv 2506.12119: what repeated data cost at 7B, and how its learning rates lie to the rule that it states."""

from statistics import median
from typing import TYPE_CHECKING

from reports.page.figure import INK, QUIET, SERIES, Figure
from reports.page.number_text import listed, percent
from reports.page.scales import log_axis
from reports.papers.words import signed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from reports.papers.li2025.study import Li2025

SCHEMES = {"strict": "68B tokens, repeated", "loose": "two epochs"}
POINTS = 100


def draw_reuse(paper: "Li2025", axes: "Axes") -> None:
    """Draw repeated less fresh against epochs, with the fitted cost of the strict runs and the margin."""
    import numpy as np

    strict = paper.reuse["strict"]
    most = max(pair.epochs for pair in strict.pairs)
    epochs = np.linspace(1, most, POINTS)
    growth, cost = (epochs - 1) ** 2 / (2 * epochs), strict.costs[0]
    axes.axhline(0, color=INK, linewidth=1)
    axes.axhline(paper.margin("7B"), color=QUIET, linewidth=1, linestyle=(0, (4, 3)), label="what 5 % of C is worth")
    axes.plot(epochs, cost.value * growth, color=SERIES[1].color, linewidth=1.4, gid="cost", label="fitted cost, 95 %")
    if cost.lo is not None and cost.hi is not None:
        axes.fill_between(epochs, cost.lo * growth, cost.hi * growth, color=SERIES[1].color, alpha=0.14, linewidth=0)
    for (scheme, label), mark in zip(SCHEMES.items(), SERIES[1:3], strict=True):
        pairs = paper.reuse[scheme].pairs
        axes.plot(
            [pair.epochs for pair in pairs], [pair.excess for pair in pairs], linestyle="none", marker=mark.marker,
            color=mark.color, label=label, zorder=5, gid=scheme,
        )  # fmt: skip
    for at, pair in enumerate(sorted(strict.pairs, key=lambda pair: pair.epochs)):
        above = bool(at % 2)  # neighbours at nearly one number of epochs
        axes.annotate(
            percent(pair.r_a or 0), (pair.epochs, pair.excess), xytext=(0, 6 if above else -7), fontsize=8,
            textcoords="offset points", ha="center", va="bottom" if above else "top",
        )  # fmt: skip
    axes.set_xlim(0.8, most * 1.06)
    axes.margins(y=0.15)
    axes.set_xlabel("epochs  D / U")
    axes.set_ylabel("repeated less fresh  (bits per character)")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, handlelength=2.2)


def caption_reuse(paper: "Li2025") -> str:
    """Return what the figure of repeated data shows."""
    strict, loose = paper.reuse["strict"], paper.reuse["loose"]
    below = sum(pair.excess < 0 for pair in loose.pairs)
    return (
        "Each marker is one 7B run on repeated data less its twin on fresh data (tables 14 and 17 less 12), labelled "
        "by rate. Line: cost (epochs − 1)² / (2 epochs), to first order the effective tokens of arXiv 2305.16264, "
        f"fitted to the {len(strict.pairs)} strict runs. {below} of {len(loose.pairs)} runs with two epochs lie below "
        "fresh data, which is no effect of repetition but the size of the noise. One seed."
    )


def alt_reuse(paper: "Li2025") -> str:
    """Return it in words."""
    parts = [
        f"{label}: "
        + ", ".join(f"{signed(pair.excess)} at {pair.epochs:.1f} epochs" for pair in paper.reuse[name].pairs)
        for name, label in SCHEMES.items()
    ]
    return f"Loss on repeated data less loss on fresh data, bits per character, against epochs. {'; '.join(parts)}."


def draw_learning_rates(paper: "Li2025", axes: "Axes") -> None:
    """Draw learning rate and batch over those of Step Law, one row for each arm."""
    from reports.papers.li2025.effects import batches, learning_rates

    rates, sizes = learning_rates(paper), batches(paper)
    axes.axvline(1, color=INK, linewidth=1)
    for row, arm in enumerate(rates):
        lr, batch = [ratio for _, ratio in rates[arm]], sizes.get(arm, [])
        for values, mark, shift, name in ((lr, SERIES[0], -0.15, "learning rate"), (batch, SERIES[1], 0.15, "batch")):
            axes.plot(
                values, [row + shift] * len(values), linestyle="none", marker=mark.marker, markersize=6,
                color=mark.color, markerfacecolor="none", gid=f"{name} {arm}", label=None if row else name,
            )  # fmt: skip
    log_axis(axes, "x", (0.7, 3.0), lambda tick: f"{tick:g}", room=1.05)
    axes.set_yticks(range(len(rates)), list(rates))
    axes.set_ylim(len(rates) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("used in the paper / Step Law for its N and D")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)


def caption_learning_rates(paper: "Li2025") -> str:
    """Return what the figure of learning rates shows."""
    from reports.papers.li2025.effects import learning_rates

    n = sum(map(len, learning_rates(paper).values()))
    return (
        "Peak learning rate and batch of each run over 1.79 N^−0.713 D^0.307 and 0.58 D^0.571 tokens (arXiv "
        "2503.04715), N all parameters without vocabulary. The 3B MoE runs are taken to have the rates of table 10 "
        f"at equal D, and their batches are not known. n = {n} runs of tables 10, 12, 13 and 15."
    )


def alt_learning_rates(paper: "Li2025") -> str:
    """Return it in words."""
    from reports.papers.li2025.effects import learning_rates

    shown = [f"{arm} {median(ratio for _, ratio in runs):.2f}" for arm, runs in learning_rates(paper).items()]
    return f"Learning rate used over that of Step Law, median by arm: {listed(shown)}."


REUSE = Figure(
    title="What repeated data cost at 7B", of="li2025", has_data=lambda paper: bool(paper.of(14)), draw=draw_reuse,
    caption=caption_reuse, alt=alt_reuse,
)  # fmt: skip
LEARNING_RATES = Figure(
    title="Learning rates against the stated rule", of="li2025", has_data=lambda paper: bool(paper.of(10)),
    draw=draw_learning_rates, caption=caption_learning_rates, alt=alt_learning_rates, size=(5.0, 3.2),
)  # fmt: skip
