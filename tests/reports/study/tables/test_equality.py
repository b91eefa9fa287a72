"""The table of equality holds targets, actual values and their differences."""

from planners import Study
from reports.study.evidence import read_evidence
from reports.study.tables import make_tables


def test_ledger_is_target_actual_and_residual(smoke: Study) -> None:
    ledger = make_tables(read_evidence(smoke))["equality"]
    row = dict(zip((column.name for column in ledger.columns), ledger.rows[1], strict=True))
    assert (row["arm"], row["N_target"], row["N"]) == ("K1", 296000.0, 296864)
    assert row["N_residual"] == 296864 / 296000 - 1
    assert row["r_a_target"] is None
    assert row["r_a_residual"] is None
    assert row["C"] == 255616 * 391296
