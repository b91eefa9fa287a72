"""arXiv 2305.16264 redrawn: loss against epochs, what repeated tokens are worth, and how well the data tell it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fits.laws.muennighoff import PUBLISHED
from planners.records.quantity import format_quantity
from reports.page.figure import BAND, FAINT, INK, SERIES, Figure
from reports.page.number_text import general, listed, percent
from reports.page.scales import log_scale
from reports.papers.figure_parts import OURS, legend_above, printed_line
from reports.papers.muennighoff.study import PLACES, Muennighoff, half_worth, law, worth

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SERIES_OF = ((2.81e9, 55e9), (4.25e9, 84e9), (8.67e9, 178e9))
"""(N, D) of the runs that differ in unique tokens alone: the paper's comparison at fixed compute."""


STYLES: tuple[dict[str, Any], ...] = (
    {"linestyle": "-", "linewidth": 1.4},
    {"linestyle": (0, (1, 1.2)), "linewidth": 1.3},
    {"linestyle": (0, (4, 2)), "linewidth": 1.1},
)
"""Lines of the three sets of coefficients."""


def curves(data: Muennighoff) -> tuple[tuple[str, Mapping[str, float]], ...]:
    """Return the three sets of coefficients with their names, in the order of STYLES."""
    return ("our fit, all free", data.free_params), ("our fit of R_D, R_N", data.params), ("as published", PUBLISHED)


def of_series(data: Muennighoff, N: float, D: float) -> NDArray[np.bool_]:
    """Return which runs have N parameters and D tokens, to 1 %, shape (n,)."""
    return np.asarray((np.abs(data.N / N - 1) < 0.01) & (np.abs(data.D / D - 1) < 0.01))


def draw_epochs(data: Muennighoff, axes: "Axes") -> None:
    """Draw loss against epochs at fixed N and D: runs, our law, and the published one."""
    for mark, (N, D) in zip(SERIES, SERIES_OF, strict=False):
        mine = of_series(data, N, D)
        epochs = np.geomspace(1, 16, 60)
        at = {"N": np.full_like(epochs, N), "D": np.full_like(epochs, D), "U": D / epochs}
        for (_, params), style in zip(curves(data), STYLES, strict=True):
            axes.plot(epochs, law().loss(params, at), color=mark.color, **style)
        label = f"N {format_quantity(N)}, D {format_quantity(D)}"
        axes.plot(
            (data.D / data.U)[mine], data.loss[mine], linestyle="none", marker=mark.marker, markersize=6,
            color=mark.color, zorder=3, label=label, gid=f"runs {label}",
        )  # fmt: skip
    for (label, _), style in zip(curves(data), STYLES, strict=True):
        axes.plot([], [], color=INK, label=label, **style)
    log_scale(axes.xaxis, general(3), (1, 2, 4, 8, 16))
    axes.set_xlabel("epochs  D / U")
    axes.set_ylabel("loss  (nats/token)")
    legend_above(axes)


def draw_worth(data: Muennighoff, axes: "Axes") -> None:
    """Draw what passes over the data are worth, by the R_D that fit equally well, ours, and the published one."""
    epochs = np.geomspace(1, 100, 120)
    low, high = data.flat
    if low is not None and high is not None:
        label = f"R_D {low:.3g} to {high:.3g}: within 0.1 % of the best fit"
        axes.fill_between(
            epochs, worth(low, epochs), worth(high, epochs), color=BAND, alpha=0.6, linewidth=0, label=label
        )
    axes.plot(epochs, epochs, color=FAINT, linewidth=1, label="fresh tokens")
    ours, published = data.params["R_D"], PUBLISHED["R_D"]
    free = data.free_params["R_D"]
    axes.plot(epochs, worth(ours, epochs), label=f"our fit of R_D and R_N, R_D {ours:.3g}", **OURS)
    axes.plot(epochs, worth(free, epochs), label=f"our fit, all free, R_D {free:.3g}", **printed_line(1))
    axes.plot(epochs, worth(published, epochs), label=f"as published, R_D {published:.3g}", **printed_line(0))
    log_scale(axes.xaxis, general(3), (1, 2, 4, 8, 16, 32, 64))
    log_scale(axes.yaxis, general(3), (1, 2, 4, 8, 16, 32, 64))
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
    mark = SERIES[1]
    style: dict[str, Any] = {"marker": mark.marker, "color": mark.color, "linestyle": "none", "zorder": 5}
    axes.plot([published], [100 * data.excess], label="as published", **style)
    axes.set_ylim(-0.05, 1.0)
    log_scale(axes.xaxis, general(4), (5, 10, 20, 50, 100, 200, 500, 1000))
    axes.set_xlabel("R_D  (passes after which repeated data fade)")
    axes.set_ylabel("objective over the best  (%)")
    legend_above(axes)


