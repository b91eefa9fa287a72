"""arXiv 2406.19146: isoFLOP runs and their optima. `SOURCE.md` states their source."""

from pathlib import Path

from planners.published.published_runs import PublishedRuns

ISOFLOP = PublishedRuns(
    path=Path(__file__).with_name("porian_isoflop.csv"),
    columns={"N": "n_params", "D": "n_tokens", "C": "flops"},
    source="runs of arXiv 2406.19146, formll/resolving-scaling-law-discrepancies 0dc60d91, MIT",
)
OPTIMAL_PAIRS = PublishedRuns(
    path=Path(__file__).with_name("porian_optimal_pairs.csv"),
    columns={"N_opt": "n_opt", "D_opt": "t_opt", "C": "flops", "loss": "loss_opt"},
    source="optima of arXiv 2406.19146, formll/resolving-scaling-law-discrepancies 0dc60d91, MIT",
)
