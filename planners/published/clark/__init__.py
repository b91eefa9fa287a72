"""arXiv 2202.01169: runs of routed language models. `SOURCE.md` states their source."""

from pathlib import Path

from planners.published.published_runs import PublishedRuns

RUNS = PublishedRuns(
    path=Path(__file__).with_name("clark_runs.csv"),
    columns={
        "N": "total_parameter_count",
        "N_a": "dense_parameter_count",
        "n_experts": "num_experts",
        "top_k": "k",
        "loss": "loss_validation",
    },
    source="runs of arXiv 2202.01169, google-deepmind/scaling_laws_for_routing 42da0c39, CC-BY-4.0",
)
