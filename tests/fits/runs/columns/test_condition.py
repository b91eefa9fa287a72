"""Conditions on the runs: names with any sign, numbers, text and lists."""

import pytest

from fits import from_records
from planners.records.errors import UsageError

ROWS = [
    {"arm": arm, "State": state, "val/loss": loss, "size": size, "loss": 3.0 + at}
    for at, (arm, state, loss, size) in enumerate(
        [("K1", "finished", 7.5, "7B"), ("K2", "crashed", 8.5, "70M"), ("K4", "finished", None, "1B")]
    )
]


@pytest.mark.parametrize(
    ("condition", "rows"),
    [
        ("State==finished", [1, 3]), ("State = finished", [1, 3]), ("State!='finished'", [2]), ("val/loss<8", [1]),
        ("val/loss >= 8", [2]), ("arm in K1,K4", [1, 3]), ("arm in (K1, 'K2')", [1, 2]), ("arm not in K1", [2, 3]),
        ("size==7B", [1]), ("size>=1B", [1, 3]), ("size>100M", [1, 3]), ("val/loss!=7.5", [2, 3]),
    ],
)  # fmt: skip
def test_conditions_choose_rows(condition, rows):
    plain = [{key: value for key, value in row.items() if key != "State"} for row in ROWS]
    table = from_records(ROWS if "State" in condition else plain)
    found = from_records(ROWS, where=[condition]) if "State" in condition else table.where(condition)
    assert [row for row in found.frame.index if row in rows] == [row for row in rows if row in found.frame.index]
    if "State" not in condition:
        assert list(found.frame.index) == rows


def test_a_condition_is_applied_before_a_row_is_refused():
    rows = [{"N": 1e8, "loss": 3.0}, {"N": 5.0, "loss": -1.0}]
    with pytest.raises(UsageError, match="row 2"):
        from_records(rows)
    table = from_records(rows, where=["N>1e6"])
    assert [(one.row, one.by) for one in table.dropped] == [(2, "N")]


@pytest.mark.parametrize("condition", ["", "N", "N>", "N>>3", "M in 1", "loss in a", "=3", "N=="])
def test_other_conditions_are_one_sentence(condition):
    with pytest.raises(UsageError) as caught:
        from_records([{"N": 1e8, "loss": 3.0}]).where(condition)
    assert "\n" not in str(caught.value)
