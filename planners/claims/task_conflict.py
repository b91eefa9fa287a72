"""The claims of `task-conflict`: when a mixture learns tasks in fewer tokens, or in fewer FLOPs, than dense."""

from functools import partial

from planners.claims.claim import EQUAL_N_AND_C, EQUAL_STEPS, SAME_SHAPE, Claim, Contrast, Term, less, mean_of

TOKENS, FLOPS, TOKENS_90, FLOPS_90 = "until.tokens_50", "until.flops_50", "until.tokens_90", "until.flops_90"
TASKS = ("arith", "logic", "code", "entail")
STUDY = "task-conflict"

_claim = partial(Claim, study=STUDY)


def lead(setting: str, arm: str = "E8", column: str = TOKENS, weight: float = 1.0) -> tuple[Term, ...]:
    """Return the lead in a setting: MoE less dense, so a negative lead is good for MoE."""
    return less(f"{setting} {arm}", f"{setting} dense", column, weight)


def _log(terms: tuple[Term, ...], side: int, **settings: object) -> Contrast:
    """Return a contrast of ln ratios; its matching follows from the columns unless it is given."""
    in_flops = all(term.column in (FLOPS, FLOPS_90) for term in terms)
    chosen = {"matching": EQUAL_N_AND_C if in_flops else EQUAL_STEPS, **settings}
    return Contrast(terms=terms, side=side, scale="log", **chosen)  # type: ignore[arg-type]


def _alone(column: str = TOKENS) -> tuple[Term, ...]:
    return tuple(term for task in TASKS for term in lead(f"{task} alone", column=column, weight=1 / len(TASKS)))


def _rare(arm: str) -> tuple[Term, ...]:
    """Return the lead on the two rare tasks less that on the two frequent ones, in the skewed mixture."""
    signs = {"logic": 0.5, "code": 0.5, "arith": -0.5, "entail": -0.5}
    return tuple(term for task, weight in signs.items() for term in lead("skewed", arm, f"{TOKENS}.{task}", weight))


def _without_one(arm: str = "E8") -> tuple[Term, ...]:
    others = ("hard", "crowded own", "crowded one-step")
    taken = (term for setting in others for term in lead(setting, arm, weight=-1 / len(others)))
    return (*lead("crowded", arm), *taken)


_ALL_MOE = [
    "hard E8", "hard NC", "easy E4", "easy E8", "easy NC", "own E8", "own NC", "skewed E8", "skewed NC",
    "d32 E8", "d32 NC", "d128 E8", "d128 NC", "crowded E8", "crowded NC",
]  # fmt: skip

