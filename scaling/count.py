"""python -m scaling.count config.json --seq-len 4096

Count a model's parameters and FLOPs by part: one of our shapes, or the config.json of a Hugging Face model.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from planners import Shape, UsageError, flops_by_part, flops_per_token
from planners.architecture.flops import STORED
from planners.formats import Foreign, from_hf
from planners.records.files import read_json
from planners.records.json import from_json
from planners.records.quantity import format_quantity, parse_count
from scaling import cli

EXAMPLE = "python -m scaling.count config.json --seq-len 4096"
USUAL_LENGTH = 2048


def arguments() -> cli.Parser:
    """Return the parser of this command."""
    parser = cli.parser("count", EXAMPLE)
    parser.add_argument("file", help="JSON of a shape, of a run (spec.json), or of a Hugging Face model (config.json)")
    parser.add_argument(
        "--seq-len",
        metavar="T",
        help=f"context length of the FLOPs (default: the run's, else {USUAL_LENGTH} or the learned positions)",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return cli.run(act, arguments(), argv)


def act(flags: cli.Flags) -> int:
    """Read the file, count, and show."""
    shape, usual = read(Path(flags.file))
    seq_len = usual if flags.seq_len is None else parse_count(flags.seq_len, "--seq-len")
    if shape.max_positions and seq_len > shape.max_positions:
        raise UsageError(
            f"--seq-len {seq_len} is beyond the {shape.max_positions} positions that the model has learned"
        )
    if flags.json:
        cli.print_json(counts(shape, seq_len))
    else:
        show(shape, seq_len, flags.file)
    return cli.DONE


def read(path: Path) -> tuple[Shape, int]:
    """Return the shape that the file holds and the usual context length of its FLOPs.

    Raises UsageError that names the file where it holds none.
    """
    data = read_json(path)
    if not isinstance(data, dict):
        raise UsageError(f"{path} holds no JSON object, so no model")
    try:
        if "model_type" in data:
            shape: Shape = from_hf(data)
        elif "shape" in data or "d_model" in data:
            shape = from_json(Shape, data.get("shape", data), "shape")
        else:
            raise UsageError("no model_type (Hugging Face), no shape (a run) and no d_model (a shape) is in it")
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error
    usual = min(shape.max_positions or USUAL_LENGTH, USUAL_LENGTH)
    of_run = data.get("seq_len") if "shape" in data else None
    return shape, of_run if type(of_run) is int and of_run > 0 else usual


def counts(shape: Shape, seq_len: int) -> dict[str, Any]:
    """Return the object of --json; FLOPs are those of training."""
    by_part = {name: flops_by_part(shape, seq_len, name) for name in STORED}
    return {
        **{name: getattr(shape, name) for name in ("N", "N_a", "N_vocab", "total", "active", "r_a")},
        "parts": shape.parts,
        "active_parts": shape.active_parts,
        **{name: getattr(shape, name) for name in RATIOS},
        "seq_len": seq_len,
        "flops_per_token": {name: sum(parts.values()) for name, parts in by_part.items()},
        "flops_by_part": by_part,
    }


RATIOS = {
    "A_e": "share of experts active, the shared one included",
    "mu": "FFN width of an MoE layer / d_model",
    "zeta": "d_model / n_layers",
    "granularity": "d_ff {d_ff} / d_expert {d_expert}",
}


def show(shape: Shape, seq_len: int, name: str) -> None:
    """Print parameters by part, the numbers that follow from them, and FLOPs by part."""
    print(f"{name}: {describe(shape)}\n")
    print(cli.table(("part", "parameters", "share", "active", "share"), _part_rows(shape)))
    print(f"\n{cli.table(('', 'value', 'meaning'), _number_rows(shape))}")
    print(f"\nFLOPs per token of training, T = {seq_len}\n")
    print(cli.table(("part", *STORED), _flop_rows(shape, seq_len)))
    for note in shape.notes if isinstance(shape, Foreign) else ():
        print(f"\nnote: {note}")


def describe(shape: Shape) -> str:
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
    """Return a row a part that the model has, and their sum."""
    rows = [(part, count, shape.active_parts[part]) for part, count in shape.parts.items() if count]
    rows.append(("total", shape.total, shape.active))
    return [
        [part, f"{count:,}", f"{count / shape.total:.1%}", f"{active:,}", f"{active / shape.active:.1%}"]
        for part, count, active in rows
    ]


def _number_rows(shape: Shape) -> list[list[str]]:
    """Return a row a number of the house's vocabulary that this model has."""
    parameters = {
        "N": "all but the vocabulary",
        "N_a": "active among them",
        "N_vocab": "embedding and head",
    }
    rows = [[name, format_quantity(getattr(shape, name), 4), meaning] for name, meaning in parameters.items()]
    rows.append(["r_a", f"{shape.r_a:.4f}", "activation rate N_a / N"])
    ratios = ((name, getattr(shape, name), meaning) for name, meaning in RATIOS.items())
    return rows + [
        [name, f"{value:.4g}", meaning.format(**vars(shape))] for name, value, meaning in ratios if value is not None
    ]


def _flop_rows(shape: Shape, seq_len: int) -> list[list[str]]:
    """Return a row a part that costs any, their sum, and that of the forward pass alone."""
    columns = [flops_by_part(shape, seq_len, name) for name in STORED]
    rows = {part: [column[part] for column in columns] for part in columns[0]}
    rows = {part: row for part, row in rows.items() if any(row)}
    rows["training"] = [sum(column.values()) for column in columns]
    rows["forward"] = [flops_per_token(shape, seq_len, name, forward=True) for name in STORED]
    return [[part, *(format_quantity(count, 4) for count in row)] for part, row in rows.items()]


if __name__ == "__main__":
    sys.exit(main())
