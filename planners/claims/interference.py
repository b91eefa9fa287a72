"""The claims of `interference`: what happens inside a dense model and a mixture that learn several tasks."""

from functools import partial

from planners.claims.claim import (
    EQUAL_N_AND_C,
    EQUAL_STEPS,
    SAME_SHAPE,
    Claim,
    Contrast,
    Term,
    less,
    mean_of,
    trend,
)

TOKENS = "until.tokens_50"
STUDY = "interference"
DOMAINS = ("1 domain", "2 domains", "shared", "8 domains")
"""Settings of 1, 2, 4 and 8 domains."""
TASKS = ("arith", "logic", "code", "entail")

_claim = partial(Claim, study=STUDY)


def _lead(column: str, side: int, arm: str = "E8", setting: str = "shared", **settings: object) -> Contrast:
    matching = EQUAL_STEPS if arm == "E8" else EQUAL_N_AND_C
    terms = less(f"{setting} {arm}", f"{setting} dense", column)
    chosen = {"matching": matching, **settings}
    return Contrast(terms=terms, side=side, **chosen)  # type: ignore[arg-type]


def _one(arm: str, column: str, side: int, against: float, **settings: object) -> Contrast:
    """Return a contrast of one arm with a number."""
    chosen = {"margin": 0.0, "matching": SAME_SHAPE, **settings}
    terms = (Term(weight=1.0, arm=arm, column=column),)
    return Contrast(terms=terms, side=side, against=against, **chosen)  # type: ignore[arg-type]


def _by_domains(column: str) -> tuple[Term, ...]:
    """Return the change of a measure of dense from 2 to 8 domains."""
    return trend([(Term(weight=1.0, arm=f"{setting} dense", column=column),) for setting in DOMAINS[1:]])


def _by_width(column: str) -> tuple[Term, ...]:
    """Return the change of a measure of dense from d 32 to d 128."""
    return trend([(Term(weight=1.0, arm=f"{setting} dense", column=column),) for setting in ("d32", "shared", "d128")])


def _lead_by_domains(arm: str) -> tuple[Term, ...]:
    def lead(setting: str) -> tuple[Term, ...]:
        if setting != "1 domain":
            return less(f"{setting} {arm}", f"{setting} dense", TOKENS)
        return tuple(
            term
            for task in TASKS
            for term in less(f"{task} alone {arm}", f"{task} alone dense", TOKENS, 1 / len(TASKS))
        )

    return trend([lead(setting) for setting in DOMAINS])


