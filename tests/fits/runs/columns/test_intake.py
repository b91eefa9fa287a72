"""States, repeats, and the line that is offered for missing columns."""

import pytest

from fits import read_table
from fits.runs.columns import guesses
from planners.records.errors import UsageError


@pytest.mark.parametrize("name", ["state", "State", "status", "Status", "run_state", "run.state", "Run Status"])
@pytest.mark.parametrize(
    ("done", "not_done"),
    [("finished", "crashed"), ("COMPLETED", "CANCELLED by 1000"), ("ok", "OOM"), ("FINISHED", "KILLED"),
     ("done", "NaN loss")],
)  # fmt: skip
def test_states_have_many_names_and_words(name, done, not_done):
    rows = [{name: done, "loss": 3.0}, {name: not_done, "loss": 4.0}, {name: None, "loss": 3.1}]
    known = name == "state" or not_done != "NaN loss"
    assert read_table(rows).numbers("loss").tolist() == ([3.0, 3.1] if known else [3.0, 4.0, 3.1])


def test_the_same_run_twice_counts_once_and_is_listed():
    rows = [{"run_id": f"r{at}", "N": 1e8, "D": 1e9 * (at + 1), "loss": 3.0 - at / 10, "time": at} for at in range(3)]
    again = [row | {"time": 9} for row in rows[:2]]
    table = read_table([*rows, *again])
    assert len(table) == 3
    assert [(one.row, one.reason) for one in table.dropped] == [
        (4, "the same run as row 1"),
        (5, "the same run as row 2"),
    ]
    assert len(read_table([*rows, rows[0] | {"loss": 2.5}])) == 4
    nameless = [{key: value for key, value in row.items() if key != "run_id"} for row in rows]
    assert len(read_table([*nameless, nameless[1]])) == 3
    assert len(read_table([*nameless, nameless[1] | {"time": 9}])) == 4


@pytest.mark.parametrize(
    ("ours", "names", "guess"),
    [
        ("N", ["params (M)"], "params (M)*1e6"),
        ("N", ["n_params"], "n_params"),
        ("N", ["config.n_params"], "config.n_params"),
        ("N", ["model_size"], "model_size"),
        ("N", ["active params", "total params"], "total params"),
        ("D", ["tokens (B)"], "tokens (B)*1e9"),
        ("D", ["tokens_b"], "tokens_b*1e9"),
        ("D", ["N", "tokens per param"], "tokens per param*N"),
        ("D", ["params", "flops"], "C/(6*N)"),
        ("C", ["total_gflops"], "total_gflops*1e9"),
        ("C", ["compute_budget"], "compute_budget"),
        ("loss", ["train_loss", "val_loss"], "val_loss"),
        ("loss", ["eval/loss"], "eval/loss"),
        ("loss", ["ppl"], "ln(ppl)"),
        ("N", ["colour"], None),
    ],
)  # fmt: skip
def test_columns_are_guessed_by_name_and_unit(ours, names, guess):
    assert guesses.suggestion(ours, names) == guess


def test_all_missing_columns_are_named_with_a_line_that_works():
    rows = [{"params (M)": 50 * 2**at, "tokens (B)": 1 + at, "val_loss": 3 - at / 10} for at in range(6)]
    with pytest.raises(UsageError, match="no columns loss, N, D") as caught:
        read_table(rows, needs=("loss", "N", "D"))
    line = str(caught.value).partition("--columns ")[2].strip("'")
    assert line == "loss=val_loss,N=params (M)*1e6,D=tokens (B)*1e9"
    table = read_table(rows, dict(pair.split("=") for pair in line.split(",")), needs=("loss", "N", "D"))
    assert table.numbers("N").tolist() == [5e7 * 2**at for at in range(6)]


@pytest.mark.parametrize(
    ("name", "done", "not_done"),
    [("result", "success", "failed"), ("finished", "True", "False"), ("is_done", True, False),
     ("diverged", "no", "yes"), ("run/crashed", False, True)],
)  # fmt: skip
def test_a_column_of_states_is_known_by_its_words_and_a_flag_by_its_name(name, done, not_done):
    rows = [{name: done, "loss": 3.0}, {name: not_done, "loss": 4.0}, {name: done, "loss": 3.1}]
    table = read_table(rows)
    assert table.numbers("loss").tolist() == [3.0, 3.1]
    assert [one.reason for one in table.dropped] == [f"{name} is {not_done}"]


@pytest.mark.parametrize("column", ["tied", "loss_ok", "model"])
def test_other_yes_and_no_is_no_state(column):
    assert len(read_table([{column: "True", "loss": 3.0}, {column: "False", "loss": 4.0}])) == 2


@pytest.mark.parametrize(
    ("loss", "reason"),
    [
        ("#DIV/0!", "loss is #DIV/0!"),
        ("NaN (diverged)", "loss is NaN (diverged)"),
        ("OOM (80 GB)", "loss is OOM (80 GB)"),
    ],
)
def test_errors_of_a_spreadsheet_and_words_with_a_remark_are_set_aside(loss, reason):
    table = read_table([{"N": "1e8", "loss": loss}, {"N": "2e8", "loss": "3.1"}])
    assert [one.reason for one in table.dropped] == [reason]


def test_a_line_of_units_below_the_header_is_set_aside():
    table = read_table([{"N": "(params)", "loss": "[nats]"}, {"N": "2e8", "loss": "3.1"}])
    assert [(one.row, one.reason) for one in table.dropped] == [(1, "a line of units")]


@pytest.mark.parametrize(
    ("cell", "value"), [("400 Million", 4e8), ("~8.02 T", 8.02e12), ("2.256e8 (@ step 127.5k)", 2.256e8)]
)
def test_numbers_are_read_as_authors_write_them(cell, value):
    assert read_table([{"N": cell, "loss": "3.0"}]).numbers("N")[0] == pytest.approx(value)


def test_tokens_in_millions_are_told_from_billions():
    rows = [{"N": 5e7 * 2**at, "D": 1000.0 * 2**at, "loss": 3 - at / 10} for at in range(5)]
    with pytest.raises(UsageError, match=r"in millions: --columns 'D=D\*1e6'"):
        read_table(rows)
