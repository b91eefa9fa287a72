"""arXiv 2305.16264 redrawn: loss against epochs, what repeated tokens are worth, and how well the data tell it."""

from typing import TYPE_CHECKING

import numpy as np

from planners.quantity import format_quantity
from reports.figures.beside import OURS, beside_line, legend_above, log_axis, printed_line, shades
from reports.numerals import general, listed, percent
from reports.paper.muennighoff import PLACES, PUBLISHED, Muennighoff, half_worth, law, worth
from reports.style import BAND, FAINT, INK, SERIES, Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

UNIQUE = 1e8
"""The amount of unique tokens with the most runs."""
EPOCHS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
SHOWN = 4
"""Sizes that are drawn, those with the most runs at UNIQUE."""


def sizes(data: Muennighoff) -> list[float]:
    """Return the sizes with the most runs of UNIQUE unique tokens, smallest first."""
    here = data.N[data.U == UNIQUE]
    found, counts = np.unique(here, return_counts=True)
    return sorted(found[np.argsort(-counts, kind="stable")[:SHOWN]].tolist())


def draw_epochs(data: Muennighoff, axes: "Axes") -> None:
    """Draw loss against epochs on 100M unique tokens, by size: runs, our law, and the published one."""
    chosen = sizes(data)
    for i, (N, color) in enumerate(zip(chosen, shades(len(chosen)), strict=True)):
        mine = (data.U == UNIQUE) & (data.N == N)
        epochs = np.geomspace(1, float((data.D / data.U)[mine].max()), 80)
        at = {"N": np.full_like(epochs, N), "D": UNIQUE * epochs, "U": np.full_like(epochs, UNIQUE)}
        printed = law().loss(PUBLISHED, at)
        axes.plot(epochs, printed, color=color, linestyle=(0, (3, 1.5)), linewidth=1.2, zorder=1)
        axes.plot(epochs, law().loss(data.params, at), color=color, linewidth=1.3, zorder=2)
        axes.plot(
            (data.D / data.U)[mine], data.loss[mine], linestyle="none", marker=SERIES[i].marker, markersize=5,
            color=color, zorder=3, label=f"N {format_quantity(N)}", gid=f"runs {format_quantity(N)}",
        )  # fmt: skip
    axes.plot([], [], color=INK, linewidth=1.3, label="our fit")
    axes.plot([], [], color=INK, linestyle=(0, (3, 1.5)), linewidth=1.2, label="as published")
    log_axis(axes.xaxis, "{:.0f}".format, EPOCHS[::2])
    axes.set_xlabel("epochs  D / U")
    axes.set_ylabel("loss  (nats/token)")
    legend_above(axes, columns=3)


def draw_worth(data: Muennighoff, axes: "Axes") -> None:
    """Draw what passes over the data are worth, by the R_D that fit equally well, ours, and the published one."""
    epochs = np.geomspace(1, 100, 120)
    low, high = data.flat
    if low is not None and high is not None:
        label = f"R_D {low:.3g} to {high:.3g}: within 0.1 % of the best fit"
        axes.fill_between(epochs, worth(low, epochs), worth(high, epochs), color=BAND, alpha=0.6, linewidth=0, label=label)
    axes.plot(epochs, epochs, color=FAINT, linewidth=1, label="fresh tokens")
    ours, published = data.params["R_D"], PUBLISHED["R_D"]
    axes.plot(epochs, worth(ours, epochs), label=f"our fit, R_D {ours:.3g}", **OURS)
    axes.plot(epochs, worth(published, epochs), label=f"as published, R_D {published:.3g}", **printed_line(0))
    log_axis(axes.xaxis, general(3), (1, 2, 4, 8, 16, 32, 64))
    log_axis(axes.yaxis, general(3), (1, 2, 4, 8, 16, 32, 64))
    axes.set_xlabel("epochs  D / U")
    axes.set_ylabel("worth in unique tokens  D' / U")
    legend_above(axes, columns=1)


