"""The claims of `encoder-moe`: experts in an encoder that is trained on masked tokens."""

from functools import partial

from planners.claims.claim import EQUAL_ACTIVE, EQUAL_N_AND_C, SAME_SHAPE, Claim, Contrast, Term, less

STUDY = "encoder-moe"
SETTINGS = ("code", "even", "rare")

_claim = partial(Claim, study=STUDY)
_untested = partial(Claim, study=STUDY, kind="not tested here")


def _loss(setting: str, dense: str, side: int, **settings: object) -> Contrast:
    matching = EQUAL_N_AND_C if dense in ("dense", "dense-best") else EQUAL_ACTIVE
    terms = less(f"{setting} MoE", f"{setting} {dense}", "loss")
    chosen = {"matching": matching, "margin": 0.02, "what": setting, **settings}
    return Contrast(terms=terms, side=side, **chosen)  # type: ignore[arg-type]


def _lead_on(domain: str, weight: float) -> tuple[Term, ...]:
    return less("rare MoE", "rare dense-active", f"domains.{domain}.loss", weight)


ENCODER_MOE: tuple[Claim, ...] = (
    _claim(
        id="E1",
        says="The FFN of an encoder becomes experts without further change",
        where="C:188-207",
        kind="by construction",
        remark="The model is built from the same shape, its parameters equal the count, and it trains.",
    ),
    _claim(
        id="E2",
        says="A mixture of experts pays little in an encoder",
        where="C:181 C:392-396",
        contrasts=tuple(
            _loss(setting, "dense-active", 1, against=-0.05, margin=0.0) for setting in ("even", "code", "rare")
        ),
    ),
    _claim(
        id="E3",
        says="A mixture beats the dense encoder of equal N",
        where="C:10",
        contrasts=(
            _loss("even", "dense", -1),
            _loss("code", "dense", -1),
            _loss("even", "dense-best", -1, what="even, against the best dense"),
        ),
    ),
    _claim(
        id="E4",
        says="The latency of one sequence gets worse",
        where="C:256-268",
        contrasts=(
            Contrast(
                terms=less("even MoE", "even dense-active", "probe.latency"), side=1, scale="log", matching=EQUAL_ACTIVE
            ),
        ),
    ),
    _claim(
        id="E5",
        says="The latency of one sequence gets less predictable",
        where="C:137-140 C:266 D:145",
        contrasts=(
            Contrast(
                terms=less("even MoE", "even dense-active", "probe.latency.between"),
                side=1,
                margin=0.0,
                matching=EQUAL_ACTIVE,
            ),
        ),
    ),
    _claim(
        id="E6",
        says="Encoders are small, so dense does as well",
        where="C:272-287",
        contrasts=(
            Contrast(
                terms=(
                    *less("even4 MoE", "even4 dense-best", "loss"),
                    *less("even MoE", "even dense-best", "loss", -1.0),
                ),
                side=-1,
                margin=0.02,
                matching=EQUAL_N_AND_C,
                what="the lead over the best dense grows with C",
            ),
            _loss("even", "dense-best", 1, against=-0.02, margin=0.0, what="even, against the best dense"),
        ),
        remark="Three seeds at the larger budget.",
    ),
    _claim(
        id="E7",
        says="Experts specialise by the kind of text",
        where="C:211-227 C:328-344",
        contrasts=(
            Contrast(
                terms=(Term(weight=1.0, arm="even MoE", column="probe.specialisation.all"),),
                side=1,
                against=0.1,
                margin=0.0,
                matching=SAME_SHAPE,
            ),
        ),
    ),
    _claim(
        id="E8",
        says="Rare kinds of text gain most",
        where="C:233-239",
        contrasts=(
            Contrast(
                terms=(*_lead_on("prose", 1.0), *_lead_on("code", -1.0)), side=-1, margin=0.02, matching=EQUAL_ACTIVE
            ),
        ),
    ),
    _claim(
        id="E9",
        says="A mixture is cheaper to serve than a dense model of its N",
        where="D:174",
        contrasts=(
            Contrast(
                terms=less("even MoE", "even dense", "probe.latency.batch8"),
                side=-1,
                scale="log",
                matching="equal N",
            ),
        ),
    ),
    _untested(
        id="E10",
        says="ONNX, TensorRT, adapters, LoRA and distillation are better value than experts",
        where="C:311-320 C:357-379",
        remark="Each of these next to an MoE encoder of equal serving cost would test it.",
    ),
    _untested(
        id="E11",
        says="Experts that are spread over devices parallelise well",
        where="C:58-66",
        remark="Several devices with expert parallelism would test it.",
    ),
    _untested(
        id="E12",
        says="Adapters cure forgetting as well as experts do",
        where="C:87-92",
        remark="I9 with an adapter arm would test it.",
    ),
    _untested(
        id="E13",
        says="A mixture of experts costs more engineering",
        where="D:146",
        remark="Hours of engineers on both kinds of model would test it.",
    ),
)
"""E1 to E13."""
