"""arXiv 2305.16264 redrawn: loss against epochs, what repeated tokens are worth, and how well the data determine it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fits.laws.muennighoff import PUBLISHED
from planners.records.quantity import format_quantity
from reports.page.figure import BAND, FAINT, INK, SERIES, Axes, Figure, log_scale, points
from reports.page.number_text import general, listed, percent
from reports.papers.figure_parts import LOSS, OURS, label_axes, printed_line
from reports.papers.muennighoff.study import LAW, PLACES, Muennighoff, half_worth, worth

EQUAL_COMPUTE = ((2.81e9, 55e9), (4.25e9, 84e9), (8.67e9, 178e9))
"""(N, D) of the runs that differ only in unique tokens: the paper's comparison at fixed compute."""
STYLES: tuple[dict[str, Any], ...] = (
    {"linestyle": "-", "linewidth": 1.4},
    {"linestyle": (0, (1, 1.2)), "linewidth": 1.3},
    {"linestyle": (0, (4, 2)), "linewidth": 1.1},
)
"""Lines of the three sets of coefficients."""
DOUBLINGS = (1, 2, 4, 8, 16, 32, 64)


def coefficient_sets(data: Muennighoff) -> dict[str, Mapping[str, float]]:
    """Return the three sets of coefficients by their names, in the order of STYLES."""
    return {"our fit, all free": data.free_params, "our fit of R_D, R_N": data.params, "as published": PUBLISHED}


def at_equal_compute(data: Muennighoff, N: float, D: float) -> NDArray[np.bool_]:
    """Return which runs have N parameters and D tokens, within 1 %, shape (n,)."""
    return np.asarray((np.abs(data.N / N - 1) < 0.01) & (np.abs(data.D / D - 1) < 0.01))


def draw_epochs(data: Muennighoff, axes: Axes) -> None:
    """Draw loss against epochs at fixed N and D: runs, our two fits, and the published law."""
    epochs, sets = np.geomspace(1, 16, 60), coefficient_sets(data)
    for mark, (N, D) in zip(SERIES, EQUAL_COMPUTE, strict=False):
        at = {"N": np.full_like(epochs, N), "D": np.full_like(epochs, D), "U": D / epochs}
        for params, style in zip(sets.values(), STYLES, strict=True):
            axes.plot(epochs, LAW.loss(params, at), color=mark.color, **style)
        mine, label = at_equal_compute(data, N, D), f"N {format_quantity(N)}, D {format_quantity(D)}"
        epochs_run = (data.D / data.U)[mine]
        points(axes, epochs_run, data.loss[mine], mark, 6, zorder=3, label=label, gid=f"runs {label}")
    for label, style in zip(sets, STYLES, strict=True):
        axes.plot([], [], color=INK, label=label, **style)
    log_scale(axes.xaxis, general(3), DOUBLINGS[:5])
    label_axes(axes, "epochs  D / U", LOSS)


def draw_worth(data: Muennighoff, axes: Axes) -> None:
    """Draw what passes over the data are worth: for all R_D that fit equally well, our two fits, the published one."""
    epochs = np.geomspace(1, 100, 120)
    low, high = data.flat
    if low is not None and high is not None:
        label = f"R_D {low:.3g} to {high:.3g}: within 0.1 % of the best fit"
        ends = (worth(low, epochs), worth(high, epochs))
        axes.fill_between(epochs, *ends, color=BAND, alpha=0.6, linewidth=0, label=label)
    axes.plot(epochs, epochs, color=FAINT, linewidth=1, label="fresh tokens")
    for name, params, style in (
        ("our fit of R_D and R_N", data.params, OURS),
        ("our fit, all free", data.free_params, printed_line(1)),
        ("as published", PUBLISHED, printed_line(0)),
    ):
        axes.plot(epochs, worth(params["R_D"], epochs), label=f"{name}, R_D {params['R_D']:.3g}", **style)
    log_scale(axes.xaxis, general(3), DOUBLINGS)
    log_scale(axes.yaxis, general(3), DOUBLINGS)
    label_axes(axes, "epochs  D / U", "worth in unique tokens  D' / U", columns=1)


