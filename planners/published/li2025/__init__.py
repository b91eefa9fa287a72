"""arXiv 2506.12119: runs, ablations, downstream scores. `SOURCE.md` states their source."""

from pathlib import Path

from planners.published.published_runs import PublishedRuns

RUNS = PublishedRuns(
    path=Path(__file__).with_name("li2025_runs.csv"),
    columns={"loss": "bpc"},
    source="tables 9 to 17 of arXiv 2506.12119 v2 (CC-BY-4.0)",
)
