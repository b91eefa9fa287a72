"""The table of runs in memory: what is missing, what is impossible, budgets, conditions and what laws read."""

import numpy as np
import pytest

from fits import from_records
from planners.records.errors import UsageError


def assert_refused(action, *words):
    """Assert that `action` raises one sentence that holds every word, and return it."""
    with pytest.raises(UsageError) as caught:
        action()
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message, f"{word!r} not in {message!r}"
    return message


def test_a_study_without_a_finished_run_is_an_empty_table():
    table = from_records([{"state": "failed", "loss": None, "r_a": 0.1}])
    assert len(table) == 0
    assert len(table.dropped) == 1


def test_zero_is_a_number_where_it_is_allowed():
    table = from_records([{"loss": 3.0, "n_experts": 0}])
    assert table.numbers("n_experts", zero=True).tolist() == [0]
    assert_refused(lambda: table.numbers("n_experts"), "n_experts is 0")


def test_rows_that_are_not_mappings_are_refused():
    assert_refused(lambda: from_records([[1, 2]]), "columns and values")
    assert_refused(lambda: from_records([]), "no runs")


def test_hashes_stay_text():
    table = from_records([{"run_id": "001200", "loss": 1}, {"run_id": "12e400", "loss": 1}])
    assert table.frame["run_id"].tolist() == ["001200", "12e400"]


def test_budgets_are_split_by_gaps_and_keep_every_row():
    budgets = [3e18, 1.00e18, 1.04e18, 2.95e18, 1e19, 1.08e18]
    rows = [{"C": C, "loss": 3.0} for C in budgets] + [{"C": 9e18, "loss": None}, {"loss": None}]
    parts = from_records(rows).by_budget()
    assert [sorted(part.numbers("C")) for part in parts.values()] == [[1e18, 1.04e18, 1.08e18], [2.95e18, 3e18], [1e19]]
    assert list(parts) == [1.04e18, pytest.approx(2.975e18), 1e19]
    assert [[one.row for one in part.dropped] for part in parts.values()] == [[8], [8], [7, 8]]


@pytest.mark.parametrize(("ratio", "parts"), [(1.04, 1), (1.06, 2)])
def test_a_gap_of_more_than_five_per_cent_separates_two_budgets(ratio, parts):
    table = from_records([{"C": 1e18, "loss": 3.0}, {"C": ratio * 1e18, "loss": 2.9}])
    assert len(table.by_budget()) == parts
    assert len(table.by_budget(tolerance=0.1)) == 1


def test_budgets_need_their_column():
    assert_refused(lambda: from_records([{"loss": 1}]).by_budget(), "no column C")


def test_matched_runs_of_the_paper_are_one_budget():
    spread = from_records([{"C": C, "loss": 1} for C in np.array([9.13, 9.19, 9.38, 9.38]) * 1e20])  # 2506.12119, t. 10
    assert len(spread.by_budget()) == 1


def test_rows_left_out_on_request_are_listed_with_the_request():
    rows = [{"N": n, "arm": arm, "loss": 3.0} for n, arm in ((1e7, "a"), (1e8, "b"), (0, "c"))]
    table = from_records(rows).where("N>=5e7")
    assert table.numbers("N").tolist() == [1e8]
    assert [(one.row, one.by, one.reason) for one in table.dropped] == [
        (1, "N", "left out by N>=5e7"),
        (3, "N", "left out by N>=5e7"),
    ]
    assert len(from_records(rows).where("arm != b")) == 2
    assert len(from_records(rows).where("N=0")) == 1


@pytest.mark.parametrize(
    ("condition", "words"), [("N", "COLUMN"), ("M>3", "no column M"), ("N>x", "'x'"), ("arm>b", "text"), ("", "COLUMN")]
)
def test_a_condition_that_cannot_be_read_is_refused(condition, words):
    table = from_records([{"N": 1e8, "arm": "a", "loss": 3.0}])
    assert_refused(lambda: table.where(condition), words)


def test_a_run_without_stated_experts_is_moe_if_its_rate_is_below_one():
    rows = [{"r_a": rate, "n_experts": experts, "loss": 3.0} for rate, experts in ((0.2, None), (1.0, 0), (0.3, 8))]
    assert from_records(rows).routed().tolist() == [True, False, True]


def test_a_condition_that_no_run_meets_is_refused():
    assert_refused(lambda: from_records([{"N": 1e8, "loss": 3.0}]).where("N>1e12"), "'N>1e12'")


def test_a_run_that_stopped_early_has_the_tokens_and_compute_that_it_consumed():
    rows = [{"D": 1e9, "D_seen": seen, "C": 6e18, "loss": 3.0} for seen in (1e9, 4e8)]
    table = from_records(rows)
    assert table.numbers("D").tolist() == [1e9, 4e8]
    assert table.numbers("C") == pytest.approx([6e18, 2.4e18])


def test_a_law_reads_a_dense_model_as_one_expert_that_is_always_active():
    rows = [
        {"r_a": 1.0, "N": 1e8, "n_experts": 0, "A_e": None, "loss": 3.0},
        {"r_a": 0.2, "N": 1e8, "n_experts": 64, "A_e": 0.1, "loss": 2.9},
    ]
    table = from_records(rows)
    assert table.law_column("n_experts").tolist() == [1.0, 64.0]
    assert table.law_column("A_e").tolist() == [1.0, 0.1]
    assert table.law_column("r_a").tolist() == [1.0, 0.2]
    assert_refused(lambda: table.law_column("D"), "no column D")
    assert_refused(lambda: from_records([rows[1] | {"A_e": None}]).law_column("A_e"), "A_e is nan")
    stated = from_records([{"A_e": share, "loss": 3.0} for share in (1.0, 0.02)])
    assert stated.law_column("A_e").tolist() == [1.0, 0.02]


def test_rows_without_the_measured_optimum_are_set_aside() -> None:
    rows = [{"C": 1e18, "N_opt": 1e8}, {"C": 1e19, "N_opt": None}, {"C": 1e20, "N_opt": "nan"}]
    table = from_records(rows, source="t", needs=("N_opt", "C"))
    assert len(table) == 1
    assert [row.row for row in table.dropped] == [2, 3]
    assert all("N_opt" in row.reason for row in table.dropped)