def draw_profile(data: Muennighoff, axes: Axes) -> None:
    """Draw the lowest objective at each R_D relative to the best of all, with the published point."""
    axes.axhspan(0, 0.1, color=BAND, alpha=0.6, linewidth=0, label="within 0.1 % of the best")
    rise = 100 * (data.profile / data.objective - 1)
    axes.plot(PLACES, rise, gid="profile", label="lowest objective at each R_D", **OURS)
    axes.plot([data.params["R_D"]], [0], marker="o", color=INK, linestyle="none", label="our fit", zorder=5)
    points(axes, [PUBLISHED["R_D"]], [100 * data.excess], SERIES[1], 7, label="as published", zorder=5)
    axes.set_ylim(-0.05, 1.0)
    log_scale(axes.xaxis, general(4), (5, 10, 20, 50, 100, 200, 500, 1000))
    label_axes(axes, "R_D  (passes after which repeated data fade)", "objective over the best  (%)")


def _caption_epochs(data: Muennighoff) -> str:
    n = sum(int(at_equal_compute(data, N, D).sum()) for N, D in EQUAL_COMPUTE)
    return (
        f"Loss against epochs (log axis) at fixed size and tokens, n = {n} of {len(data.loss)} runs: only the unique "
        "tokens differ. Solid: all seven coefficients fitted to all runs. Dotted: R_D and R_N fitted, the others held "
        "at the published values. Dashed: as published. The held coefficients predict too low a loss even for fresh "
        "runs. The authors had removed runs whose loss turned up."
    )


def _alt_epochs(data: Muennighoff) -> str:
    losses = {N: data.loss[at_equal_compute(data, N, D)] for N, D in EQUAL_COMPUTE}
    rises = listed(f"{format_quantity(N)} from {loss.min():.3f} to {loss.max():.3f}" for N, loss in losses.items())
    return f"Loss rises with epochs at fixed compute. By size: {rises}."


def _caption_worth(data: Muennighoff) -> str:
    halves = [half_worth(params["R_D"]) for params in (PUBLISHED, data.params, data.free_params)]
    return (
        "What several passes over the same tokens are worth, in times the unique tokens (log axes), D' / U = 1 + R_D "
        "(1 - exp(-(epochs - 1) / R_D)). Shaded: the R_D that fit the "
        f"{len(data.loss)} runs within 0.1 % of the best objective, with R_N free and the rest held at the published "
        f"values. One more pass is worth half of a fresh one at epoch {halves[0]:.0f} as published, {halves[1]:.0f} by "
        f"our fit, {halves[2]:.0f} with all free."
    )


def _alt_worth(data: Muennighoff) -> str:
    at = {name: [float(worth(params["R_D"], n)) for n in (4, 40)] for name, params in coefficient_sets(data).items()}
    texts = (f"{name} {four:.2f} at 4 epochs and {forty:.1f} at 40" for name, (four, forty) in at.items())
    return f"Worth in unique tokens: {'; '.join(texts)}."


def _caption_profile(data: Muennighoff) -> str:
    assert data.fit.search is not None
    return (
        "The lowest sum of Huber losses at each R_D (log axis), with R_N free, relative to the lowest of all. The "
        f"published point is a local minimum {percent(data.excess)} above it. The search followed "
        f"{data.fit.search.starts} starts; {len(data.fit.search.others)} other minima lie within 5 % of the best. "
        f"n = {len(data.loss)} runs."
    )


def _alt_profile(data: Muennighoff) -> str:
    low, high = (format(end, ".3g") if end is not None else "none" for end in data.flat)
    return f"The objective is within 0.1 % of the best from R_D {low} to {high}; ours {data.params['R_D']:.4g}."


FIGURES = {
    "muennighoff_profile": Figure(
        title="How well the data determine R_D",
        draw=draw_profile,
        caption=_caption_profile,
        alt=_alt_profile,
        size=(5.0, 3.4),
    ),
    "muennighoff_worth": Figure(
        title="What repeated tokens are worth", draw=draw_worth, caption=_caption_worth, alt=_alt_worth, size=(5.0, 4.3)
    ),
    "muennighoff_epochs": Figure(
        title="Loss against epochs", draw=draw_epochs, caption=_caption_epochs, alt=_alt_epochs
    ),
}
"""File name -> figure; the first stands next to the answer."""
