"""arXiv 2305.16264: runs on repeated data. `SOURCE.md` states their source."""

from pathlib import Path

from planners.published.published_runs import PublishedRuns

RUNS = PublishedRuns(
    path=Path(__file__).with_name("muennighoff_runs.csv"),
    columns={"run_id": "run", "N": "n_params", "D": "n_tokens", "U": "unique_tokens"},
    source="runs of arXiv 2305.16264, huggingface/datablations 13701315, Apache-2.0",
)
