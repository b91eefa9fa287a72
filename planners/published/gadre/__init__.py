"""arXiv 2403.08540: over-trained models. `SOURCE.md` states their source."""

from pathlib import Path

from planners.published.published_runs import PublishedRuns

RUNS = PublishedRuns(
    path=Path(__file__).with_name("gadre_runs.csv"),
    columns={"N": "n_params", "D": "n_tokens", "loss": "loss_c4_val"},
    source="runs of arXiv 2403.08540, mlfoundations/scaling a003c491, MIT",
)
