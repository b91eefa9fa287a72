"""bert: an encoder with norms after each block, segment embeddings and a masked-word head (arXiv 1810.04805).

Counted as AutoModelForMaskedLM builds it, so without the pooler.
"""

from planners.formats.family import Family
from planners.formats.foreign_parts import masked_word_head
from planners.formats.gpt2 import LEARNED

FAMILY = Family(
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
    keys={
        "vocab_size": "vocab_size",
        "d_model": "hidden_size",
        "n_layers": "num_hidden_layers",
        "n_heads": "num_attention_heads",
        "d_ff": "intermediate_size",
        "max_positions": "max_position_embeddings",
        "tied_embeddings": "tie_word_embeddings",
        "causal": "is_decoder",
    },
    fixed=LEARNED,
    heads="divide",
    parts=(masked_word_head,),
    refused=("add_cross_attention",),
)