INTERFERENCE: tuple[Claim, ...] = (
    _claim(
        id="I1",
        says="The gradients of domains conflict in a dense model",
        where="A:82 D:58-64",
        contrasts=(_one("shared dense", "probe.conflict.cosine", -1, -0.05),),
    ),
    _claim(
        id="I2",
        says="Gradients agree more within an expert",
        where="D:102-105",
        contrasts=(
            _lead("probe.conflict.negative", -1, margin=0.05),
            _lead("probe.conflict.negative", -1, "NC", margin=0.05, what="NC"),
        ),
    ),
    _claim(
        id="I3",
        says="Dispersion leaves an expert a noisier gradient, from a smaller batch",
        where="A:40",
        contrasts=(
            _lead("probe.conflict.halves", -1, margin=0.02),
            _lead("probe.conflict.halves", -1, "NC", margin=0.02, what="NC"),
        ),
    ),
    _claim(
        id="I4",
        says="In a dense model domains use the same units, and experts part them",
        where="D:26-33 D:48 D:95-100",
        contrasts=(
            _lead("probe.overlap.layer1", -1, margin=0.05, what="layer 1"),
            _lead("probe.overlap.layer2", -1, margin=0.05, what="layer 2"),
            _lead("probe.overlap.layer1", -1, "NC", margin=0.05, what="NC, layer 1"),
            _lead("probe.overlap.layer2", -1, "NC", margin=0.05, what="NC, layer 2"),
        ),
        decides="all",
    ),
    _claim(
        id="I5",
        says="A dense model superposes more features",
        where="D:70-77",
        contrasts=(
            _lead("probe.superposition.dimensionality", 1, margin=0.02),
            _lead("probe.superposition.between", -1, margin=0.02, what="interference between domains"),
            _lead("probe.superposition.dimensionality", 1, "NC", margin=0.02, what="NC"),
            _lead("probe.superposition.between", -1, "NC", margin=0.02, what="NC, interference between domains"),
        ),
    ),
    _claim(
        id="I6",
        says="Experts multiply the room for features",
        where="D:107-111",
        contrasts=(
            _lead("probe.rank", 1, scale="log"),
            _lead("probe.rank", 1, "NC", scale="log", what="NC, equal N"),
        ),
    ),
    _claim(
        id="I7",
        says="Overload grows with the number of tasks, and with the size of a dense model",
        where="D:23-35 D:52 D:79",
        contrasts=(
            Contrast(
                terms=_by_domains("probe.overlap.layer2"),
                side=1,
                margin=0.05,
                matching=SAME_SHAPE,
                what="overlap, 2 to 8 domains",
            ),
            Contrast(
                terms=_by_width("probe.overlap.layer2"),
                side=1,
                margin=0.05,
                matching=EQUAL_STEPS,
                what="overlap, d 32 to 128",
            ),
            Contrast(
                terms=_by_domains("probe.superposition.between"),
                side=1,
                margin=0.02,
                matching=SAME_SHAPE,
                what="interference, 2 to 8 domains",
            ),
            Contrast(
                terms=_by_width("probe.superposition.between"),
                side=1,
                margin=0.02,
                matching=EQUAL_STEPS,
                what="interference, d 32 to 128",
            ),
        ),
        decides="all",
    ),
    _claim(
        id="I8",
        says="Tasks disturb each other less in a mixture",
        where="C:79 D:132",
        contrasts=(Contrast(terms=less("shared dense", "shared E8", "probe.alone"), side=1, matching=EQUAL_STEPS),),
        remark="Own tokens to 50 % in the mixture of tasks, over those of the task alone.",
    ),
    _claim(
        id="I9",
        says="A mixture forgets less",
        where="C:80 D:66",
        contrasts=(
            _lead("probe.forgetting", -1, setting="forget shared"),
            _lead("probe.forgetting.matched", -1, setting="forget shared", what="at equal loss of the new domains"),
            _lead("probe.relearning", 1, setting="forget shared", margin=0.05, what="relearning"),
            _lead("probe.forgetting", -1, setting="forget own", what="own symbols"),
            _lead("probe.forgetting", -1, "NC", setting="forget shared", what="NC"),
        ),
    ),
    _claim(
        id="I10",
        says="Knowledge sits apart: the update of one expert leaves the domains of the others alone",
        where="C:84-85",
        contrasts=(
            _lead("probe.knockout", -1, margin=0.05),
            _lead("probe.knockout", -1, "NC", margin=0.05, what="NC"),
        ),
    ),
    _claim(
        id="I11",
        says="Experts specialise by themselves",
        where="C:36-52 D:99",
        contrasts=(
            _one("shared E8", "probe.specialisation", 1, 0.1),
            _one("shared NC", "probe.specialisation", 1, 0.1, what="NC"),
        ),
    ),
    _claim(
        id="I12",
        says="The units of a dense model do not specialise",
        where="C:52",
        contrasts=(
            _lead("probe.overlap.layer1", -1, margin=0.05, what="layer 1"),
            _lead("probe.overlap.layer2", -1, margin=0.05, what="layer 2"),
        ),
        decides="all",
        remark="I4 in other words.",
    ),
    _claim(
        id="I13",
        says="A mixture is light for easy tokens and heavy for hard ones",
        where="C:98-107",
        contrasts=(
            _one("top-p p0.4", "probe.difficulty", 1, 0.1),
            Contrast(
                terms=less("top-p p0.4", "top-p K2", TOKENS),
                side=-1,
                scale="log",
                matching=SAME_SHAPE,
                what="tokens, top-p against K 2",
            ),
        ),
        remark="With a fixed K the correlation is 0 by construction.",
    ),
    _claim(
        id="I14",
        says="A dense model cannot spend less on easy tokens",
        where="C:109",
        kind="by construction",
        remark="Every token passes through all weights of a dense model without early exit.",
    ),
    _claim(
        id="I15",
        says="Routers crowd onto few experts early",
        where="C:134 A:41 D:144",
        contrasts=(
            Contrast(
                terms=(
                    Term(weight=1.0, arm="shared E8", column="probe.load_early"),
                    Term(weight=-1.0, arm="shared E8", column="probe.load_late"),
                ),
                side=1,
                scale="log",
                matching=SAME_SHAPE,
            ),
        ),
    ),
    _claim(
        id="I16",
        says="A balance loss cures it",
        where="C:135",
        contrasts=(
            Contrast(
                terms=less("shared E8 b0", "shared E8", "routing.max_load"), side=1, scale="log", matching=SAME_SHAPE
            ),
        ),
    ),
    _claim(
        id="I17",
        says="A mixture keeps the long tail better",
        where="C:118 D:134",
        contrasts=(
            _lead("probe.tail", -1, setting="facts", margin=0.05),
            _lead("probe.tail", -1, "NC", setting="facts", margin=0.05, what="NC"),
        ),
    ),
    _claim(
        id="I18",
        says="The lead grows with the diversity of the data",
        where="C:117 D:115",
        contrasts=(Contrast(terms=_lead_by_domains("E8"), side=-1, scale="log", what="1 to 8 domains"),),
    ),
    _claim(
        id="I19",
        says="Fine-tuning a mixture is harder",
        where="C:142-145 C:293-307",
        contrasts=(
            _lead("probe.gap", 1, setting="fine-tuned", margin=0.05),
            Contrast(
                terms=(
                    *mean_of(["fine-tuned E8 lr0.5", "fine-tuned E8 lr2"], "loss"),
                    Term(weight=-1.0, arm="fine-tuned E8", column="loss"),
                    *mean_of(["fine-tuned dense lr0.5", "fine-tuned dense lr2"], "loss", -1.0),
                    Term(weight=1.0, arm="fine-tuned dense", column="loss"),
                ),
                side=1,
                margin=0.05,
                what="loss lost by a rate off by two",
            ),
            _lead("probe.gap", 1, "NC", setting="fine-tuned", margin=0.05, what="NC"),
        ),
    ),
)
"""I1 to I19."""
