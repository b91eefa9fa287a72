"""bert: an encoder with norms after each block, segment embeddings and a masked-word head (arXiv 1810.04805).

As AutoModelForMaskedLM builds it, so without the pooler.
"""

from planners.formats.family import Family
from planners.formats.foreign import Foreign, Part
from planners.formats.given import Given
from planners.records.errors import UsageError


def read(given: Given) -> Foreign:
    """Return the model.

    Segment embeddings count as positions. The head is a projection d_model -> d_model with a norm, the product with
    the embedding matrix, and a bias; untied, the library keeps that bias twice. The norm of the embeddings stands
    where a shape has its last one.
    """
    if given.flag("add_cross_attention"):
        raise UsageError("add_cross_attention is true: a decoder that attends to an encoder is not counted")
    d_model, vocab_size, n_layers = given.size("hidden_size"), given.size("vocab_size"), given.size("num_hidden_layers")
    rows, tied = given.size("max_position_embeddings"), given.flag("tie_word_embeddings")
    look_ups = (rows + given.size("type_vocab_size", least=0)) * d_model
    transform = d_model * d_model + d_model + 2 * d_model
    output = vocab_size if tied else vocab_size * d_model + 2 * vocab_size
    return Foreign(
        model_type="bert",
        vocab_size=vocab_size,
        d_model=d_model,
        n_layers=n_layers,
        n_dense_layers=n_layers,
        n_heads=given.size("num_attention_heads"),
        n_kv_heads=given.size("num_attention_heads"),
        head_dim=given.width_of_heads("hidden_size", "num_attention_heads"),
        d_ff=given.size("intermediate_size"),
        tied_embeddings=tied,
        ffn="gelu",
        norm="layernorm",
        positions="learned",
        max_positions=rows,
        attention_bias="all",
        ffn_bias=True,
        causal=given.flag("is_decoder"),
        notes=("counted as AutoModelForMaskedLM builds it, so without a pooler",),
        replaced=(
            Part(name="positions", parameters=look_ups, products=0),
            Part(name="head", parameters=transform + output, products=d_model * (d_model + vocab_size)),
        ),
    )


FAMILY = Family(
    model_type="bert",
    defaults={
        "vocab_size": 30522,
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "intermediate_size": 3072,
        "max_position_embeddings": 512,
        "type_vocab_size": 2,
        "tie_word_embeddings": True,
        "is_decoder": False,
        "add_cross_attention": False,
    },
    read=read,
)
