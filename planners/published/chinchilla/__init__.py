"""arXiv 2203.15556: 234 runs, read off its figure 4. `SOURCE.md` states their source."""

from pathlib import Path

from planners.published.published_runs import PublishedRuns

RUNS = PublishedRuns(
    path=Path(__file__).with_name("chinchilla_runs.csv"),
    columns={"N": "n_params", "D": "n_tokens", "C": "flops"},
    source="read off Fig. 4 of arXiv 2203.15556 by kyo-takano/chinchilla 75e5858f, Apache-2.0",
)
