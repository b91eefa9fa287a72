"""Guesses of which column is N, D, C or the loss, by its name and unit. They are offered and never applied.

suggestion("N", ["params (M)", "tokens (B)"])  # "params (M)*1e6"
"""

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence

_UNITS = {"k": "1e3", "m": "1e6", "b": "1e9", "bn": "1e9", "g": "1e9", "t": "1e12", "giga": "1e9", "peta": "1e15"}
_UNITS |= {"thousand": "1e3", "thousands": "1e3", "mio": "1e6", "million": "1e6", "millions": "1e6"}
_UNITS |= {"billion": "1e9", "billions": "1e9", "trillion": "1e12", "trillions": "1e12"}
_FLOPS = {"gigaflop": "1e9", "gflop": "1e9", "teraflop": "1e12", "tflop": "1e12", "petaflop": "1e15", "pflop": "1e15"}
_KNOWN: dict[str, tuple[str, ...]] = {
    "N": (
        r"n|n_?total|params?|parameters?", r"(n|num|total|model|count|all)_?(of_?)?param(eter)?s?(_?(count|total))?",
        r"param(eter)?s?_?(count|total|n|num)", r"model_?size|size", r".*non_?emb.*|eff_?params", r".*param.*",
    ),
    "N_a": (r"n_?(a|act|active)|active_?(n|param(eter)?s?)", r".*activ.*param.*|active.*", r"dense_?param.*"),
    "n_experts": (r"(n|num|number_of)_?(routed_?)?experts?|(routed_?)?experts",),
    "D": (r"d|d_?total|tokens?", r"(n|num|train(ing)?|total|seen|data)_?tokens?(_?(seen|trained|total))?",
          r"tokens?_?(seen|trained|total|count).*", r".*tokens?.*"),
    "C": (r"c|flops?|compute", r"(n|num|total|train(ing)?)_?flops?|total_?flos|compute_?budget|flops?_?budget",
          r".*flops?.*|.*compute.*|c_.*"),
    "loss": (r"loss", r"(.*_)?(val|valid|validation|eval|test|final)_?(ce_?)?loss(_?last)?",
             r"loss_(val|valid|validation|eval|test|final)", r".*loss.*",
             r".*(bpb|bits_per_byte|bpc|cross_?entropy)", r".*(ppl|perplexity)"),
    "N_opt": (r"n_?opt(imal)?|optimal_?(n|params|parameters|size|model_?size)", r".*opt.*(n|param).*", r".*param.*"),
    "D_opt": (r"d_?opt(imal)?|t_?opt|optimal_?(d|tokens)", r".*opt.*token.*", r".*tokens?.*"),
    "r_a": (r"r_?a|(activ(e|ation))_?(rate|ratio|share|fraction|param(eter)?_?(ratio|fraction))",),
    "U": (r"u|unique_?tokens?|.*unique.*",),
}  # fmt: skip
"""Our column -> patterns of usual names, from the plainest to the most doubtful."""
_RATIO = re.compile(r".*(per_?param|tokens?_?per|chinchilla_?multiple).*|(.*_)?(d_n|dn|ratio|tpp)(_.*)?")
_PERPLEXITY = re.compile(r".*(ppl|perplexity).*")


def suggestion(ours: str, names: Sequence[str]) -> str | None:
    """Return what `ours` may be in a table with the columns `names`, such as `tokens (B)*1e9`; None without a guess."""
    found = _guess(ours, names)
    if found is not None:
        return found
    if ours == "D" and _guess("N", names):
        ratio = next((name for name in names if _RATIO.fullmatch(_bare(name)[0])), None)
        if ratio:
            return f"{ratio}*N"
        return "C/(6*N)" if _guess("C", names) else None
    if ours == "N" and _guess("C", names) and _guess("D", names):
        return "C/(6*D)"
    if ours == "r_a" and _guess("N_a", names) and _guess("N", names):
        return "N_a/N"
    return None


def line(missing: Iterable[str], names: Sequence[str], given: Mapping[str, str]) -> str:
    """Return `--columns '…'` that names every missing column, with NAME where none can be guessed.

    `given` are the columns that the user named already. A formula that needs further columns of ours,
    such as C/(6*N), brings them along.
    """
    pairs = dict(given)
    wanted = list(missing)
    for ours in wanted:
        pairs[ours] = suggestion(ours, names) or "NAME"
        for other in re.findall(r"\b(?:C|D|N_a|N)\b", pairs[ours]) if pairs[ours] not in names else []:
            if other not in names and other not in wanted and other not in pairs:
                wanted.append(other)
    return columns_flag(pairs)


def columns_flag(pairs: Mapping[str, str]) -> str:
    """Return `--columns N=…,D=…`, quoted for a shell."""
    return f"--columns {shlex.quote(','.join(f'{ours}={theirs}' for ours, theirs in pairs.items()))}"


def is_ratio(name: str) -> bool:
    """Return whether a column is called like tokens per parameter."""
    return bool(_RATIO.fullmatch(_bare(name)[0]))


def is_perplexity(name: str) -> bool:
    """Return whether a column is called like a perplexity."""
    return bool(_PERPLEXITY.fullmatch(_bare(name)[0]))


def _guess(ours: str, names: Sequence[str]) -> str | None:
    """Return the column of the plainest name, times its unit."""
    if ours in names:
        return ours
    for pattern in _KNOWN.get(ours, ()):
        for name in names:
            bare, factor = _bare(name)
            doubtful = ours != "r_a" and (_RATIO.fullmatch(bare) or (ours != "N_a" and bare.startswith("activ")))
            if not doubtful and re.fullmatch(pattern, bare):
                if ours == "loss" and is_perplexity(name):
                    return f"ln({name})"
                return f"{name}*{factor}" if factor else name
    return None


def _bare(name: str) -> tuple[str, str]:
    """Return a name in lower case without group and unit, and the factor of its unit: "params (M)" -> params, 1e6."""
    text = name.strip().lower()
    text = text if re.search(r"[(\[].*/.*[)\]]", text) else re.sub(r"^.*[/]", "", text)
    text = re.sub(r"^(config|summary|params|metrics|data|model)\.(?=.)", "", text)
    factor = next((value for word, value in _FLOPS.items() if word in text), "")
    unit = re.search(r"[\s_]*[(\[](?:in |×|x|\*)?\s*([a-z]+)[^)\]]*[)\]]\s*$|[_\s](?:in_|in )?([a-z]+)$", text)
    word = unit and (unit[1] or unit[2])
    if unit and word in _UNITS:
        factor = factor or _UNITS[word]
        text = text[: unit.start()]
    return re.sub(r"[^a-z0-9]+", "_", text).strip("_"), factor