def has_data(data: Muennighoff) -> bool:
    """Whether there are runs."""
    return bool(len(data.loss))


def _caption_epochs(data: Muennighoff) -> str:
    n = sum(int(of_series(data, N, D).sum()) for N, D in SERIES_OF)
    return (
        f"Loss against epochs (log axis) at fixed size and tokens, n = {n} of {len(data.loss)} runs: only the unique "
        "tokens differ. Solid: all seven coefficients fitted to all runs. Dotted: R_D and R_N alone, the others held "
        "at the published ones. Dashed: as published. Held coefficients foretell even fresh runs too low. The authors "
        "had removed runs whose loss turned up."
    )


def _alt_epochs(data: Muennighoff) -> str:
    def rise(N: float, D: float) -> str:
        loss = data.loss[of_series(data, N, D)]
        return f"{format_quantity(N)} from {loss.min():.3f} to {loss.max():.3f}"

    return f"Loss rises with epochs at fixed compute. By size: {listed(rise(N, D) for N, D in SERIES_OF)}."


def _caption_worth(data: Muennighoff) -> str:
    return (
        "What several passes over the same tokens are worth, in times the unique tokens (log axes), D' / U = 1 + R_D "
        "(1 - exp(-(epochs - 1) / R_D)). The shaded R_D, R_N free and the rest held at the published values, fit the "
        f"{len(data.loss)} runs within 0.1 % of the best objective. Half of a fresh pass at epoch "
        f"{half_worth(PUBLISHED['R_D']):.0f} as published, {half_worth(data.params['R_D']):.0f} by ours, "
        f"{half_worth(data.free_params['R_D']):.0f} with all free."
    )


def _alt_worth(data: Muennighoff) -> str:
    def at(R_D: float) -> str:
        return f"{float(worth(R_D, 4)):.2f} at 4 epochs and {float(worth(R_D, 40)):.1f} at 40"

    texts = (f"{name} {at(params['R_D'])}" for name, params in curves(data))
    return f"Worth in unique tokens: {'; '.join(texts)}."


def _caption_profile(data: Muennighoff) -> str:
    assert data.fit.search is not None
    return (
        "The lowest sum of Huber losses at each R_D (log axis), R_N free, over the lowest of all. The published point "
        f"is a local minimum {percent(data.excess)} above it; {data.fit.search.starts} starts were followed and "
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
    title="What repeated tokens are worth", of="muennighoff", has_data=has_data, draw=draw_worth,
    caption=_caption_worth, alt=_alt_worth, size=(5.0, 4.3),
)  # fmt: skip
PROFILE = Figure(
    title="How well the data tell R_D", of="muennighoff", has_data=has_data, draw=draw_profile,
    caption=_caption_profile, alt=_alt_profile, size=(5.0, 3.4),
)  # fmt: skip

FIGURES = {
    "muennighoff_worth": WORTH,
    "muennighoff_epochs": EPOCHS_FIGURE,
    "muennighoff_profile": PROFILE,
}
"""Name of its files -> figure."""
