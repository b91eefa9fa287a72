"""tinystories-moe: a small dense baseline in the style of GPT-2 against top-1 mixtures of 4, 8 and 16 such experts.

The study prints total parameters of 70.6M, 108.2M, 158.6M and 259.2M. No single architecture with experts as wide as
the dense FFN has all four: the three mixtures leave 57.87M for everything but the experts, and with six dense FFNs that
makes 70.47M. The one below has 70.51M (-0.13 %), 108.26M (+0.05 %), 158.60M (0.00 %) and 259.29M (+0.03 %).
"""

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


def tinystories_moe() -> Question:
    """Return the baseline, 4, 8 and 16 experts, and 8 experts with each router setting: 13 arms with equal tokens.

    Learning rate, batch, steps and sizes are the study's. Its other settings are not known: warm-up, schedule and
    weight decay follow our recipe for Step Law, and the intervals of early stopping are our choice.
    """
    arms = [("dense", shape(0), None), *((f"E{n}", shape(n), NO_LIMIT) for n in (4, 8, 16))]
    for jitter, capacity in product(JITTERS, CAPACITIES):
        arms.append((f"E8 j{jitter:g} c{capacity:g}", shape(8), Router(jitter=jitter, capacity_factor=capacity)))
    D = SEQ_LEN * BATCH * STEPS
    return Question(
        study="tinystories-moe",
        arms=tuple(GivenArm(label=label, shape=sizes, router=router, D=D) for label, sizes, router in arms),
        data="hf:roneneldan/TinyStories@gpt2",
        vocab_size=50_257,
        seq_len=SEQ_LEN,
        recipe="step-law",
        lr=3e-4,
        batch_tokens=SEQ_LEN * BATCH,
        eval_steps=500,
        patience=3,
    )


def shape(n_experts: int) -> Shape:
    """Return the baseline (0) or the model whose every layer has `n_experts` experts of the dense FFN's width.

    Attention and the dense FFN have biases, experts do not.
    """
    d_ff, n_layers = 2048, 6
    return Shape(
        d_model=512,
        n_layers=n_layers,
        n_dense_layers=0 if n_experts else n_layers,
        n_heads=8,
        n_kv_heads=8,
        head_dim=64,
        d_ff=d_ff,
        n_experts=n_experts,
        top_k=1 if n_experts else 0,
        d_expert=d_ff if n_experts else 0,
        vocab_size=50_257,
        ffn="gelu",
        norm="layernorm",
        positions="learned",
        max_positions=SEQ_LEN,
        attention_bias="all",
        ffn_bias=True,
    )
