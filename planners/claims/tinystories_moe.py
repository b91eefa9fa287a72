"""The claims of `tinystories-moe`: the sentences of a small repository on experts for short stories."""

from functools import partial

from planners.claims.claim import EQUAL_STEPS, SAME_SHAPE, Claim, Contrast, Term, less, mean_of

STUDY = "tinystories-moe"
JITTERS, CAPACITIES = ("0", "0.01", "0.05"), ("1", "1.25", "1.5")

_claim = partial(Claim, study=STUDY)


def _grid(*, jitters: tuple[str, ...] = JITTERS, capacities: tuple[str, ...] = CAPACITIES) -> list[str]:
    """Return the arms of the router grid with these settings."""
    return [f"E8 j{jitter} c{capacity}" for jitter in jitters for capacity in capacities]


def _jitter(column: str) -> tuple[Term, ...]:
    """Return the mean at jitter 0.05 less the mean of the others."""
    return (*mean_of(_grid(jitters=("0.05",)), column), *mean_of(_grid(jitters=("0", "0.01")), column, -1.0))


def _capacity(column: str, weight: float = 0.5) -> tuple[Term, ...]:
    """Return the mean change of a column for 0.25 more capacity."""
    return (*mean_of(_grid(capacities=("1.5",)), column, weight), *mean_of(_grid(capacities=("1",)), column, -weight))


def _loss(terms: tuple[Term, ...], side: int, **settings: object) -> Contrast:
    chosen = {"margin": 0.005, "matching": EQUAL_STEPS, **settings}
    return Contrast(terms=terms, side=side, **chosen)  # type: ignore[arg-type]


def _ratio(one: str, other: str, column: str, side: int, **settings: object) -> Contrast:
    return Contrast(terms=less(one, other, column), side=side, scale="log", **settings)  # type: ignore[arg-type]


_RECOMMENDED = _grid(jitters=("0", "0.01"), capacities=("1.25", "1.5"))
_OTHERS = [arm for arm in _grid() if arm not in _RECOMMENDED]
_ALL = ["dense", "E4", "E8", "E16", *_grid()]
_LN_HALF = -0.6931471805599453

TINYSTORIES_MOE: tuple[Claim, ...] = (
    _claim(
        id="S1",
        says="Eight experts are best; four gain less, sixteen no more",
        where="B:86 B:99 B:128",
        contrasts=(
            _loss(less("E4", "E8", "loss"), 1, what="four"),
            _loss(less("E16", "E8", "loss"), 1, what="sixteen"),
        ),
        decides="all",
    ),
    _claim(
        id="S2",
        says="Experts in every layer lower the loss",
        where="B:128",
        contrasts=(_loss((*mean_of(["E4", "E8", "E16"], "loss"), Term(weight=-1.0, arm="dense", column="loss")), -1),),
    ),
    _claim(
        id="S3",
        says="A jitter of 0 to 0.01 is best, and 0.05 hurts",
        where="B:80 B:93 B:111",
        contrasts=(_loss(_jitter("loss"), 1, matching=SAME_SHAPE),),
    ),
    _claim(
        id="S4",
        says="A jitter of 0.05 slows training",
        where="B:93",
        contrasts=(Contrast(terms=_jitter("tokens_per_s"), side=-1, scale="log", margin=0.05, matching=SAME_SHAPE),),
    ),
    _claim(
        id="S5",
        says="A larger capacity factor helps",
        where="B:94",
        contrasts=(
            _loss(_capacity("loss"), -1, margin=0.002, matching=SAME_SHAPE),
            _loss(_capacity("routing.dropped"), -1, margin=0.01, matching=SAME_SHAPE, what="share dropped"),
        ),
    ),
    _claim(
        id="S6",
        says="Dropping nothing is best of all",
        where="B:79",
        contrasts=(_loss(less("E8", "E8 j0 c1.5", "loss"), -1, matching=SAME_SHAPE),),
    ),
    _claim(
        id="S7",
        says="A larger capacity costs memory and speed",
        where="B:94",
        contrasts=(
            Contrast(
                terms=_capacity("memory_counted"), side=1, scale="log", margin=0.01, matching=SAME_SHAPE, what="memory"
            ),
            Contrast(
                terms=_capacity("tokens_per_s"), side=-1, scale="log", margin=0.01, matching=SAME_SHAPE, what="speed"
            ),
        ),
        decides="all",
    ),
    _claim(
        id="S8",
        says="A mixture has a quarter of the speed of dense, because of gather and scatter",
        where="B:87",
        contrasts=(
            _ratio("E8", "dense", "tokens_per_s", -1, against=_LN_HALF, margin=0.0),
            Contrast(
                terms=(Term(weight=1.0, arm="E8", column="probe.gather"),),
                side=1,
                against=0.5,
                margin=0.0,
                matching=SAME_SHAPE,
                what="share of a step in gather, scatter and sort",
            ),
        ),
        remark="It holds where the mixture has less than half of the speed.",
    ),
    _claim(
        id="S9",
        says="Eight experts have 2.25 times the parameters and need 31 % more memory",
        where="B:88 B:112",
        contrasts=(
            Contrast(
                terms=(*less("E8", "dense", "memory_counted"), *less("E8", "dense", "total", -1.0)),
                side=-1,
                scale="log",
                what="memory grows less than parameters",
            ),
        ),
        remark="Memory is counted from the shape; it has no noise.",
    ),
    _claim(
        id="S10",
        says="Sixteen experts are slower again",
        where="B:99-100 B:130",
        contrasts=(_ratio("E16", "E8", "tokens_per_s", -1, margin=0.05),),
    ),
    _claim(
        id="S11",
        says="The recommended settings of the router are stable",
        where="B:80 B:105",
        contrasts=(
            Contrast(
                terms=(*mean_of(_RECOMMENDED, "loss"), *mean_of(_OTHERS, "loss", -1.0)),
                side=-1,
                scale="spread",
                matching=SAME_SHAPE,
                what="spread over seeds",
            ),
        ),
    ),
    _claim(
        id="S12",
        says="The last evaluation is the best",
        where="B:45-61",
        contrasts=(
            Contrast(
                terms=mean_of(_ALL, "last_is_best"),
                side=1,
                scale="share",
                against=0.95,
                margin=0.0,
                matching=SAME_SHAPE,
            ),
        ),
    ),
    _claim(
        id="S13",
        says="Roles given to experts widen the style",
        where="B:117-118",
        kind="not tested here",
        remark="The note gives no measure of style; T21 is what can be tested about roles.",
    ),
)
"""S1 to S13."""
