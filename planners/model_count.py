"""Counting a model: its parameters and training FLOPs by part.

print(count_model("config.json"))
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planners.architecture.flops import STORED, flops_by_part, flops_per_token
from planners.architecture.shape import Shape
from planners.formats import Foreign, from_hf
from planners.records.errors import UsageError
from planners.records.files import read_json
from planners.records.json import from_json
from planners.records.notebook_repr import NotebookRepr
from planners.records.quantity import format_quantity
from planners.records.text_table import percentage, text_table

if TYPE_CHECKING:
    from pandas import DataFrame

USUAL_LENGTH = 2048
"""Context length of the FLOPs where the model names none, tokens."""
FOREIGN = {"model_type", "architectures", "hidden_size", "text_config"}
"""Keys of which a Hugging Face configuration has at least one."""
NUMBERS = {
    "N": "all parameters except the vocabulary",
    "N_a": "parameters of N active per token",
    "N_vocab": "embedding and head",
}
RATIOS = {
    "A_e": "share of experts active, the shared one included",
    "mu": "FFN width of an MoE layer / d_model",
    "zeta": "d_model / n_layers",
    "granularity": "d_ff {d_ff} / d_expert {d_expert}",
}
"""Ratios of a shape, each with its meaning."""


@dataclass(frozen=True, kw_only=True, repr=False)
class ModelCount(NotebookRepr):
    """The counts of one model. `str()` of it is what the command prints."""

    name: str
    """What the model was read from."""
    shape: Shape
    """Its architecture."""
    seq_len: int
    """Context length T of the FLOPs, tokens."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences that a reader of the counts should know."""
        return self.shape.notes if isinstance(self.shape, Foreign) else ()

    @property
    def flops_by_part(self) -> dict[str, dict[str, int]]:
        """Training FLOPs per token: convention -> part -> FLOPs."""
        return {name: flops_by_part(self.shape, self.seq_len, name) for name in STORED}

    def as_json(self) -> dict[str, Any]:
        """Return parameters and training FLOPs, in total and by part, and the ratios of the shape."""
        shape, by_part = self.shape, self.flops_by_part
        return {
            "model_type": shape.model_type if isinstance(shape, Foreign) else None,
            "notes": list(self.notes),
            **{name: getattr(shape, name) for name in ("N", "N_a", "N_vocab", "total", "active", "r_a")},
            "parts": shape.parts,
            "active_parts": shape.active_parts,
            **{name: getattr(shape, name) for name in RATIOS},
            "seq_len": self.seq_len,
            "flops_per_token": {name: sum(parts.values()) for name, parts in by_part.items()},
            "flops_by_part": by_part,
        }

    def to_frame(self) -> "DataFrame":
        """Return one part a row: parameters, active parameters, and training FLOPs per token by convention."""
        import pandas as pd

        columns = {"parameters": self.shape.parts, "active": self.shape.active_parts, **self.flops_by_part}
        return pd.DataFrame(columns).fillna(0).astype(int).rename_axis("part").reset_index()

    def __repr__(self) -> str:
        N, N_a = (format_quantity(count) for count in (self.shape.N, self.shape.N_a))
        return f"<ModelCount {self.name}: N={N}, N_a={N_a}, r_a={self.shape.r_a:.3g}>"

    def __str__(self) -> str:
        flops = text_table(("part", *STORED), _flop_rows(self))
        parts = [
            f"{self.name}: {_architecture(self.shape)}",
            text_table(("part", "parameters", "share", "active", "share"), _part_rows(self.shape)),
            text_table(("", "value", "meaning"), _number_rows(self.shape)),
            f"FLOPs per token of training, T = {self.seq_len}",
            flops,
            *(f"note: {note}" for note in self.notes),
        ]
        return "\n\n".join(parts)