def draw_profile(data: Muennighoff, axes: "Axes") -> None:
    """Draw the lowest objective at each R_D, over the best of all, with the published point."""
    best = data.fit.objective
    assert best is not None
    rise = 100 * (data.profile / best - 1)
    axes.axhspan(0, 0.1, color=BAND, alpha=0.6, linewidth=0, label="within 0.1 % of the best")
    axes.plot(PLACES, rise, gid="profile", label="lowest objective at each R_D", **OURS)
    ours, published = data.params["R_D"], PUBLISHED["R_D"]
    axes.plot([ours], [0], marker="o", color=INK, linestyle="none", zorder=5, label="our fit")
    mark = SERIES[0]
    axes.plot(
        [published], [100 * data.excess], marker=mark.marker if mark.marker != "o" else "^", color=mark.color,
        linestyle="none", zorder=5, label="as published",
    )  # fmt: skip
    axes.set_ylim(-0.05, 1.0)
    log_axis(axes.xaxis, general(4), (5, 10, 20, 50, 100, 200, 500, 1000))
    axes.set_xlabel("R_D  (passes after which repeated data fade)")
    axes.set_ylabel("objective over the best  (%)")
    legend_above(axes)


def has_data(data: Muennighoff) -> bool:
    """Whether there are runs."""
    return bool(len(data.loss))


def _caption_epochs(data: Muennighoff) -> str:
    n = int(np.isin(data.N, sizes(data))[data.U == UNIQUE].sum())
    return (
        f"Loss against epochs (log axis) on {format_quantity(UNIQUE)} unique tokens, the {SHOWN} sizes with the most "
        f"runs, n = {n} of {len(data.loss)}. Solid: our fit of R_D and R_N, all other coefficients held at the published "
        "ones. Dashed: as published. The authors had removed runs whose loss turned up."
    )


def _alt_epochs(data: Muennighoff) -> str:
    def ends(N: float) -> str:
        mine = (data.U == UNIQUE) & (data.N == N)
        return f"{format_quantity(N)} down to {data.loss[mine].min():.3f}"

    return f"Loss falls with epochs and flattens. By size: {listed(map(ends, sizes(data)))}."


def _caption_worth(data: Muennighoff) -> str:
    return (
        "What several passes over the same tokens are worth, in times the unique tokens (log axes), D' / U = "
        "1 + R_D (1 - exp(-(epochs - 1) / R_D)). The shaded R_D fit the 182 runs within 0.1 % of the best objective: the "
        "data hardly tell how fast the worth of repeated tokens fades. "
        f"Half of a fresh pass at epoch {half_worth(PUBLISHED['R_D']):.0f} as published, "
        f"{half_worth(data.params['R_D']):.0f} by ours."
    )


def _alt_worth(data: Muennighoff) -> str:
    def at(R_D: float) -> str:
        return f"{float(worth(R_D, 4)):.2f} at 4 epochs and {float(worth(R_D, 40)):.1f} at 40"

    return f"Worth in unique tokens: published {at(PUBLISHED['R_D'])}; ours {at(data.params['R_D'])}."


def _caption_profile(data: Muennighoff) -> str:
    assert data.fit.search is not None
    return (
        f"The lowest sum of Huber losses at each R_D (log axis), R_N free, over the lowest of all. The published point is a "
        f"local minimum {percent(data.excess)} above it; {data.fit.search.starts} starts were followed and "
        f"{len(data.fit.search.others)} other minima lie within 5 %. n = {len(data.loss)} runs."
    )


def _alt_profile(data: Muennighoff) -> str:
    low, high = (format(end, ".3g") if end is not None else "none" for end in data.flat)
    return f"The objective is within 0.1 % of the best from R_D {low} to {high}; ours {data.params['R_D']:.4g}."


EPOCHS_FIGURE = Figure(
    title="Loss against epochs", of="muennighoff", has_data=has_data, draw=draw_epochs, caption=_caption_epochs,
    alt=_alt_epochs,
)  # fmt: skip
WORTH = Figure(
    title="What repeated tokens are worth", of="muennighoff", has_data=has_data, draw=draw_worth, caption=_caption_worth,
    alt=_alt_worth, size=(5.0, 4.3),
)  # fmt: skip
PROFILE = Figure(
    title="How well the data tell R_D", of="muennighoff", has_data=has_data, draw=draw_profile,
    caption=_caption_profile, alt=_alt_profile, size=(5.0, 3.4),
)  # fmt: skip
