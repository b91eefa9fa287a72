"""The vocabulary of table columns: the quantities that several tables show, and short ways to make other columns.

>>> [column.name for column in (ARM, RATE, *estimate(LOSS))]
['arm', 'r_a', 'loss', 'lo', 'hi']
"""

from collections.abc import Callable
from typing import Any

from planners.records.quantity import format_quantity
from reports.page.number_text import fixed, flops, general, percent, whole
from reports.page.table import Column

Show = Callable[[Any], str]
"""Writes a value for people."""
THREE = general(3)
"""Three significant digits, which is enough for most numbers of a table."""


def text(name: str, head: str = "") -> Column:
    """Return a column of text. `name` is its header in the CSV, and its heading where `head` is empty."""
    return Column(name=name, head=head or name, text=True)


def number(name: str, head: str = "", show: Show = str, unit: str = "") -> Column:
    """Return a column of numbers that `show` writes for people. `name` is its header in the CSV.

    >>> number("lr", "peak lr", general(3)).show(0.00123456)
    '0.00123'
    """
    return Column(name=name, head=head or name, show=show, unit=unit)


def interval(of: str = "", show: Show = THREE) -> tuple[Column, Column]:
    """Return the columns of the two ends of a 95 % interval: `of`_lo and `of`_hi, or lo and hi where `of` is empty.

    >>> [(column.name, column.head) for column in interval("ratio")]
    [('ratio_lo', '95 % low'), ('ratio_hi', '95 % high')]
    """
    prefix = f"{of}_" if of else ""
    return number(f"{prefix}lo", "95 % low", show), number(f"{prefix}hi", "95 % high", show)


def estimate(column: Column, of: str = "") -> tuple[Column, Column, Column]:
    """Return `column` and the two ends of its 95 % interval, written alike. `of` is the prefix of their names."""
    return column, *interval(of, column.show)


ARM = text("arm")
FIT = text("fit")
LAW = text("law")
CURVE = text("curve")
SERIES = text("series", "runs of")
STATUS = text("status")
VERDICT = text("verdict")

SEED = number("seed")
COUNT = number("n")
RUNS = number("n", "runs")
SEEDS = number("n", "seeds")
DOF = number("dof")
P = number("p", "p", general(2))
RESIDUAL_SD = number("residual_sd", "residual SD", THREE)

N = number("N", "N", format_quantity)
N_A = number("N_a", "N_a", format_quantity)
RATE = number("r_a", "r_a", percent)
TOP_K = number("top_k", "K")
D = number("D", "D", format_quantity, "tokens")
U = number("U", "U", format_quantity, "tokens")
EPOCHS = number("epochs", "D/U", THREE, "epochs")
TOKENS_PER_PARAMETER = number("tokens_per_parameter", "D/N", THREE)
FLOPS = number("C", "C", flops, "FLOPs")
LR = number("lr", "lr", THREE)
BATCH = number("batch_tokens", "batch", whole, "tokens")
STEPS = number("steps", "steps", whole)

LOSS = number("loss", "loss", fixed(4), "nats/token")
BPB = number("bpb", "bpb", fixed(4), "bits/byte")
