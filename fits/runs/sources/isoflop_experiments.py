"""The data set of open-athena/isoflop-experiments, one run a row."""

from fits.runs.sources.source import Source

SOURCE = Source(
    what="the data set isoflop-experiments",
    columns={"N": ("params",), "D": ("tokens",), "loss": ("loss",)},
    marks=("experiment", "params", "tokens", "loss"),
)
