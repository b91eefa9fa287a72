from dataclasses import replace

import pytest
from shapes import LI2025_2B

from planners import Shape, UsageError, flops_by_part, flops_per_token, from_hf
from planners.architecture.flops import CONVENTIONS

DENSE_2B = Shape(
    d_model=2176, n_layers=28, n_dense_layers=28, n_heads=17, n_kv_heads=17, head_dim=128, d_ff=8848, vocab_size=65536
)


@pytest.mark.parametrize(
    ("n_experts", "top_k", "d_expert", "M"),
    [(89, 1, 352, 1.70e9), (86, 4, 352, 2.50e9), (84, 6, 352, 3.03e9), (92, 7, 320, 3.13e9), (84, 26, 288, 7.12e9)],
)
def test_li2025_convention_gives_the_papers_m(n_experts: int, top_k: int, d_expert: int, M: float) -> None:
    """Table 10 of arXiv 2506.12119: M within 1.3 % of the printed value."""
    shape = replace(LI2025_2B, n_experts=n_experts, top_k=top_k, d_expert=d_expert, d_shared=top_k * d_expert)
    assert flops_per_token(shape, 2048, "li2025+router") == pytest.approx(M, rel=0.013)


def test_li2025_convention_gives_the_papers_dense_compute() -> None:
    """Its table 13: N 2.15e9, D 6.50e10, C 9.36e20."""
    assert flops_per_token(DENSE_2B, 2048, "li2025") * 6.50e10 == pytest.approx(9.36e20, rel=0.013)


def test_conventions_differ_by_their_definitions() -> None:
    by = {name: flops_by_part(LI2025_2B, 2048, name) for name in CONVENTIONS}
    scores = 16 * 11 * 128 * 2048
    assert by["exact"]["attention_scores"] == 12 * scores
    assert by["causal"]["attention_scores"] == 6 * scores
    assert by["recompute"]["attention_scores"] == 14 * scores
    assert by["exact"]["head"] == 6 * 65536 * 1408
    assert by["exact"]["embedding"] == by["exact"]["norms"] == 0
    assert by["li2025"]["router"] == by["li2025"]["head"] == 0
    assert by["li2025+router"]["router"] == 6 * 15 * 84 * 1408
    assert flops_per_token(LI2025_2B, 2048, "6nd") == 6 * LI2025_2B.N_a
    with pytest.raises(UsageError, match="3nd"):
        flops_per_token(LI2025_2B, 2048, "3nd")


def test_the_forward_pass_is_a_third_of_training_without_recomputation() -> None:
    for name in CONVENTIONS:
        forward = flops_by_part(LI2025_2B, 2048, name, forward=True)
        training = flops_by_part(LI2025_2B, 2048, "exact" if name == "recompute" else name)
        assert training == {part: 3 * count for part, count in forward.items()}


def test_an_encoder_has_no_causal_half() -> None:
    encoder = replace(DENSE_2B, causal=False)
    assert flops_per_token(encoder, 512, "causal") == flops_per_token(DENSE_2B, 512, "exact")
    assert flops_per_token(DENSE_2B, 512, "causal") < flops_per_token(DENSE_2B, 512, "exact")


def test_only_matrix_products_cost_flops() -> None:
    """Biases, LayerNorm, learned positions and tying change N; of the FLOPs only 6nd changes."""
    biased = replace(
        DENSE_2B, norm="layernorm", positions="learned", max_positions=2048, attention_bias="all", ffn_bias=True,
        tied_embeddings=True,
    )  # fmt: skip
    for name in CONVENTIONS:
        same = flops_per_token(biased, 2048, name) == flops_per_token(DENSE_2B, 2048, name)
        assert same == (name != "6nd")
    assert flops_per_token(biased, 2048, "6nd") == 6 * biased.N


def test_narrow_values_cost_less_than_keys() -> None:
    """Latent attention: keys of 192 and values of 128. Flash attention forms the scores once more, 2 * 192 a head."""
    model = from_hf({"model_type": "deepseek_v3"})
    heads, T = 61 * 128, 1000
    scores = {name: flops_by_part(model, T, name)["attention_scores"] for name in ("exact", "causal", "recompute")}
    assert scores == {
        "exact": heads * T * 6 * (192 + 128),
        "causal": heads * T * 3 * (192 + 128),
        "recompute": heads * T * (8 * 192 + 6 * 128),
    }
