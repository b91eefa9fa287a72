"""tinystories-moe: a small dense baseline in the style of GPT-2 against top-1 mixtures of 4, 8 and 16 such experts.

The study prints total parameters of 70.6M, 108.2M, 158.6M and 259.2M. No single architecture with experts as wide as
the dense FFN has all four: the three mixtures leave 57.87M for everything but the experts, and with six dense FFNs that
makes 70.47M. The one below has 70.51M (-0.13 %), 108.26M (+0.05 %), 158.60M (0.00 %) and 259.29M (+0.03 %).
"""

from dataclasses import dataclass, replace
from itertools import product

from planners.architecture.shape import Shape
from planners.given_arms import GivenArm
from planners.question import Question
from planners.spec import Router

SEQ_LEN, BATCH, STEPS = 256, 16, 10_000
"""Tokens of a sequence, sequences of a batch, optimizer steps at most."""
JITTERS, CAPACITIES = (0.0, 0.01, 0.05), (1.0, 1.25, 1.5)
"""The grid of router settings, at 8 experts."""
NO_LIMIT = Router()
"""For the runs with 4, 8 and 16 experts whose names state no router setting; we assume that they had none."""


@dataclass(frozen=True, kw_only=True)
class Size:
    """What differs between the sizes of the study."""

    d_model: int
    """Width; heads are 64 wide, or 32 in narrow models."""
    n_layers: int
    """Depth."""
    d_ff: int
    """Hidden width of the dense FFN and of an expert."""
    seq_len: int
    """Tokens of a sequence."""
    steps: int
    """Optimizer steps at most."""
    eval_steps: int
    """Steps between evaluations."""
    batch: int
    """Sequences of a batch."""
    vocab_size: int
    """Vocabulary."""
    data: str
    """Corpus."""


STUDY = Size(
    d_model=512, n_layers=6, d_ff=2048, seq_len=SEQ_LEN, steps=STEPS, eval_steps=500, batch=BATCH, vocab_size=50_257,
    data="hf:roneneldan/TinyStories@gpt2",
)  # fmt: skip
"""The size of the study."""
LAPTOP = Size(
    d_model=64, n_layers=3, d_ff=256, seq_len=128, steps=1000, eval_steps=100, batch=8, vocab_size=256, data="prose"
)
"""A size for two cores, on a stand-in corpus: prose of the standard library, not TinyStories."""
SMOKE = replace(LAPTOP, steps=20, eval_steps=10)


def tinystories_moe(size: str = "gpu") -> Question:
    """Return the baseline, 4, 8 and 16 experts, and 8 experts with each router setting: 13 arms with equal tokens.

    - gpu: learning rate, batch, steps and sizes are the study's. Its other settings are not known: warm-up, schedule
      and weight decay follow our recipe for Step Law, and the intervals of early stopping are our choice.
    - laptop: d 64, three layers, at most 1,000 steps of 1,024 tokens, three seeds, on the stand-in corpus `prose`.
    - smoke: 20 steps of the laptop's models.
    """
    sizes = {"gpu": STUDY, "laptop": LAPTOP, "smoke": SMOKE}[size]
    arms = [("dense", shape(0, sizes), None), *((f"E{n}", shape(n, sizes), NO_LIMIT) for n in (4, 8, 16))]
    for jitter, capacity in product(JITTERS, CAPACITIES):
        arms.append((f"E8 j{jitter:g} c{capacity:g}", shape(8, sizes), Router(jitter=jitter, capacity_factor=capacity)))
    D = sizes.seq_len * sizes.batch * sizes.steps
    asked = Question(
        study="tinystories-moe" if size == "gpu" else f"tinystories-moe-{size}",
        arms=tuple(GivenArm(label=label, shape=each, router=router, D=D) for label, each, router in arms),
        data=sizes.data,
        vocab_size=sizes.vocab_size,
        seq_len=sizes.seq_len,
        recipe="step-law",
        lr=3e-4,
        batch_tokens=sizes.seq_len * sizes.batch,
        eval_steps=sizes.eval_steps,
        patience=3,
        claims="tinystories-moe",
    )
    if size == "gpu":
        return asked
    return replace(
        asked, recipe="small-scale", lr=None, seeds=(0, 1, 2) if size == "laptop" else (0,),
        eval_windows=256 if size == "laptop" else 32,
    )  # fmt: skip


def shape(n_experts: int, size: Size = STUDY) -> Shape:
    """Return the baseline (0) or the model whose every layer has `n_experts` experts of the dense FFN's width.

    Attention and the dense FFN have biases, experts do not.
    """
    head_dim = 64 if size.d_model >= 256 else 32
    heads = size.d_model // head_dim
    return Shape(
        d_model=size.d_model,
        n_layers=size.n_layers,
        n_dense_layers=0 if n_experts else size.n_layers,
        n_heads=heads,
        n_kv_heads=heads,
        head_dim=head_dim,
        d_ff=size.d_ff,
        n_experts=n_experts,
        top_k=1 if n_experts else 0,
        d_expert=size.d_ff if n_experts else 0,
        vocab_size=size.vocab_size,
        ffn="gelu",
        norm="layernorm",
        positions="learned",
        max_positions=size.seq_len,
        attention_bias="all",
        ffn_bias=True,
    )
