"""Shapes that several tests use: a published one, and a strategy that draws all kinds."""

from hypothesis import strategies as st

from planners import Shape

# arXiv 2506.12119, the 2B backbone of its table 10; N as its authors' run table states it
LI2025_2B = Shape(
    d_model=1408, n_layers=16, n_dense_layers=1, n_heads=11, n_kv_heads=11, head_dim=128, d_ff=3904,
    n_experts=84, top_k=6, d_expert=352, d_shared=2112, vocab_size=65536,
)  # fmt: skip


def shapes() -> st.SearchStrategy[Shape]:
    """Draw dense and MoE shapes of all kinds."""

    @st.composite
    def draw_shape(draw: st.DrawFn) -> Shape:
        kv_heads = draw(st.integers(1, 3))
        n_layers = draw(st.integers(1, 4))
        n_dense = draw(st.integers(0, n_layers))
        experts = {}
        if n_dense < n_layers:
            n_experts = draw(st.integers(1, 6))
            experts = {
                "n_experts": n_experts,
                "top_k": draw(st.integers(1, n_experts)),
                "d_expert": 4 * draw(st.integers(1, 3)),
                "d_shared": 4 * draw(st.integers(0, 3)),
            }
        return Shape(
            d_model=8 * draw(st.integers(1, 3)), n_layers=n_layers, n_dense_layers=n_dense,
            n_heads=kv_heads * draw(st.integers(1, 3)), n_kv_heads=kv_heads, head_dim=2 * draw(st.integers(1, 4)),
            d_ff=8 * draw(st.integers(1, 4)), vocab_size=draw(st.integers(2, 50)),
            tied_embeddings=draw(st.booleans()), ffn=draw(st.sampled_from(["swiglu", "gelu"])), **experts,
        )  # fmt: skip

    return draw_shape()
