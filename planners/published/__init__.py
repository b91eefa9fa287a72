"""Run tables that papers or their readers published, as CSV beside this file; SOURCES.md says where each is from.

published("chinchilla_kyotakano234").path
"""

from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from planners.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class PublishedRuns:
    """One published table and how its columns are called here."""

    name: str
    """How it is asked for."""
    file: str
    """File name of the CSV beside this module."""
    columns: MappingProxyType[str, str]
    """Our column name -> the table's, for the columns that are named differently."""
    source: str
    """Who published the numbers, in which paper or repository, under which licence."""

    @property
    def path(self) -> Path:
        """The CSV file."""
        return Path(__file__).parent / self.file


PUBLISHED = MappingProxyType(
    {
        runs.name: runs
        for runs in (
            PublishedRuns(
                name="chinchilla_kyotakano234",
                file="chinchilla_kyotakano234.csv",
                columns=MappingProxyType({"N": "n_params", "D": "n_tokens", "C": "flops"}),
                source="read off Fig. 4 of arXiv 2203.15556 by kyo-takano/chinchilla 75e5858f, Apache-2.0",
            ),
            PublishedRuns(
                name="clark2022_routed",
                file="clark2022_routed.csv",
                columns=MappingProxyType(
                    {
                        "N": "total_parameter_count",
                        "N_a": "dense_parameter_count",
                        "n_experts": "num_experts",
                        "top_k": "k",
                        "loss": "loss_validation",
                    }
                ),
                source="runs of arXiv 2202.01169, google-deepmind/scaling_laws_for_routing 42da0c39, CC-BY-4.0",
            ),
            PublishedRuns(
                name="gadre2024_overtraining",
                file="gadre2024_overtraining.csv",
                columns=MappingProxyType({"N": "n_params", "D": "n_tokens", "loss": "loss_c4_val"}),
                source="runs of arXiv 2403.08540, mlfoundations/scaling a003c491, MIT",
            ),
            PublishedRuns(
                name="muennighoff2023_reuse",
                file="muennighoff2023_reuse.csv",
                columns=MappingProxyType({"run_id": "run", "N": "n_params", "D": "n_tokens", "U": "unique_tokens"}),
                source="runs of arXiv 2305.16264, huggingface/datablations 13701315, Apache-2.0",
            ),
            PublishedRuns(
                name="porian2024_isoflop",
                file="porian2024_isoflop.csv",
                columns=MappingProxyType({"N": "n_params", "D": "n_tokens", "C": "flops"}),
                source="runs of arXiv 2406.19146, formll/resolving-scaling-law-discrepancies 0dc60d91, MIT",
            ),
            PublishedRuns(
                name="porian2024_optimal_pairs",
                file="porian2024_optimal_pairs.csv",
                columns=MappingProxyType({"N_opt": "n_opt", "D_opt": "t_opt", "C": "flops", "loss": "loss_opt"}),
                source="optima of arXiv 2406.19146, formll/resolving-scaling-law-discrepancies 0dc60d91, MIT",
            ),
            PublishedRuns(
                name="li2025",
                file="li2025_runs.csv",
                columns=MappingProxyType({"loss": "bpc"}),
                source="tables 9 to 17 of arXiv 2506.12119 v2 (CC-BY-4.0)",
            ),
        )
    }
)


def published(name: str) -> PublishedRuns:
    """Return the published table `name`. Raises UsageError that lists the known names."""
    if name not in PUBLISHED:
        raise UsageError(f"no published run table is called {name!r}; known: {', '.join(PUBLISHED)}")
    return PUBLISHED[name]