def count_model(
    model: "Shape | Mapping[str, Any] | str | os.PathLike[str]", *, seq_len: int | None = None
) -> ModelCount:
    """Return the counts of `model` at a context of `seq_len` tokens.

    `model` is a Shape, or a JSON file or its content: a shape, a run (spec.json), or a Hugging Face model
    (config.json). `seq_len` is by default that of the run, else 2048 or the positions that the model has learned.
    Raises UsageError that names the file if it describes no model, and for a context beyond the learned positions.

    >>> count_model({"model_type": "mixtral"})
    <ModelCount model: N=46.4B, N_a=12.6B, r_a=0.272>
    """
    if isinstance(model, Shape):
        name, shape, usual = "shape", model, None
    elif isinstance(model, Mapping):
        name = "model"
        shape, usual = _read(model)
    else:
        name = str(Path(model))
        data = read_json(Path(model))
        if not isinstance(data, dict):
            raise UsageError(f"{name} holds no JSON object, so no model")
        try:
            shape, usual = _read(data)
        except UsageError as error:
            raise UsageError(f"{name}: {error}") from error
    length = seq_len or usual or min(shape.max_positions or USUAL_LENGTH, USUAL_LENGTH)
    if shape.max_positions and length > shape.max_positions:
        raise UsageError(
            f"a context of {length} tokens is beyond the {shape.max_positions} positions that the model has learned;"
            " give a shorter --seq-len"
        )
    return ModelCount(name=name, shape=shape, seq_len=length)


def _read(data: Mapping[str, Any]) -> tuple[Shape, int | None]:
    """Return the shape that `data` describes, and the context length of a run."""
    if "shape" not in data and FOREIGN & data.keys():
        return from_hf(data), None
    if "shape" not in data and not data.keys() >= {"d_model", "n_layers", "d_ff"}:
        found = f"its keys are {', '.join(list(data)[:6])[:80]}" if data else "it is empty"
        raise UsageError(f"{found}: no model_type of a Hugging Face config.json, no shape and no run of this toolkit")
    length = data.get("seq_len") if "shape" in data else None
    shape = from_json(Shape, data.get("shape", data), "shape")
    return shape, length if type(length) is int and length > 0 else None


def _architecture(shape: Shape) -> str:
    """Return the architecture in one line."""
    family = shape.model_type if isinstance(shape, Foreign) else "a shape"
    grouped = f" ({shape.n_kv_heads} for keys and values)" if shape.n_kv_heads != shape.n_heads else ""
    text = f"{family}, {shape.n_layers} layers, d_model {shape.d_model}, {shape.n_heads} heads{grouped}"
    if shape.n_moe_layers < shape.n_layers:
        text += f", d_ff {shape.d_ff}"
    if shape.is_dense:
        return text
    shared = f", d_shared {shape.d_shared}" if shape.d_shared else ""
    experts = f"{shape.n_experts} experts in {shape.n_moe_layers} layers, top-{shape.top_k}"
    return f"{text}, {experts}, d_expert {shape.d_expert}{shared}"


def _part_rows(shape: Shape) -> list[list[str]]:
    """Return one row for each part that the model has, and their sum."""
    rows = [(part, count, shape.active_parts[part]) for part, count in shape.parts.items() if count]
    rows.append(("total", shape.total, shape.active))
    return [
        [part, f"{count:,}", percentage(count / shape.total), f"{active:,}", percentage(active / shape.active)]
        for part, count, active in rows
    ]


def _number_rows(shape: Shape) -> list[list[str]]:
    """Return one row for each count and ratio that this model has, with its meaning."""
    rows = [[name, format_quantity(getattr(shape, name), 4), meaning] for name, meaning in NUMBERS.items()]
    rows.append(["r_a", f"{shape.r_a:.4f}", "activation rate N_a / N"])
    ratios = ((name, getattr(shape, name), meaning) for name, meaning in RATIOS.items())
    return rows + [
        [name, f"{value:.4g}", meaning.format(**vars(shape))] for name, value, meaning in ratios if value is not None
    ]


def _flop_rows(count: ModelCount) -> list[list[str]]:
    """Return one row for each part that costs FLOPs, their sum, and the forward pass alone."""
    columns = list(count.flops_by_part.values())
    rows = {part: [column[part] for column in columns] for part in columns[0]}
    rows = {part: row for part, row in rows.items() if any(row)}
    rows["training"] = [sum(column.values()) for column in columns]
    rows["forward"] = [flops_per_token(count.shape, count.seq_len, name, forward=True) for name in STORED]
    return [[part, *(format_quantity(number, 4) for number in row)] for part, row in rows.items()]
