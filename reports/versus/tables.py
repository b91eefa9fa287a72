"""The tables of two studies side by side: each is one constant, and one line of TABLES."""

from collections.abc import Iterator

from fits.compare.by_seed import SAME
from planners.records.quantity import format_quantity
from reports.page.number_text import fixed, percent, signed
from reports.page.table import ARM, COUNT, RATE, VERDICT, Cell, Column, Row, TableSpec, estimate, interval, number, text
from reports.study.evidence.arms import mean_of
from reports.versus.compare import UNITS, MatchedArms, Versus
from reports.versus.optimum import RATIO, finite, matched_series, optimum_of

MEASURES = (
    number("wall_s", "wall time", fixed(1), "s"),
    number("tokens_per_s", "speed", format_quantity, "tokens/s"),
    number("peak_memory_bytes", "peak memory", format_quantity, "bytes"),
)
"""What the table of costs compares."""


def verdict(pair: MatchedArms, found: Versus) -> str:
    """Return which arm is lower, by an interval that is widened for the number of compared arms."""
    if pair.difference is None:
        return "not compared"
    if pair.difference.how == SAME:
        return SAME
    half = pair.difference.half(len(found.compared))
    if half is None:
        return "one seed"
    value = pair.difference.value
    return "B lower" if value + half < 0 else "B higher" if value - half > 0 else "not told apart"


def _arm_columns(found: Versus) -> tuple[Column, ...]:
    unit = UNITS.get(found.unit or "", "")
    return (
        *(ARM, RATE.named("r_a_a", "r_a A"), RATE.named("r_a_b", "r_a B")),
        *(number("a", "A", fixed(4), unit), number("b", "B", fixed(4), unit)),
        *estimate(number("difference", "B − A", signed(4), unit)),
        *(text("how", "judged"), COUNT, VERDICT, text("by", "matched by")),
    )


def _arms(found: Versus) -> Iterator[Row]:
    unit = found.unit
    for pair in found.matched:
        gap, rates = pair.difference, (pair.a.spec.r_a, pair.b.spec.r_a)
        means = (pair.a.mean(unit), pair.b.mean(unit)) if unit else (None, None)
        judged = (gap.value, *gap.ends, gap.how, gap.n) if gap else (None,) * 5
        yield pair.name, *rates, *means, *judged, verdict(pair, found), pair.by


ARMS = TableSpec(
    title="Arm by arm",
    section="Arm by arm",
    columns=_arm_columns,
    rows=_arms,
    note="Judged by seed: mean of the differences of runs of one seed, t interval, n pairs. Welch: two means, n runs. "
    "Each interval holds for its arm alone; the verdict uses one widened for the number of arms (Bonferroni). Matched "
    "by numbers: another name with the same C, N, r_a and K.",
)


def _optimum(found: Versus) -> Iterator[Row]:
    for pair in matched_series(found):
        a, b = (optimum_of(each) or (None, None, None) for each in (pair.a, pair.b))
        share = (None,) * 3 if pair.ratio is None else tuple(map(finite, pair.ratio))
        yield pair.a.heading, *a, *b, *share, pair.verdict


def _rate_columns(each: str) -> tuple[Column, Column, Column]:
    """Return the columns of the optimum of one study, `a` or `b`, and of its interval."""
    names = (("r_a", "r_a*"), ("lo", "95 % low"), ("hi", "95 % high"))
    rate, low, high = (number(f"{name}_{each}", f"{head} {each.upper()}", percent) for name, head in names)
    return rate, low, high


OPTIMUM: TableSpec[Versus] = TableSpec(
    title="Where the loss is lowest",
    section="Where the loss is lowest",
    columns=(
        *(text("series"), *_rate_columns("a"), *_rate_columns("b")),
        *(number("ratio", "B / A", RATIO), *interval("ratio", RATIO), VERDICT),
    ),
    rows=_optimum,
    note="r_a* with the interval of its own fit. The ratio takes the two as independent; where seeds are shared, its "
    "interval is too wide rather than too narrow. An open end stays open.",
)

FIELDS: TableSpec[Versus] = TableSpec(
    title="What differs",
    section="What differs",
    columns=(text("where", "of"), text("field"), text("a", "A"), text("b", "B"), number("arms")),
    rows=lambda found: ((each.where, each.name, each.a, each.b, each.arms) for each in found.fields),
    note="Of runs: the settings of matched arms, with the number of arms in which they differ; numbers to six digits.",
)


def _of_measure(one: Column) -> tuple[Column, Column, Column]:
    a, b = (one.named(f"{one.name}_{each}", f"{one.head} {each.upper()}") for each in "ab")
    return a, b, number(f"{one.name}_ratio", "B / A", RATIO)


def _cost(found: Versus) -> Iterator[Row]:
    for pair in found.matched:
        yield pair.name, *(cell for one in MEASURES for cell in _costs(pair, one.name))
    a, b = (sum(r.wall_s for r in each.records) for each in (found.a, found.b))
    yield "total", a, b, b / a if a else None, *(None,) * 6


def _costs(pair: MatchedArms, measure: str) -> tuple[Cell, Cell, Cell]:
    a, b = (mean_of(getattr(record, measure) for record in arm.done) for arm in (pair.a, pair.b))
    return a, b, b / a if a and b is not None else None


COST: TableSpec[Versus] = TableSpec(
    title="Cost",
    section="Cost",
    columns=(ARM, *(column for one in MEASURES for column in _of_measure(one))),
    rows=_cost,
    note="Means over the finished runs of an arm. The total is the time of all runs of each study.",
)

TABLES: dict[str, TableSpec[Versus]] = {
    "versus_arms": ARMS,
    "versus_optimum": OPTIMUM,
    "versus_fields": FIELDS,
    "versus_cost": COST,
}
"""Name of a table, and of its files -> the table."""
