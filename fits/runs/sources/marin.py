"""Marin's tables of a sweep, one run a row (Open-Athena/MarinFold#31)."""

from fits.runs.sources.source import Source

SOURCE = Source(
    what="a sweep of Marin",
    columns={
        "run_id": ("run_id",),
        "N": ("parameter_count", "params_planned"),
        "D": ("total_tokens", "tokens_planned"),
        "C": ("total_gflops*1e9", "achieved_flops", "budget"),
        "loss": ("cd_val_loss",),
        "state": ("run_state",),
    },
    marks=("parameter_count", "total_tokens", "total_gflops"),
)
