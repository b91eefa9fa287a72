"""What the small TinyStories study concludes from its table, and what the table can support."""

import math
from statistics import fmean

from planners.records.quantity import format_quantity
from reports.page.number_text import span
from reports.papers.claim import CANNOT, Claim, either
from reports.papers.tinystories.study import ADVISED, BASELINE, NO_CAPACITY, PRINTED_IMPROVEMENT, SEED_SD, TinyStories


def claims(data: TinyStories) -> tuple[Claim, ...]:
    """Return two conclusions of the study with their verdicts."""
    grid, found, low = data.grid, data.named(NO_CAPACITY), data.advised
    best, apart, gain = grid.best, data.advised_above_best, found.line.improvement or 0.0
    noise = [math.sqrt(2) * sd for sd in SEED_SD]
    means = {jitter: fmean(math.log(c.mean) for c in grid.cells if c.jitter == jitter) for jitter in grid.jitters}
    said = ", ".join(f"{jitter:g}: {math.exp(mean):.3f}" for jitter, mean in means.items())
    return (
        Claim(
            says=f"8 experts without a capacity limit are {PRINTED_IMPROVEMENT} % below the baseline.",
            where="its table",
            found=f"{found.ppl} against {data.named(BASELINE).ppl}: {gain!r} %, {math.log1p(-gain / 100):+.4f} nats.",
            verdict=either(abs(gain - PRINTED_IMPROVEMENT) < 1e-12),
        ),
        Claim(
            says=f"Use a jitter of 0 to {ADVISED:g}.",
            where="its reading of the grid",
            found=f"Its lowest cell is jitter {best.jitter:g} at capacity {best.capacity:g} ({best.mean:.3f}). The "
            f"lowest recommended cell is {low.jitter:g} at {low.capacity:g} ({low.mean:.3f}), {apart:.4f} nats above. "
            f"Mean over capacities by jitter: {said}. Each cell has one seed; two seeds of such a model differ by "
            f"about {noise[0]:.4f} to {noise[1]:.4f} nats.",
            verdict=CANNOT if apart < 2 * noise[1] else either(best.jitter <= ADVISED),
        ),
    )


def reasons(data: TinyStories) -> tuple[str, ...]:
    """Return what the table cannot say, or says against its reading."""
    grid, found, base = data.grid, data.named(NO_CAPACITY), data.named(BASELINE)
    below = sum(cell.mean > found.ppl for cell in grid.cells)
    capacities = [capacity or math.inf for capacity in grid.capacities]
    corner = grid.best.jitter == max(grid.jitters) and grid.best.capacity == max(capacities)
    tight = [cell.mean for cell in grid.cells if cell.capacity == min(capacities)]
    by_experts = sorted((row.experts, row.ppl) for row in data.rows if row.jitter is None and row.experts)
    order = ", ".join(f"{experts}: {ppl:.3f}" for experts, ppl in by_experts)
    speeds = [row.speed / base.speed for row in data.rows if row.experts]
    return (
        f"The run without a capacity limit ({found.ppl:.3f}) is below {below} of the {len(grid.cells)} cells of the "
        "grid. A grid of capacity factors can only find the factor that costs least. The jitter of that run is not in "
        "its name.",
        f"The lowest cell of the grid is jitter {grid.best.jitter:g} at capacity {grid.best.capacity:g}"
        f"{', a corner: the grid does not bracket it' if corner else ''}. At the smallest capacity "
        f"{sum(mean > base.ppl for mean in tight)} of {len(tight)} cells are above the dense baseline.",
        "Each cell has one seed, so the noise between seeds is not known for this study. arXiv 2605.13769 gives an SD "
        f"of {SEED_SD[0]:g} to {SEED_SD[1]:g} nats for smaller TinyStories models. Differences of 0.01 in perplexity "
        f"({0.01 / found.ppl:.4f} nats) are within that noise; the difference between the smallest and the largest "
        "capacity is not.",
        f"Without a capacity limit the perplexity by number of experts is {order}: 16 experts are worse than 8. With "
        "one seed, one learning rate and one number of tokens for all, the cause may be noise, tuning, or too few "
        "tokens per expert.",
        f"Speed: {min(speeds):.2f} to {max(speeds):.2f} of the baseline's tokens per second, "
        f"{found.speed / base.speed:.2f} for the best run, with hardly more FLOPs per token. Comparing at equal tokens "
        "favours the mixtures most; none of these rows can be compared at equal time.",
        f"N is not equal: {more_parameters(data)} The table therefore does not test the share of active parameters.",
        f"Final and best perplexity are equal in every row: the last evaluation was the lowest, in all "
        f"{len(data.rows)} runs.",
    )


def more_parameters(data: TinyStories) -> str:
    """Return how many times the parameters of the baseline the mixtures have, as the preset counts them."""
    dense, *mixtures = data.shapes
    few, many = mixtures[0], mixtures[-1]
    return (
        f"by the architecture of the preset tinystories-moe the mixtures have {few.N / dense.N:.1f} to "
        f"{many.N / dense.N:.1f} times that of the baseline ({span(one.N for one in mixtures)} against "
        f"{format_quantity(dense.N)}, vocabulary apart; with it {few.total / dense.total:.1f} to "
        f"{many.total / dense.total:.1f} times)."
    )