TASK_CONFLICT: tuple[Claim, ...] = (
    _claim(
        id="T1",
        says="On easy, similar tasks with one-token answers, dense gets there first",
        where="A:2 A:22-28 A:168",
        contrasts=(_log(lead("easy"), 1), _log(lead("easy", "NC", FLOPS), 1, what="in FLOPs")),
    ),
    _claim(
        id="T2",
        says="A mixture splits easy tasks too finely: fewer experts are better",
        where="A:169",
        contrasts=(_log(less("easy E4", "easy E8", TOKENS), -1),),
    ),
    _claim(
        id="T3",
        says="The loss of a mixture starts higher, because its experts are alike at first",
        where="A:39",
        contrasts=(
            Contrast(terms=lead("hard", column="until.loss_first"), side=1, margin=0.05),
            Contrast(
                terms=lead("hard", "NC", "until.loss_first"), side=1, margin=0.05, matching=EQUAL_N_AND_C, what="NC"
            ),
        ),
    ),
    _claim(
        id="T4",
        says="A mixture converges later",
        where="A:43",
        contrasts=(
            _log(lead("hard"), 1),
            _log(lead("hard", "NC"), 1, matching=EQUAL_N_AND_C, what="NC, in tokens"),
            _log(lead("hard", "NC", FLOPS), 1, what="NC, in FLOPs"),
        ),
    ),
    _claim(
        id="T5",
        says="The validation loss of a mixture swings more",
        where="A:43",
        contrasts=(
            Contrast(terms=lead("hard", column="probe.rises"), side=1, margin=0.02),
            Contrast(terms=lead("hard", "NC", "probe.rises"), side=1, margin=0.02, matching=EQUAL_N_AND_C, what="NC"),
        ),
    ),
    _claim(
        id="T6",
        says="In many domains the mixture is the stabler one",
        where="D:115 D:135",
        contrasts=(
            Contrast(terms=lead("hard", column="probe.rises"), side=-1, margin=0.02),
            Contrast(terms=lead("hard", "NC", "probe.rises"), side=-1, margin=0.02, matching=EQUAL_N_AND_C, what="NC"),
        ),
        remark="It contradicts T5; one measure decides both.",
    ),
    _claim(
        id="T7",
        says="Learning the router makes gradients unstable",
        where="A:38 D:143",
        contrasts=(
            _log(lead("hard", column="probe.grad_norm_cv"), 1),
            _log(lead("hard", "NC", "probe.grad_norm_cv"), 1, matching=EQUAL_N_AND_C, what="NC"),
        ),
    ),
    _claim(
        id="T8",
        says="Some experts die",
        where="A:41",
        contrasts=(
            Contrast(
                terms=mean_of(_ALL_MOE, "has_dead"),
                side=1,
                margin=0.05,
                scale="share",
                against=0.05,
                matching=SAME_SHAPE,
            ),
        ),
        remark="8 to 22 experts; with 86 and 87 experts see the laptop studies.",
    ),
    _claim(
        id="T9",
        says="Shared syntax and words favour one common space, so that separation hurts",
        where="A:47-52",
        contrasts=(_log((*lead("hard"), *lead("own", weight=-1)), 1),),
    ),
    _claim(
        id="T10",
        says="Conflict between tasks is what makes a mixture win",
        where="A:71-82",
        contrasts=(
            _log((*lead("hard"), *lead("own", weight=-1)), -1),
            _log((*lead("hard", "NC", FLOPS), *lead("own", "NC", FLOPS, -1)), -1, what="NC, in FLOPs"),
        ),
    ),
    _claim(
        id="T11",
        says="Sequences as output let the capacity of a mixture tell",
        where="A:86-97",
        contrasts=(_log((*lead("hard"), *lead("one-step", weight=-1)), -1),),
    ),
    _claim(
        id="T12",
        says="A skewed mixture of tasks favours a mixture of experts",
        where="A:101-111",
        contrasts=(
            _log((*lead("skewed"), *lead("hard", weight=-1)), -1),
            _log((*lead("skewed", "NC", FLOPS), *lead("hard", "NC", FLOPS, -1)), -1, what="NC, in FLOPs"),
        ),
    ),
    _claim(
        id="T13",
        says="Rare tasks gain most, because they get experts of their own",
        where="A:111 C:118 D:134",
        contrasts=(_log(_rare("E8"), -1), _log(_rare("NC"), -1, matching=EQUAL_N_AND_C, what="NC")),
    ),
    _claim(
        id="T14",
        says="A small d_model limits dense and not the mixture: the lead grows as width falls",
        where="A:117-124",
        contrasts=(_log((*lead("d32"), *lead("d128", weight=-1)), -1),),
        remark="Four seeds at each width.",
    ),
    _claim(
        id="T15",
        says="Where dense is short of capacity the mixture wins, at equal steps",
        where="A:117-124 A:173 D:48-52",
        contrasts=(_log(lead("crowded"), -1),),
    ),
    _claim(
        id="T16",
        says="Where dense is short of capacity the mixture wins, at equal N and C",
        where="A:123 D:165",
        contrasts=(_log(lead("crowded", "NC", FLOPS), -1),),
    ),
    _claim(
        id="T17",
        says="A balance loss is necessary, and its lack is the main reason why a mixture loses",
        where="A:151-160 C:135",
        contrasts=(
            _log(less("skewed E8 b0", "skewed E8", TOKENS), 1, matching=SAME_SHAPE),
            _log(less("skewed NC b0", "skewed NC", TOKENS), 1, matching=SAME_SHAPE, what="NC"),
            _log(less("skewed E8 b0", "skewed E8 entropy", TOKENS), 1, matching=SAME_SHAPE, what="entropy form"),
            _log(less("skewed NC b0", "skewed NC entropy", TOKENS), 1, matching=SAME_SHAPE, what="NC, entropy form"),
        ),
    ),
    _claim(
        id="T18",
        says="A mixture comes from behind and overtakes, while dense flattens",
        where="A:195-196",
        contrasts=(
            Contrast(terms=lead("crowded", column="until.loss_first"), side=1, margin=0.05, what="behind at first"),
            _log(lead("crowded", column=TOKENS_90), -1, what="ahead at 90 %"),
        ),
        decides="all",
        remark="The curves of both arms are drawn on the page.",
    ),
    _claim(
        id="T19",
        says="The strength of a mixture needs diversity, depth and scarce capacity together",
        where="A:170-174",
        contrasts=(_log(_without_one(), -1),),
    ),
    _claim(
        id="T20",
        says="A mixture is not always stronger",
        where="A:60-61",
        contrasts=(
            _log(lead("hard"), 1, against=-0.1, margin=0.0),
            _log(lead("easy"), 1, against=-0.1, margin=0.0, what="easy"),
        ),
        remark="It holds where the mixture is less than a tenth ahead in the first setting.",
    ),
    _claim(
        id="T21",
        says="Roles given to experts help further",
        where="B:113-118",
        contrasts=(
            _log(less("hard E8-roles", "hard E8-told", TOKENS), -1, matching=SAME_SHAPE, what="hard, against E8 told"),
            _log(less("hard E8-roles", "hard dense-told", TOKENS), -1, what="hard, against dense told"),
            _log(less("crowded E8-roles", "crowded E8-told", TOKENS), -1, matching=SAME_SHAPE, what="crowded, E8 told"),
            _log(less("crowded E8-roles", "crowded dense-told", TOKENS), -1, what="crowded, dense told"),
            _log(less("hard E8-roles", "hard E8", TOKENS), -1, matching=SAME_SHAPE, what="hard, against free E8"),
            _log(less("hard E8-roles", "hard dense", TOKENS), -1, what="hard, against dense"),
        ),
        remark="Roles tell the model its task, which a vector for each task does too.",
    ),
    _claim(
        id="T22",
        says="A mixture is more efficient at equal FLOPs",
        where="C:70-71 D:165",
        contrasts=(
            _log(lead("hard", "NC", FLOPS), -1),
            _log(lead("hard", "NC", FLOPS_90), -1, what="at 90 %"),
        ),
    ),
    _claim(
        id="T23",
        says="Small or single-task models have no use for a mixture",
        where="C:160-161",
        contrasts=(
            _log(_alone(), 1, what="each task alone"),
            _log(lead("d32", "NC", FLOPS), 1, what="d 32, in FLOPs"),
        ),
        remark="Four seeds in each of these settings.",
    ),
    _claim(
        id="T24",
        says="Total parameters count, at the price of the active ones",
        where="C:10-28 D:107-111",
        contrasts=(
            _log(
                (
                    Term(weight=0.5, arm="crowded dense", column=TOKENS),
                    Term(weight=0.5, arm="crowded dense-large", column=TOKENS),
                    Term(weight=-1.0, arm="crowded E8", column=TOKENS),
                ),
                1,
                margin=0.05,
                what="more than half of the way from dense to a dense model of the N of E8",
            ),
        ),
    ),
)
"""T1 to T24."""
