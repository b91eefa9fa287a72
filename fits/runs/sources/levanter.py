"""Levanter (and Marin) in Weights & Biases: the metrics of a run."""

from fits.runs.sources.source import Source

SOURCE = Source(
    what="runs of Levanter",
    columns={
        "N": ("parameter_count",),
        "D": ("throughput/total_tokens",),
        "C": ("throughput/total_gflops*1e9",),
        "loss": ("eval/loss", "eval/paloma/macro_loss", "train/loss"),
    },
    marks=("throughput/total_tokens", "throughput/total_gflops"),
    training=("train/loss",),
)
