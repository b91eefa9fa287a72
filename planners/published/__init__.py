"""Run tables that papers or their readers published: a folder for each paper, with its rows and their `SOURCE.md`.

published("chinchilla_kyotakano234").path
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from planners.records.registry import look_up

HERE = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class PublishedRuns:
    """One published table, and the names of its columns."""

    path: Path
    """The CSV file, in the folder of its paper."""
    columns: Mapping[str, str]
    """Our column name -> the table's, for the columns with another name."""
    source: str
    """Who published the numbers, in which paper or repository, under which licence."""


PUBLISHED: Mapping[str, PublishedRuns] = {
    "chinchilla_kyotakano234": PublishedRuns(
        path=HERE / "chinchilla" / "chinchilla_runs.csv",
        columns={"N": "n_params", "D": "n_tokens", "C": "flops"},
        source="read off Fig. 4 of arXiv 2203.15556 by kyo-takano/chinchilla 75e5858f, Apache-2.0",
    ),
    "clark2022_routed": PublishedRuns(
        path=HERE / "clark" / "clark_runs.csv",
        columns={
            "N": "total_parameter_count",
            "N_a": "dense_parameter_count",
            "n_experts": "num_experts",
            "top_k": "k",
            "loss": "loss_validation",
        },
        source="runs of arXiv 2202.01169, google-deepmind/scaling_laws_for_routing 42da0c39, CC-BY-4.0",
    ),
    "gadre2024_overtraining": PublishedRuns(
        path=HERE / "gadre" / "gadre_runs.csv",
        columns={"N": "n_params", "D": "n_tokens", "loss": "loss_c4_val"},
        source="runs of arXiv 2403.08540, mlfoundations/scaling a003c491, MIT",
    ),
    "muennighoff2023_reuse": PublishedRuns(
        path=HERE / "muennighoff" / "muennighoff_runs.csv",
        columns={"run_id": "run", "N": "n_params", "D": "n_tokens", "U": "unique_tokens"},
        source="runs of arXiv 2305.16264, huggingface/datablations 13701315, Apache-2.0",
    ),
    "porian2024_isoflop": PublishedRuns(
        path=HERE / "porian" / "porian_isoflop.csv",
        columns={"N": "n_params", "D": "n_tokens", "C": "flops"},
        source="runs of arXiv 2406.19146, formll/resolving-scaling-law-discrepancies 0dc60d91, MIT",
    ),
    "porian2024_optimal_pairs": PublishedRuns(
        path=HERE / "porian" / "porian_optimal_pairs.csv",
        columns={"N_opt": "n_opt", "D_opt": "t_opt", "C": "flops", "loss": "loss_opt"},
        source="optima of arXiv 2406.19146, formll/resolving-scaling-law-discrepancies 0dc60d91, MIT",
    ),
    "li2025": PublishedRuns(
        path=HERE / "li2025" / "li2025_runs.csv",
        columns={"loss": "bpc"},
        source="tables 9 to 17 of arXiv 2506.12119 v2 (CC-BY-4.0)",
    ),
}
"""Name of a table -> its file, columns and source."""


def published(name: str) -> PublishedRuns:
    """Return the published table `name`. Raises UsageError that lists the known names."""
    return look_up(PUBLISHED, name, "published run table")
