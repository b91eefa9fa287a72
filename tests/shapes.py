"""Shapes that several tests use: a published one, and a strategy that draws all kinds."""

from hypothesis import strategies as st

from planners import Shape
from planners.architecture.shape import CHOICES

# arXiv 2506.12119, the 2B backbone of its table 10; N as its authors' run table states it
LI2025_2B = Shape(
    d_model=1408, n_layers=16, n_dense_layers=1, n_heads=11, n_kv_heads=11, head_dim=128, d_ff=3904,
    n_experts=84, top_k=6, d_expert=352, d_shared=2112, vocab_size=65536,
)  # fmt: skip


def shapes(seq_len: int | None = None) -> st.SearchStrategy[Shape]:
    """Draw dense and MoE shapes of all kinds; with `seq_len`, those that can be trained on so many tokens."""

    @st.composite
    def draw_shape(draw: st.DrawFn) -> Shape:
        kv_heads = draw(st.integers(1, 3))
        n_layers = draw(st.integers(1, 4))
        n_dense = draw(st.integers(0, n_layers))
        experts = draw_experts(draw, n_layers - n_dense) if n_dense < n_layers else {}
        positions = draw(st.sampled_from(CHOICES["positions"]))
        return Shape(
            d_model=8 * draw(st.integers(1, 3)), n_layers=n_layers, n_dense_layers=n_dense,
            n_heads=kv_heads * draw(st.integers(1, 3)), n_kv_heads=kv_heads, head_dim=2 * draw(st.integers(1, 4)),
            d_ff=8 * draw(st.integers(1, 4)), vocab_size=draw(st.integers(2, 50)), tied_embeddings=draw(st.booleans()),
            positions=positions, max_positions=draw(st.integers(seq_len or 1, 80)) if positions == "learned" else 0,
            ffn_bias=draw(st.booleans()), causal=seq_len is not None or draw(st.booleans()),
            **{name: draw(st.sampled_from(CHOICES[name])) for name in ("ffn", "norm", "attention_bias", "qk_norm")},
            **experts,
        )  # fmt: skip

    return draw_shape()


def draw_experts(draw: st.DrawFn, layers: int) -> dict[str, int]:
    """Draw the fields of experts for a model with this many layers after its leading dense ones."""
    n_experts, d_shared = draw(st.integers(1, 6)), 4 * draw(st.integers(0, 3))
    return {
        "n_experts": n_experts,
        "top_k": draw(st.integers(1, n_experts)),
        "d_expert": 4 * draw(st.integers(1, 3)),
        "d_shared": d_shared,
        "expert_bias": draw(st.booleans()),
        "moe_every": draw(st.integers(1, layers)),
        "shared_gate": d_shared > 0 and draw(st.booleans()),
    }
