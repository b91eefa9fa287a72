"""The tokenizer of a corpus as files that transformers reads."""

import json

from jobs.corpora.bpe import ENDS
from jobs.corpora.tokens import Manifest, store_folder
from planners.records.errors import UsageError


def tokenizer_files(manifest: Manifest, seq_len: int) -> dict[str, str]:
    """Return tokenizer.json and tokenizer_config.json of a corpus.

    Raises UsageError where the corpus has none: it is generated, or its tokenizer is not on this machine.
    """
    if manifest.tokenizer == "bytes":
        content, end = byte_tokenizer(), byte_symbols()[0]
    else:
        if manifest.tokenizer.startswith("generated:"):
            raise UsageError(f"the corpus {manifest.name} is generated as tokens, so it has no tokenizer to export")
        path = store_folder() / (manifest.domains[0].fingerprint if manifest.domains else manifest.fingerprint)
        path /= "tokenizer.json"
        if not path.is_file():
            raise UsageError(f"{path} is missing; read the corpus {manifest.name} again with a plan of it")
        content = json.loads(path.read_text("utf-8"))
        known = {token["content"] for token in content.get("added_tokens", ())} | set(content["model"]["vocab"])
        end = next(token for token in ENDS if token in known)
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": end,
        "model_max_length": seq_len,
        "clean_up_tokenization_spaces": False,
    }
    return {"tokenizer.json": json.dumps(content, ensure_ascii=False), "tokenizer_config.json": json.dumps(config)}


def byte_symbols() -> list[str]:
    """Return the printable symbol of each byte, in the order of bytes, as GPT-2's byte-level tokenizers write them."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = iter(range(256, 512))
    return [chr(byte if byte in printable else next(others)) for byte in range(256)]


def byte_tokenizer() -> dict[str, object]:
    """Return a tokenizer.json whose tokens are the bytes of UTF-8: a byte-level BPE without merges."""
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    symbols = byte_symbols()
    end = {"id": 0, "content": symbols[0], "special": True}
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [{**end, **flags}], "normalizer": None,
        "pre_tokenizer": level, "post_processor": None, "decoder": level,
        "model": {
            "type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
            "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
            "vocab": {symbol: byte for byte, symbol in enumerate(symbols)}, "merges": [],
        },
    }  # fmt: skip
