"""Repeated against fresh data: the excess loss of repeated runs, by activation rate and by epochs."""

from collections.abc import Sequence
from statistics import fmean
from typing import Any

import numpy as np

from fits.compare.samples import sample_mean
from fits.repeats.pairs import Pair, knows_epochs, pairs_of
from fits.repeats.reuse import Reuse, several_epochs
from reports.page.figure import BAND, DENSE, EDGE, INK, MOE, REGION, Axes, Figure, key, log_axis, panels, points
from reports.page.number_text import counted, general, percent, span
from reports.study.evidence import Evidence

NUDGE = 1.02
"""Factor in r_a by which pairs are drawn to the left of their arm, and its mean to the right."""


def draw(evidence: Evidence, axes: Axes) -> None:
    """Draw the excess of each pair, above by rate with the means, below against epochs with the fitted cost."""
    above, below = panels(axes, 2, height=2.4, sharey=True)
    margin = margin_of(evidence)
    for panel in (above, below):
        panel.axhline(0, color=INK, linewidth=0.8, zorder=1)
        panel.set_ylabel("excess loss  (nats/token)")
        if margin is not None:
            label = f"margin, ±{margin:.2g} nats: as good as fresh"
            style: dict[str, Any] = {"facecolor": REGION, "edgecolor": EDGE, "linewidth": 0.6, "label": label}
            panel.axhspan(-margin, margin, gid="margin", zorder=0, **style)
    pairs = fresh_pairs(evidence)
    _by_rate(pairs, above)
    _by_epochs(evidence.reuse, pairs, below)
    key([below, above], columns=1)


def fresh_pairs(evidence: Evidence) -> list[Pair]:
    """Return the pairs of finished runs that differ in unique tokens only."""
    return pairs_of(evidence.table)[0] if evidence.records and knows_epochs(evidence.table) else []


def margin_of(evidence: Evidence) -> float | None:
    """Return the margin within which the fit counts an excess as equal, nats/token."""
    return next((each.margin for reuse in evidence.reuse for each in reuse.equivalences), None)


def _by_rate(pairs: Sequence[Pair], axes: Axes) -> None:
    """Draw the pairs of all budgets by rate, and the mean of each arm with its interval."""
    known = [pair for pair in pairs if pair.r_a is not None]
    arms = sorted({(round(pair.r_a or 0, 4), pair.dense) for pair in known})
    for rate, dense in arms:
        _arm(rate, dense, [pair for pair in known if (round(pair.r_a or 0, 4), pair.dense) == (rate, dense)], axes)
    log_axis(axes, "x", [rate for rate, _ in arms], percent)
    axes.set_xlabel("activation rate  r_a = N_a / N")


def _arm(rate: float, dense: bool, pairs: Sequence[Pair], axes: Axes) -> None:
    mark, values = DENSE if dense else MOE, by_seed(pairs)
    style: dict[str, Any] = {"markeredgewidth": 0.7, "zorder": 3, "gid": f"pairs {rate:.4g}"}
    points(axes, [rate / NUDGE] * len(pairs), [pair.excess for pair in pairs], mark, 3.4, hollow=True, **style)
    label = f"{'dense' if dense else 'MoE'}: mean over seeds, 95 % t interval"
    half = sample_mean(values).half()
    look: dict[str, Any] = {"color": mark.color, "marker": mark.marker, "markersize": 5.5, "linestyle": "none"}
    yerr = None if half is None else [half]
    axes.errorbar([rate * NUDGE], [fmean(values)], yerr=yerr, elinewidth=1.4, capsize=3, label=label, zorder=4, **look)


def by_seed(pairs: Sequence[Pair]) -> list[float]:
    """Return the mean excess of each seed, because a seed moves all its runs; with one seed that of each pair."""
    seeds = {pair.seed for pair in pairs}
    if len(seeds) < 2:
        return [pair.excess for pair in pairs]
    return [fmean(pair.excess for pair in pairs if pair.seed == seed) for seed in sorted(seeds, key=str)]


def grown(found: Sequence[Reuse]) -> list[Reuse]:
    """Return the schemes whose pairs have several numbers of epochs; only these show how the cost grows."""
    return [reuse for reuse in found if several_epochs(reuse.pairs)]


def _by_epochs(found: Sequence[Reuse], pairs: Sequence[Pair], axes: Axes) -> None:
    """Draw the pairs against epochs, and the cost fitted to all arms of each scheme."""
    for dense, mark in ((False, MOE), (True, DENSE)):
        members = [pair for pair in pairs if pair.dense == dense]
        style: dict[str, Any] = {"markeredgewidth": 0.8, "zorder": 3, "gid": "dense pairs" if dense else "MoE pairs"}
        x, y = [pair.epochs for pair in members], [pair.excess for pair in members]
        points(axes, x, y, mark, 3.8, hollow=True, **style)
    epochs = np.linspace(1, max(pair.epochs for pair in pairs) * 1.05, 100)
    growth = (epochs - 1) ** 2 / (2 * epochs)
    for reuse in grown(found):
        cost = reuse.costs[0]
        label = f"{reuse.scheme}: {cost.value:.2g} × (epochs − 1)² / (2 epochs), 95 % band"
        axes.plot(
            epochs, cost.value * growth, color=INK, linewidth=1.2, label=label, gid=f"cost {reuse.scheme}", zorder=2
        )
        if cost.lo is not None and cost.hi is not None:
            axes.fill_between(epochs, cost.lo * growth, cost.hi * growth, color=BAND, alpha=0.55, linewidth=0, zorder=1)
    axes.set_xlabel("epochs  D / U")


def has_data(evidence: Evidence) -> bool:
    """Return whether the fit compared repeated with fresh data and the pairs still exist."""
    return bool(evidence.reuse) and bool(fresh_pairs(evidence))


def caption(evidence: Evidence) -> str:
    """Return what the figure shows, with n and source."""
    pairs = fresh_pairs(evidence)
    seeds = len({pair.seed for pair in pairs})
    cost = (
        ", with the cost fitted to all arms" if grown(evidence.reuse) else "; a single number of epochs shows no growth"
    )
    return (
        "Loss of a run on repeated data less that of the fresh run of the same arm, tokens D and seed. Above: by "
        "activation rate (log axis), a small mark for each pair and a large one for the mean of the arm. Below: "
        f"against epochs{cost}. n = {counted(len(pairs), 'pair')} over {counted(seeds, 'seed')}, {evidence.source}."
    )


def alt(evidence: Evidence) -> str:
    """Return the figure in words: the excess of each group with its verdict."""
    said = [
        f"{each.of}, {span(each.epochs, general(3))} epochs: {each.excess:+.4f}, {each.words}"
        for reuse in evidence.reuse
        for each in reuse.equivalences
    ]
    return f"Excess loss of repeated over fresh data, nats per token. {'; '.join(said)}."


FIGURE = Figure(
    title="Repeated against fresh data", section="Repeated data", has_data=has_data, draw=draw, caption=caption, alt=alt
)
