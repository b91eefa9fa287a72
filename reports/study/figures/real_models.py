"""Where released models sit: active share against total parameters, next to the optima of a study."""

from dataclasses import dataclass

from planners.published.models import ReleasedModel, released_models
from planners.records.quantity import format_quantity
from reports.page.figure import INK, SERIES, Axes, Figure, key, log_axis, points
from reports.page.labels import place
from reports.page.number_text import counted, percent, span
from reports.study.evidence import Evidence
from reports.study.figures.optimum import best_of, placed

GROUPS = {True: "weights fit one 80 GB device (16 bits)", False: "need several devices"}
"""Whether the memory of one device limits N -> label."""


@dataclass(frozen=True, kw_only=True)
class Placed:
    """An optimum of the study."""

    N: float
    """Its size."""
    value: float
    """r_a*."""
    lo: float | None
    """Lower end of its interval."""
    hi: float | None
    """Upper end of its interval."""


def _optima(evidence: Evidence) -> list[Placed]:
    found = [(one.N, best_of(one)) for one in placed(evidence) if not one.repeats]
    return [Placed(N=N, value=best.value, lo=best.lo, hi=best.hi) for N, best in found if best.value is not None]


def _groups() -> dict[bool, list[ReleasedModel]]:
    return {fits: [model for model in released_models() if model.fits_one_device == fits] for fits in GROUPS}


def draw(evidence: Evidence, axes: Axes) -> None:
    """Draw each model, hollow where it was not counted from its configuration, and the optima of the study."""
    models, optima = released_models(), _optima(evidence)
    log_axis(axes, "x", [*(model.N for model in models), *(one.N for one in optima)], format_quantity, room=2.5)
    log_axis(axes, "y", [*(model.r_a for model in models), *(one.value for one in optima), 0.35], percent)
    for mark, (fits, group) in zip(SERIES, _groups().items(), strict=False):
        for hollow in (False, True):
            shown = [model for model in group if model.counted != hollow]
            label = {} if hollow else {"label": GROUPS[fits]}
            points(axes, [m.N for m in shown], [m.r_a for m in shown], mark, 5, hollow=hollow, **label)
    for one in optima:
        low, high = axes.get_ylim()
        axes.plot([one.N, one.N], [one.lo or low, one.hi or high], color=INK, linewidth=1.2, gid="optimum interval")
    if optima:
        x, y = [one.N for one in optima], [one.value for one in optima]
        axes.plot(x, y, linestyle="none", marker="*", markersize=11, color=INK, label="optimum of this study, 95 %")
    axes.set_xlabel("parameters without vocabulary  N")
    axes.set_ylabel("active share  r_a")
    key([axes], columns=1)
    place(axes, [(model.N, model.r_a, model.name) for model in models])


def has_data(evidence: Evidence) -> bool:
    """Return whether the study has an optimum to compare."""
    return bool(_optima(evidence))


def caption(evidence: Evidence) -> str:
    """Return what the figure shows, with n and source."""
    groups = _groups()
    said = [
        f"{counted(len(group), 'model')} {GROUPS[fits]}: {span([model.r_a for model in group], percent)}"
        for fits, group in groups.items()
    ]
    n = sum(model.counted for model in released_models())
    return (
        f"Active share of released MoE models against their size (log axes), n = {n} counted from their own "
        f"configurations; hollow: as their report states. {'; '.join(said)}. A model that must fit one device is "
        "chosen at a given N; where N is free, more total parameters help and the share falls. Most were "
        f"trained far beyond the compute of this study. Optima: {evidence.source}."
    )


def alt(evidence: Evidence) -> str:
    """Return the figure in words."""
    models = ", ".join(f"{model.name} {percent(model.r_a)}" for model in released_models())
    optima = ", ".join(f"N {format_quantity(one.N)}: {percent(one.value)}" for one in _optima(evidence))
    return f"Active share of released models: {models}. Optima of this study: {optima}."


FIGURE = Figure(
    title="Where released models sit",
    section="Optimum",
    has_data=has_data,
    draw=draw,
    caption=caption,
    alt=alt,
    size=(5.0, 4.6),
)
