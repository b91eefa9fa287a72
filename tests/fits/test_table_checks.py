"""Each check fires with its evidence on a table made to trigger it, and is silent on a clean one."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fits.runs.table import Dropped, RunTable, from_records
from fits.table_checks import CHECKS, Check, Need, check_table
from planners.published import published

SURFACE = Need(columns=("N", "D"), parameters=5)
CURVE = Need(columns=("r_a",), parameters=3)


def surface(**columns: Any) -> RunTable:
    """Return 20 runs on a grid of N and D, clean for a law of five parameters."""
    grid = [(N, D) for N in (1e7, 3e7, 1e8, 3e8) for D in (2e8, 6e8, 2e9, 6e9, 2e10)]
    rows = [
        {"run_id": f"r{at}", "N": N, "D": D, "loss": 2 + 400 / N**0.34 + 400 / D**0.28, "N_vocab": 1e6}
        for at, (N, D) in enumerate(grid)
    ]
    return from_records([{**row, **{name: value(row) for name, value in columns.items()}} for row in rows])


def arms(change: Callable[[dict[str, Any]], dict[str, Any]] = lambda row: row) -> RunTable:
    """Return seven MoE arms and a dense one of 1e8 parameters at one budget, clean for a curve."""
    rows = []
    for rate in (0.05, 0.08, 0.12, 0.2, 0.3, 0.45, 0.6, 1.0):
        dense = rate == 1
        D = 2e9 / rate
        rows.append(
            {
                "run_id": f"r{rate}", "N": 1e8, "r_a": rate, "D": D, "C": 1.2e18,
                "n_experts": 0 if dense else 64, "d_expert": 0 if dense else 128, "recipe": "step-law", "N_vocab": 1e6,
                "lr": 1e-3 * D**0.307, "batch_tokens": D**0.571,
                "loss": 3 + 0.1 * np.log(rate / 0.2) ** 2 + 0.2 * dense,
            }
        )  # fmt: skip
    return from_records([change(row) for row in rows])


def seeds(sds: dict[float, float], lost: int = 0) -> RunTable:
    """Return six seeds of each rate, with the SD of its noise; `lost` runs of the lowest rate diverged."""
    random = np.random.default_rng(3)
    rows = [
        {"r_a": rate, "seed": seed, "state": "done", "loss": 3 + abs(np.log(rate / 0.2)) + random.normal(0, sd)}
        for rate, sd in sds.items()
        for seed in range(6)
    ]
    return from_records(
        [row | ({"state": "diverged", "loss": None} if at < lost else {}) for at, row in enumerate(rows)]
    )


def verdicts(table: RunTable, need: Need) -> dict[str, Check]:
    return {check.name: check for check in check_table(table, need)}


def only_dense(**changes: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda row: row | (changes if row["n_experts"] == 0 else {})


def test_clean_tables_pass_every_check():
    for table, need in ((surface(), SURFACE), (arms(), CURVE)):
        found = verdicts(table, need)
        assert [check for check in found.values() if check.verdict != "ok"] == []
    on_surface, on_curve = verdicts(surface(), SURFACE), verdicts(arms(), CURVE)
    assert set(on_surface) | set(on_curve) >= set(CHECKS) - {"rows left out", "equal noise", "diverged runs"}


TRIGGERS: dict[str, tuple[str, RunTable, Need, str]] = {
    "collinear": (
        "collinear N and D", surface(D=lambda row: row["N"] ** 1.1), SURFACE, "correlation 1.00",
    ),
    "constant N": ("collinear N and D", surface(N=lambda row: 1e8), SURFACE, "N is the same"),
    "one ratio": ("tokens per parameter", surface(D=lambda row: 20 * row["N"]), SURFACE, "from 20 to 20"),
    "few runs": ("runs for the parameters", surface().only(np.arange(20) < 8), SURFACE, "8 different points for 5"),
    "few rates": ("runs for the parameters", arms().only(np.arange(8) < 4), CURVE, "4 different rates for 3"),
    "lr of dense": (
        "learning rate and batch",
        arms(lambda row: row | {"recipe": None, "lr": row["lr"] / (2 if row["n_experts"] == 0 else 1)}),
        CURVE, "MoE 2.00 times dense",
    ),
    "batch": (
        "learning rate and batch",
        arms(lambda row: row | {"recipe": None, "batch_tokens": row["batch_tokens"] * (3 if row["r_a"] < 0.1 else 1)}),
        CURVE, "batch_tokens varies 3.00-fold",
    ),
    "granularity": (
        "granularity",
        arms(lambda row: row | {"d_expert": row["d_expert"] * (8 if row["r_a"] == 0.3 else 1)}),
        CURVE, "128 to 1024",
    ),
    "checkpoints": (
        "checkpoints as runs", surface(run_id=lambda row: f"n{row['N']:g}"), SURFACE, "4 of 4 runs occur at several D",
    ),
    "oversized dense": ("dense baseline", arms(only_dense(D=5e8)), CURVE, "5 tokens per parameter"),
    "unmatched dense": ("dense baseline", arms(only_dense(N=3e8)), CURVE, "No dense arm has the N"),
    "edge": ("grid brackets the minimum", arms(lambda row: row | {"loss": 3 + row["r_a"]}), CURVE, "low end"),
    "noise": ("equal noise", seeds({0.1: 0.001, 0.2: 0.03, 0.4: 0.001}), CURVE, "Bartlett p = "),
    "diverged": ("diverged runs", seeds({0.1: 0.01, 0.2: 0.01, 0.4: 0.01}, lost=2), CURVE, "2 of 6 runs at r_a 0.1"),
    "outliers": (
        "rows left out",
        replace(surface(), dropped=(Dropped(row=3, reason="left out by loss<4", by="loss"),)),
        SURFACE, "loss<4",
    ),
    "embeddings": ("embedding convention", surface(N_vocab=lambda row: None), SURFACE, "It is unknown"),
}  # fmt: skip


@pytest.mark.parametrize(("name", "table", "need", "evidence"), TRIGGERS.values(), ids=TRIGGERS)
def test_each_check_warns_on_a_table_made_for_it(name: str, table: RunTable, need: Need, evidence: str) -> None:
    found = verdicts(table, need)[name]
    assert found.verdict == "warn"
    assert evidence in found.evidence


def test_every_check_has_a_table_that_triggers_it():
    assert {trigger[0] for trigger in TRIGGERS.values()} == set(CHECKS)


def test_a_better_dense_arm_of_another_size_is_named():
    rows = arms().frame.to_dict("records")
    rival = next(row for row in rows if row["n_experts"] == 0) | {"run_id": "small", "N": 3e7, "D": 7e9, "loss": 3.05}
    found = verdicts(from_records([*rows, rival]), CURVE)["dense baseline"]
    assert found.verdict == "warn"
    assert "N = 30M is" in found.evidence


def test_rows_left_out_by_another_column_than_the_loss_pass():
    table = replace(surface(), dropped=(Dropped(row=3, reason="left out by C>1e17", by="C"),))
    assert verdicts(table, SURFACE)["rows left out"].verdict == "ok"


def test_the_tables_of_2506_12119_warn_of_what_its_text_does_not_mention():
    """By the rule its 2B MoE runs have twice the learning rate of the dense runs; its E = 8 rows are coarse."""
    import pandas as pd

    frame = pd.read_csv(published("li2025").path)
    fixed = frame[(frame["scale"] == "2B") & frame["table"].isin([10, 13])].rename(columns={"bpc": "loss"})
    fixed = fixed[(fixed["table"] == 10) | (fixed["arm"] == "dense_C1")]
    found = verdicts(from_records(fixed), CURVE)
    assert {name for name, check in found.items() if check.verdict == "warn"} == {
        "learning rate and batch",
        "granularity",
    }
    assert "MoE 2.0" in found["learning rate and batch"].evidence


def test_a_curve_over_top_k_is_checked_on_top_k():
    ks = [{"r_a": 0.2, "top_k": k, "n_experts": 64, "loss": 3 + np.log(k / 4) ** 2} for k in (1, 2, 3, 4, 8, 16)]
    found = verdicts(from_records(ks), Need(columns=("top_k",), parameters=3))
    assert {check.verdict for check in found.values()} == {"ok"}
    assert "6 different values of top_k" in found["runs for the parameters"].evidence
    found = verdicts(from_records(ks[:4]), Need(columns=("top_k",), parameters=3))
    assert "high end of the sampled top_k" in found["grid brackets the minimum"].evidence


def test_a_bad_cell_that_only_a_check_reads_does_not_stop_the_fit():
    table = surface(lr=lambda row: 0.0 if row["run_id"] == "r3" else 1e-3)
    check = verdicts(table, SURFACE)["learning rate and batch"]
    assert check.verdict == "warn"
    assert "Not checked: row 4 of table: lr is 0.0" in check.evidence


def test_equal_noise_and_no_divergence_pass():
    found = verdicts(seeds({0.1: 0.01, 0.2: 0.01, 0.4: 0.01}), CURVE)
    assert found["equal noise"].verdict == "ok"
    assert "diverged runs" not in found


def test_brackets_are_judged_by_series_and_only_at_equal_C():
    equal_D = arms(lambda row: row | {"D": 2e9, "C": 1.2e19 * row["r_a"], "loss": 4 - row["r_a"]})
    assert "grid brackets the minimum" not in verdicts(equal_D, CURVE)
    high = arms(lambda row: row | {"C": 1.2e19, "loss": 4 - row["r_a"]})
    both = from_records([*arms().frame.to_dict("records"), *high.frame.to_dict("records")])
    assert "C = 1.2e19 FLOPs) at the high end" in verdicts(both, CURVE)["grid brackets the minimum"].evidence
