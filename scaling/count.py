"""python -m scaling.count config.json --seq-len 4096

Count a model's parameters and FLOPs by part: one of our shapes, or the config.json of a Hugging Face model.
"""

import sys

from planners.model_count import USUAL_LENGTH, count_model
from planners.records.quantity import parse_count
from scaling import cli

EXAMPLE = "python -m scaling.count config.json --seq-len 4096"


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


def act(flags: cli.Flags) -> int:
    """Read the file, count, and show."""
    seq_len = None if flags.seq_len is None else parse_count(flags.seq_len, "--seq-len")
    count = count_model(flags.file, seq_len=seq_len)
    if flags.json:
        cli.print_json(count.as_json())
    cli.say(str(count), flags)
    return cli.DONE


if __name__ == "__main__":
    sys.exit(cli.run(act, arguments()))
