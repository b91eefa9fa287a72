"""What arXiv 2202.01169 claims, what its rows say, and why they differ."""

import math

from planners.records.quantity import format_quantity
from reports.page.number_text import listed, percent
from reports.papers.claim import Claim, either
from reports.papers.clark.study import CUTOFFS, DENSE, PRINTED, TOKENS, Clark, cutoff
from reports.papers.coefficients import outside


def claims(data: Clark) -> tuple[Claim, ...]:
    """Return four claims of the paper with their verdicts."""
    apart = {one.name: outside(one.fit, PRINTED[one.name]) for one in data.routers}
    far = [f"{name} {', '.join(found)}" for name, found in apart.items() if found]
    inside = [one.name for one in data.routers if one.cutoff_ends[0] <= CUTOFFS[one.name] <= one.cutoff_ends[1]]
    spans = [
        f"{one.name} {format_quantity(one.cutoff)} ({' to '.join(map(_size, one.cutoff_ends))})" for one in data.routers
    ]
    c = {one.name: one.fit.params["c"] for one in data.routers}
    shown = "; ".join(f"{name} {one.value:.4f} ({one.lo:.4f} to {one.hi:.4f})" for name, one in c.items())
    largest = format_quantity(max(one.sizes[-1] for one in data.routers))
    alpha = data.dense.params["alpha_N"]
    return (
        Claim(
            says="One law with six coefficients describes each router (table 3).",
            where="table 3",
            found=f"Outside our intervals: {listed(far)}." if far else "Every printed coefficient is in our interval.",
            verdict=either(not far),
        ),
        Claim(
            says="Routing helps less as the dense model grows (c > 0).",
            where="table 3, text",
            found=f"c with 95 % interval: {shown}. All runs saw {format_quantity(TOKENS)} tokens, so larger models saw "
            "fewer tokens per parameter: the rows cannot separate the two.",
            verdict=either(all(one.lo is not None and one.lo > 0 for one in c.values())),
        ),
        Claim(
            says=f"It stops helping at {listed(f'{format_quantity(size)} ({name})' for name, size in CUTOFFS.items())} "
            "parameters.",
            where="text",
            found=f"{'; '.join(spans)}. The largest model that was trained has {largest} parameters.",
            verdict=either(len(inside) == len(data.routers)),
        ),
        Claim(
            says=f"Dense models alone: alpha_N = {DENSE.params['alpha_N']}, N_c = 3.568e13.",
            where="text",
            found=f"alpha_N {alpha.value:.5f} ({alpha.lo:.4f} to {alpha.hi:.4f}, {data.dense.n} sizes).",
            verdict=either(not outside(data.dense, DENSE)),
        ),
    )


def _size(number: float) -> str:
    return format_quantity(number) if math.isfinite(number) else "no end"


def reasons(data: Clark) -> tuple[str, ...]:
    """Return why numbers differ, as far as it is known."""
    table_3 = listed(format_quantity(cutoff(PRINTED[one.name].params)) for one in data.routers)
    apart = max(one.predictions_apart for one in data.routers)
    worst = {one.name: one.worst_size for one in data.routers}
    off = listed(
        f"{name} at {format_quantity(size)} ({percent(miss)} on average)" for name, (size, miss) in worst.items()
    )
    return (
        "The paper prints c with one or two digits. Routing stops helping at 10^(-b / c), and from the paper's own "
        f"table these sizes are {table_3}, not those that its text states.",
        "The coefficients of such a law are strongly correlated. Ours and those of table 3 differ in their second "
        f"digit, and the losses that they predict differ by at most {percent(apart)}. E_start and E_max have wide "
        "intervals.",
        "The law misses whole dense sizes, by the same amount at every number of experts. The largest misses are "
        f"{off}. The intervals resample single runs, so they are too narrow.",
        f"D is not in the law. It cannot say what experts do at fewer or more than {format_quantity(TOKENS)} tokens "
        "(compare arXiv 2502.05172).",
    )
