"""encoder-moe: do experts pay in an encoder that is trained on masked tokens?"""

from dataclasses import replace

from planners.architecture.shape import Shape
from planners.given_arms import GivenArm, Setting
from planners.presets.sized import check_size
from planners.question import Question

C = 4.5e11
"""Training compute of every run, FLOPs; the setting even4 has four times that."""
UNIQUE = {"even": 1_600_000, "rare": 8_000_000, "even4": 2_400_000, "code": 8_000_000}
"""Most unique tokens by setting: prose has 2M, and half of the tokens of even and even4 are prose."""
VOCABULARY = 264
"""Bytes and the mask token, in multiples of 8."""
CODE = "code=stdlib,docstrings=out"
DATA = {
    "code": "stdlib,docstrings=out",
    "even": f"{CODE}*0.5+prose=prose*0.5",
    "rare": f"{CODE}*0.9+prose=prose*0.1",
    "even4": f"{CODE}*0.5+prose=prose*0.5",
}
"""Corpus by setting."""


def encoder_moe(size: str = "laptop") -> Question:
    """Return a mixture and three dense encoders on code, on code and prose, and with prose as a rare domain.

    - dense has the N of the mixture, dense-active its FLOPs per token, dense-best the N that is best for C.
    - laptop: C 4.5e11, six seeds; and four times that on the even mixture, three seeds.
    - smoke: two arms at C 1e10.
    - gpu: four times the widths at 100 times the compute, in bf16; prose is then repeated about ten times.
    """
    check_size(size)
    wide, more, seeds = {"laptop": (1, 1.0, 6), "smoke": (1, 1 / 45, 1), "gpu": (4, 100.0, 6)}[size]
    names = ("even",) if size == "smoke" else tuple(DATA)
    settings = [
        Setting(name=name, data=DATA[name], seeds=tuple(range(3 if name == "even4" and seeds == 6 else seeds)))
        for name in names
    ]
    return Question(
        study="encoder-moe" if size == "laptop" else f"encoder-moe-{size}",
        arms=tuple(arm for name in names for arm in _arms(name, wide, more)),
        settings=tuple(settings),
        seeds=tuple(range(seeds)),
        objective="masked",
        recipe="small-scale",
        seq_len=128,
        eval_windows=64 if size == "smoke" else 512,
        precision="bf16" if size == "gpu" else "fp32",
        claims="encoder-moe",
    )


def _arms(setting: str, wide: int, more: float) -> list[GivenArm]:
    """Return the arms of a setting; the best dense model for four times the compute is larger."""
    best = _dense(56, 168) if setting == "even4" else _dense(40, 112)
    shapes = {"dense": _dense(88, 240, n_heads=2), "MoE": MOE, "dense-active": _dense(32, 128), "dense-best": best}
    compute = C * more * (4 if setting == "even4" else 1)
    return [
        GivenArm(label=f"{setting} {name}", shape=_wider(shape, wide), setting=setting, C=compute, U=UNIQUE[setting])
        for name, shape in shapes.items()
        if more >= 1 or name in ("MoE", "dense-active")
    ]


def _dense(d_model: int, d_ff: int, n_heads: int = 1) -> Shape:
    return Shape(
        d_model=d_model, n_layers=3, n_dense_layers=3, n_heads=n_heads, n_kv_heads=n_heads,
        head_dim=d_model // n_heads, d_ff=d_ff, vocab_size=VOCABULARY, causal=False,
    )  # fmt: skip


MOE = replace(_dense(32, 88), n_dense_layers=1, n_experts=84, top_k=4, d_expert=16, d_shared=64)
"""N 297k, N_a 51k: 84 experts of 16, four per token, and a shared one of 64; the first layer is dense."""


def _wider(shape: Shape, times: int) -> Shape:
    """Return a shape with all widths multiplied; heads stay as many."""
    names = ("d_model", "head_dim", "d_ff", "d_expert", "d_shared")
    return replace(shape, **{name: times * getattr(shape, name) for name in names})
