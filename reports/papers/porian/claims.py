"""What arXiv 2406.19146 claims, what its rows say, and why they differ."""

import math

from reports.page.number_text import listed
from reports.papers.claim import Claim, either
from reports.papers.porian.study import DECAYED, NEAR, SAME, TUNED, Porian, lowest, slope

KAPLAN, HOFFMANN = 0.73, 0.5
"""Exponents of arXiv 2001.08361 and, about, of arXiv 2203.15556, which the paper reconciles."""
WIDTHS = (0.8, 1.0, 1.2, 1.5)
"""Widths of the parabolas in ln N that the page compares."""


def claims(data: Porian) -> tuple[Claim, ...]:
    """Return four claims of the paper with their verdicts."""
    last, apart = data.steps[TUNED], data.exponents_apart
    own = [label for label, one in data.steps.items() if not one.own.lo <= one.printed[0] <= one.own.hi]
    moved = [f"{label} {one.plain.value:.3f} to {other.plain.value:.3f}" for label, one, other in data.moves]
    overlapping = [label for label, one, other in data.moves if other.plain.hi >= one.plain.lo]
    return (
        Claim(
            says="The exponents of every setting, plain and weighted.",
            where="the authors' tables",
            found=f"Reproduced from the published optima to {apart:.0e} in all {len(data.settings)} settings.",
            verdict=either(apart < SAME),
        ),
        Claim(
            says="Each correction moves the exponent down, from Kaplan's to Hoffmann's.",
            where="figure 1",
            found=f"{'; '.join(moved)}. The last correction starts from the warm-up and not from the decay. The 95 % "
            f"intervals before and after overlap at: {listed(overlapping) if overlapping else 'none'}.",
            verdict=either(all(other.plain.value < one.plain.value for _, one, other in data.moves)),
        ),
        Claim(
            says=f"After tuning by size the exponent is Hoffmann's, about {HOFFMANN}, without decay of the learning "
            "rate.",
            where="figure 1",
            found=f"{last.plain} from the published optima, {last.own} from our parabolas.",
            verdict=either(all(one.lo <= HOFFMANN <= one.hi for one in (last.plain, last.own))),
        ),
        Claim(
            says="The optima are the minima of the IsoFLOP curves.",
            where="the authors' tables",
            found=f"With our own parabolas the printed exponent lies outside our interval at: {listed(own)}."
            if own
            else "With our own parabolas every printed exponent of the five steps lies in our interval.",
            verdict=either(not own),
        ),
    )


def reasons(data: Porian) -> tuple[str, ...]:
    """Return why numbers differ, as far as it is known."""
    steps = data.steps
    compared = {DECAYED: steps[DECAYED], "the first step": next(iter(steps.values()))}
    by_width = {
        label: [slope(*lowest(*one.points, near)[:2]).value for near in WIDTHS] for label, one in compared.items()
    }
    shown = "; ".join(f"{label} {listed(f'{value:.3f}' for value in found)}" for label, found in by_width.items())
    both = [name for name in data.settings if name[0] == "tuned" and name[2] == "chinchilla"]
    found = [
        "The published optima come from interpolating each IsoFLOP curve and bootstrapping. Ours are parabolas through "
        f"the points within a factor of {math.exp(NEAR):.1f} of the lowest. We chose that width after comparing four: "
        f"with {listed(f'{near:g}' for near in WIDTHS)} in ln N the exponent is: {shown}. A parabola is biased where "
        "the curve is lopsided (arXiv 2603.22339), and these curves are steeper on the side of large models.",
        "Where the published optima scatter about their line by more than their printed SD, our interval of the plain "
        "slope is wider than an interval of the weighted slope would be.",
        f"Published optima without numbers, because their curves have no minimum within the trained sizes: "
        f"{data.empty}.",
        "The first setting counts parameters and FLOPs without the last layer and reads the training loss. The others "
        "count the last layer and read the validation loss, so two things change in the first step.",
    ]
    if not both:
        found.append("No setting here has both tuning by size and decay, so their joint effect is not known.")
    return tuple(found)
